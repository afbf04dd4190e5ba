//! The one place that chooses the TLS provider.
//!
//! Nothing speaks TLS yet; whatever will takes the provider from here and passes it on explicitly. It is
//! also installed as the process's default once, because the day a dependency brings a second provider
//! rustls would otherwise panic at its first use.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

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
mod tests {
    use super::*;

    #[test]
    fn the_provider_can_make_a_configuration_for_both_versions_of_tls() {
        let roots = rustls::RootCertStore::empty();
        let config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        assert!(config.enable_sni);
    }

    #[test]
    fn installing_twice_does_no_harm() {
        install();
        install();
        assert!(CryptoProvider::get_default().is_some());
    }
}
