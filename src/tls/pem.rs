//! Certificates and keys out of PEM files; every error names the file and what to do.

use std::path::Path;
use std::sync::OnceLock;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_pki_types::pem::{self, PemObject as _};

/// The certificates of a file; at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error: &pem::Error| unreadable(file, error);
    let read = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))?;
    let all = read.collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| unreadable(&error))?;
    if all.is_empty() {
        return Err(format!(
            "{} has no certificate in it; write them in PEM, beginning with -----BEGIN CERTIFICATE-----",
            file.display()
        ));
    }
    Ok(all)
}

/// The one private key of a file.
pub(super) fn key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| {
        if matches!(error, pem::Error::NoItemsFound) {
            return format!(
                "{} has no unencrypted private key in it; write it in PEM, beginning with -----BEGIN PRIVATE KEY-----",
                file.display()
            );
        }
        unreadable(file, &error)
    })
}

fn unreadable(file: &Path, error: &pem::Error) -> String {
    if let pem::Error::Io(error) = error {
        return format!("cannot read {}: {error}", file.display());
    }
    // Nothing of the file's text: it may be a key.
    format!("{} is damaged: it is not whole PEM", file.display())
}

/// The authorities of a file, or those that this system trusts.
pub(super) fn authorities(file: Option<&Path>) -> Result<RootCertStore, String> {
    let Some(file) = file else {
        return system();
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        let added = roots.add(certificate);
        added.map_err(|error| format!("{} has no sound authority: {error}", file.display()))?;
    }
    Ok(roots)
}

/// Read once: it is long, and changes with the system alone.
fn system() -> Result<RootCertStore, String> {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    let roots = SYSTEM.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    });
    if roots.is_empty() {
        return Err(
            "this system trusts no authority; install ca-certificates, or name one by ca"
                .to_owned(),
        );
    }
    Ok(roots.clone())
}
