//! What is in a certificate: until when it is valid, and for whom it is.

use std::path::PathBuf;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// Until when a certificate is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The file it is in; absent for one that was shown by the other side.
    pub file: Option<PathBuf>,
    /// Seconds since 1970.
    pub not_after: i64,
}

/// Seconds since 1970 at which a certificate ends; nothing if it cannot be read.
pub(super) fn not_after(der: &[u8]) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// The names that a certificate is for: its common name, then its alternative names (DNS names, addresses
/// of mail, URIs).
#[must_use]
pub fn names(der: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return Vec::new();
    };
    let common = certificate.subject().iter_common_name();
    let mut names: Vec<String> = common
        .filter_map(|name| name.as_str().ok())
        .map(str::to_owned)
        .collect();
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        for name in &alternative.value.general_names {
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "other forms are none that a configuration could name"
            )]
            match name {
                GeneralName::DNSName(name)
                | GeneralName::RFC822Name(name)
                | GeneralName::URI(name) => names.push((*name).to_owned()),
                _ => {}
            }
        }
    }
    names.dedup();
    names
}
