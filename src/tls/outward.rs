//! Towards signers: whom we trust, and what we show.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::settings::PathTls;

use super::kept::{Kept, Made};
use super::{Expiry, View, certificate, pem, pinned, provider, words};

/// How the connections of one path are secured.
#[derive(Debug)]
pub struct Outward {
    name: Result<ServerName<'static>, String>,
    kept: Kept<ClientConfig>,
    /// When the certificate that was shown last ends; 0 before any was.
    peer_not_after: AtomicI64,
}

impl Outward {
    /// For a path to `host`. What is wrong with its files is told by [`Self::config`].
    #[must_use]
    pub fn new(settings: &PathTls, host: &str) -> Self {
        let name = settings.server_name.as_deref().unwrap_or(host);
        let parsed = ServerName::try_from(name.to_owned());
        let identity = settings.identity.iter();
        let mut files: Vec<_> = identity
            .flat_map(|identity| [identity.certificate.clone(), identity.key.clone()])
            .collect();
        files.extend(settings.ca.clone());
        let settings = settings.clone();
        Self {
            name: parsed.map_err(|_| format!("{name:?} is no name that a certificate could have")),
            kept: Kept::new(format!("https://{host}"), files, move || make(&settings)),
            peer_not_after: AtomicI64::new(0),
        }
    }

    /// For one that shows the first certificate of `file` and no other: a server of our own.
    #[must_use]
    pub fn pinned(file: &Path, host: &str) -> Self {
        let pin = file.to_owned();
        let name = ServerName::try_from(host.to_owned());
        Self {
            name: name.map_err(|_| format!("{host:?} is no name")),
            kept: Kept::new(format!("https://{host}"), vec![pin.clone()], move || {
                Ok(Made {
                    config: pinned::config(&pin)?,
                    expiry: None,
                })
            }),
            peer_not_after: AtomicI64::new(0),
        }
    }

    /// What the next connection is to be made with.
    ///
    /// # Errors
    /// Why none can be made, in words.
    pub fn config(&self) -> Result<(Arc<ClientConfig>, ServerName<'static>), String> {
        Ok((self.kept.config()?, self.name.clone()?))
    }

    /// Changes with the configuration: connections that were made before may show or trust what is no more.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.kept.generation()
    }

    /// Notes the certificate that the other side has shown.
    pub fn note_peer(&self, certificate: Option<&CertificateDer<'_>>) {
        let not_after = certificate.and_then(|der| certificate::not_after(der));
        self.peer_not_after
            .store(not_after.unwrap_or_default(), Ordering::Relaxed);
    }

    /// When the certificate that the other side has shown last ends.
    #[must_use]
    pub fn peer_expiry(&self) -> Option<Expiry> {
        let not_after = self.peer_not_after.load(Ordering::Relaxed);
        (not_after != 0).then_some(Expiry {
            file: None,
            not_after,
        })
    }

    /// See [`Kept::refresh`].
    pub fn refresh(&self) {
        self.kept.refresh();
    }

    /// See [`Kept::view`].
    #[must_use]
    pub fn view(&self) -> View {
        self.kept.view()
    }
}

fn make(settings: &PathTls) -> Result<Made<ClientConfig>, String> {
    let roots = pem::authorities(settings.ca.as_deref())?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| words(&error))?
        .with_root_certificates(roots);
    let Some(identity) = &settings.identity else {
        let mut config = builder.with_no_client_auth();
        config.resumption = Resumption::disabled();
        return Ok(Made {
            config,
            expiry: None,
        });
    };
    let chain = pem::certificates(&identity.certificate)?;
    let not_after = chain.first().and_then(|der| certificate::not_after(der));
    let key = pem::key(&identity.key)?;
    let config = builder.with_client_auth_cert(chain, key);
    let mut config = config.map_err(|error| {
        let (certificate, key) = (identity.certificate.display(), identity.key.display());
        format!("{certificate} with {key}: {}", words(&error))
    })?;
    // Each handshake sees the certificate that is shown now. Connections are kept, so there are few.
    config.resumption = Resumption::disabled();
    Ok(Made {
        config,
        expiry: not_after.map(|not_after| Expiry {
            file: Some(identity.certificate.clone()),
            not_after,
        }),
    })
}
