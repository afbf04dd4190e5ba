//! Towards those who connect: what we show, and whom we let in.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;

use crate::settings::ListenTls;

use super::kept::{Kept, Made};
use super::{Expiry, View, certificate, pem, provider, words};

/// The only protocol that is spoken inside.
const HTTP_1_1: &[u8] = b"http/1.1";

/// How the connections of one listener are secured. TLS 1.2 and 1.3.
#[derive(Debug)]
pub struct Inward(Kept<ServerConfig>);

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
        self.0.config()
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

fn make(settings: &ListenTls) -> Result<Made<ServerConfig>, String> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| words(&error))?;
    let builder = match &settings.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let roots = Arc::new(pem::authorities(Some(file))?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
            let verifier = verifier.map_err(|error| format!("{}: {error}", file.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
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
    Ok(Made {
        config,
        expiry: not_after.map(|not_after| Expiry {
            file: Some(identity.certificate.clone()),
            not_after,
        }),
    })
}
