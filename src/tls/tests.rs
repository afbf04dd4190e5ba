//! Files that are replaced, broken, or do not fit together.

use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use crate::settings::{ListenTls, PathTls, TlsIdentity};

use super::*;

/// A folder with a certificate and its key.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        files.issue("signer.example");
        files
    }

    /// Writes a fresh certificate for `name`.
    fn issue(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(self.certificate(), certificate.pem()).unwrap();
        std::fs::write(self.key(), key.serialize_pem()).unwrap();
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("tls.key")
    }

    fn listen(&self) -> ListenTls {
        ListenTls {
            identity: TlsIdentity {
                certificate: self.certificate(),
                key: self.key(),
            },
            client_ca: None,
        }
    }
}

fn shown(file: &Path) -> Vec<String> {
    let chain = pem::certificates(file).unwrap();
    names(&chain[0])
}

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

#[test]
fn a_replacement_is_taken_into_use_and_a_broken_one_is_not() {
    let files = Files::new();
    let inward = Inward::new("listen.tls", &files.listen()).unwrap();
    let first = inward.config().unwrap();
    inward.refresh();
    assert!(Arc::ptr_eq(&first, &inward.config().unwrap()));

    files.issue("other.example");
    inward.refresh();
    let second = inward.config().unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(inward.view().trouble, None);

    std::fs::write(files.key(), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    inward.refresh();
    assert!(Arc::ptr_eq(&second, &inward.config().unwrap()));
    let view = inward.view();
    let trouble = view.trouble.unwrap();
    assert!(
        trouble.ends_with("the key is not the one of the certificate"),
        "{trouble}"
    );
    assert!(view.usable && view.expiry.is_some());

    files.issue("third.example");
    inward.refresh();
    assert!(!Arc::ptr_eq(&second, &inward.config().unwrap()));
    assert_eq!(inward.view().trouble, None);
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name() {
    let files = Files::new();
    let says = |expected: &str| {
        let error = Inward::new("listen.tls", &files.listen()).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    std::fs::write(files.certificate(), "").unwrap();
    says("tls.crt has no certificate in it");
    std::fs::write(files.certificate(), "-----BEGIN CERTIFICATE-----\nAAAA").unwrap();
    says("tls.crt is damaged");
    std::fs::remove_file(files.certificate()).unwrap();
    says("tls.crt: No such file");
    files.issue("signer.example");
    std::fs::write(files.key(), "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA").unwrap();
    says("tls.key");
    let outward = Outward::new(
        &PathTls {
            ca: Some(files.folder.path().join("no.crt")),
            ..PathTls::default()
        },
        "signer.example",
    );
    let error = outward.config().unwrap_err();
    assert!(error.contains("no.crt: No such file"), "{error}");
}

#[test]
fn an_authority_that_comes_later_is_found() {
    let files = Files::new();
    let ca = files.folder.path().join("ca.crt");
    let settings = PathTls {
        ca: Some(ca.clone()),
        ..PathTls::default()
    };
    let outward = Outward::new(&settings, "signer.example");
    assert!(outward.config().is_err());
    std::fs::copy(files.certificate(), &ca).unwrap();
    outward.refresh();
    assert!(outward.config().is_ok());
}

#[test]
fn names_and_end_of_a_certificate_are_read() {
    let files = Files::new();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["one.example".to_owned()]).unwrap();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "baker-1");
    params.not_after = rcgen::date_time_ymd(2031, 2, 3);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(files.certificate(), certificate.pem()).unwrap();
    std::fs::write(files.key(), key.serialize_pem()).unwrap();
    let names = shown(&files.certificate());
    assert!(names.contains(&"baker-1".to_owned()) && names.contains(&"one.example".to_owned()));
    let inward = Inward::new("listen.tls", &files.listen()).unwrap();
    let expiry = inward.view().expiry.unwrap();
    assert_eq!(expiry.not_after, 1_927_843_200);
    assert_eq!(expiry.file, Some(files.certificate()));
}

#[test]
fn a_name_that_no_certificate_has_is_told() {
    let outward = Outward::new(&PathTls::default(), "bad name");
    let error = outward.config().unwrap_err();
    assert!(
        error.contains("bad name") || error.contains("trusts no authority"),
        "{error}"
    );
}
