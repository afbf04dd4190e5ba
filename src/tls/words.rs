//! What went wrong in TLS, in words for operators.

use rustls::{AlertDescription, CertificateError, Error};

/// A sentence part for `error`, as seen from this side.
#[must_use]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls's errors are not ours and grow"
)]
pub fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(reason) => format!("the other side's certificate {}", of(reason)),
        Error::AlertReceived(alert) => format!("the other side {}", alerts(*alert)),
        Error::NoCertificatesPresented => "the other side shows no certificate".to_owned(),
        Error::InvalidMessage(_) => "what answers there does not speak TLS".to_owned(),
        Error::PeerIncompatible(reason) => {
            format!("the other side has no common way to speak TLS ({reason:?})")
        }
        Error::InconsistentKeys(_) => "the key is not the one of the certificate".to_owned(),
        other => other.to_string(),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls's errors are not ours and grow"
)]
fn of(reason: &CertificateError) -> String {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet: compare the clocks".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "does not chain up to an authority that is trusted here".to_owned()
        }
        CertificateError::NotValidForName => "is for another name".to_owned(),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let presented = presented.join(", ");
            format!("is not for {} but for {presented}", expected.to_str())
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not meant for this use".to_owned()
        }
        CertificateError::Revoked => "is revoked".to_owned(),
        CertificateError::BadSignature => "has a wrong signature".to_owned(),
        other => format!("is not accepted ({other})"),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls's alerts are not ours and grow"
)]
fn alerts(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "wants a certificate of ours, and none is configured".to_owned()
        }
        AlertDescription::CertificateExpired => "says that our certificate has expired".to_owned(),
        AlertDescription::UnknownCA => "does not trust the authority of our certificate".to_owned(),
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::AccessDenied => format!("does not accept our certificate ({alert:?})"),
        AlertDescription::ProtocolVersion => "speaks no TLS version from 1.2 on".to_owned(),
        other => format!("ends TLS with the alert {other:?}"),
    }
}
