//! Towards those who connect: what we show, and whom we let in.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

use crate::settings::ListenTls;

use super::kept::{Kept, Made};
use super::{Expiry, View, certificate, pem, provider, words};

/// The only protocol that is spoken inside.
const HTTP_1_1: &[u8] = b"http/1.1";

/// How the connections of one listener are secured. TLS 1.2 and 1.3.
#[derive(Debug)]
pub struct Inward(Kept<Accepts>);

/// What connections are accepted with, and who judges the certificates of those who connect.
#[derive(Debug)]
struct Accepts {
    server: Arc<ServerConfig>,
    judge: Option<Arc<dyn ClientCertVerifier>>,
}

impl Inward {
    /// For the listener that logs and status call `what`.
    ///
    /// # Errors
    /// What is wrong with the files, with the remedy: a listener that cannot answer is none.
    pub fn new(what: &str, settings: &ListenTls) -> Result<Self, String> {
        let mut files = vec![
            settings.identity.certificate.clone(),
            settings.identity.key.clone(),
        ];
        files.extend(settings.client_ca.clone());
        let settings = settings.clone();
        let kept = Kept::new(what.to_owned(), files, move || make(&settings));
        kept.config()?;
        Ok(Self(kept))
    }

    /// What the next connection is to be accepted with.
    ///
    /// # Errors
    /// None in practice: one was sound at the start, and the last sound one stays.
    pub fn config(&self) -> Result<Arc<ServerConfig>, String> {
        Ok(Arc::clone(&self.0.config()?.server))
    }

    /// Resolves once `chain`, which was let in, would be let in no more, because the authorities were replaced or,
    /// when anything was, because it has expired. Cancel safe.
    pub async fn unwelcome(&self, chain: &[CertificateDer<'_>]) {
        let mut news = self.0.news();
        while self.lets_in(chain) {
            if news.changed().await.is_err() {
                break;
            }
        }
    }

    fn lets_in(&self, chain: &[CertificateDer<'_>]) -> bool {
        let Ok(accepts) = self.0.config() else {
            return false;
        };
        match (&accepts.judge, chain) {
            (None, _) => true,
            (Some(_), []) => false,
            (Some(judge), [leaf, between @ ..]) => judge
                .verify_client_cert(leaf, between, UnixTime::now())
                .is_ok(),
        }
    }

    /// See [`Kept::refresh`].
    pub fn refresh(&self) {
        self.0.refresh();
    }

    /// See [`Kept::view`].
    #[must_use]
    pub fn view(&self) -> View {
        self.0.view()
    }
}

fn make(settings: &ListenTls) -> Result<Made<Accepts>, String> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| words(&error))?;
    let judge = match &settings.client_ca {
        None => None,
        Some(file) => {
            let roots = Arc::new(pem::authorities(Some(file))?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
            Some(verifier.map_err(|error| format!("{}: {error}", file.display()))?)
        }
    };
    let builder = match judge.clone() {
        None => builder.with_no_client_auth(),
        Some(judge) => builder.with_client_cert_verifier(judge),
    };
    let identity = &settings.identity;
    let chain = pem::certificates(&identity.certificate)?;
    let not_after = chain.first().and_then(|der| certificate::not_after(der));
    let mut config = builder
        .with_single_cert(chain, pem::key(&identity.key)?)
        .map_err(|error| {
            let (certificate, key) = (identity.certificate.display(), identity.key.display());
            format!("{certificate} with {key}: {}", words(&error))
        })?;
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    if judge.is_some() {
        // A session that goes on is not judged again: a certificate could outlive its end by a day.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Made {
        config: Accepts {
            server: Arc::new(config),
            judge,
        },
        expiry: not_after.map(|not_after| Expiry {
            file: Some(identity.certificate.clone()),
            not_after,
        }),
    })
}
