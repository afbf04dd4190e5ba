//! TLS: the one place that chooses the provider, and configurations that follow the files they are made of.
//!
//! A configuration is made anew when one of its files changes, and taken into use only if it is sound; else the
//! old one stays and the reason is told. The provider is passed on explicitly. It is also installed as the
//! process's default once, because the day a dependency brings a second provider rustls would otherwise panic
//! at its first use.
//!
//! Knows nothing of listeners, signers or HTTP; makes no connection.

mod certificate;
mod inward;
mod kept;
mod outward;
mod pem;
mod pinned;
mod watch;
mod words;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

pub use certificate::{Expiry, names};
pub use inward::Inward;
pub use kept::{Kept, View};
pub use outward::Outward;
pub use watch::{CertificateView, Certificates};
pub use words::words;

/// The provider of every TLS connection: ring, which needs a C compiler and nothing else to build.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Makes [`provider`] the default of the process. The first call decides; further ones change nothing.
pub fn install() {
    if ring::default_provider().install_default().is_err() {
        tracing::debug!("a tls provider was installed before");
    }
}

#[cfg(test)]
mod tests;
