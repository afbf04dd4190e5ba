//! The proxy's own keys towards signers, out of their files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::settings::{AuthMode, Settings};
use crate::signer::Credentials;
use crate::tezos::SecretKey;

use super::StartError;
use super::doors::is_readable_by_others;

/// A key for each signer, in mode own; else none.
pub(super) fn load(settings: &Settings) -> Result<Credentials, StartError> {
    if settings.auth.mode != AuthMode::Own {
        return Ok(Credentials::default());
    }
    let default = match &settings.auth.signing_key_file {
        Some(file) => Some(read("auth.signing-key-file", file)?),
        None => None,
    };
    let mut keys = BTreeMap::new();
    for (index, signer) in settings.signers.iter().enumerate() {
        let key = match &signer.auth_key {
            Some(file) => Some(read(&format!("signer[{index}].auth-key"), file)?),
            None => default.clone(),
        };
        if let Some(key) = key {
            tracing::info!(
                signer = signer.name,
                key = %key.public_key().hash(),
                "authenticates to the signer with its own key"
            );
            keys.insert(signer.name.clone(), key);
        }
    }
    Ok(Credentials::new(keys))
}

/// Reads an unencrypted key that nobody else can read.
fn read(name: &str, file: &Path) -> Result<Arc<SecretKey>, StartError> {
    let fail = |reason: String| StartError::Material {
        key: name.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    let text = text.map_err(|error| fail(format!("cannot read {}: {error}", file.display())))?;
    if is_readable_by_others(file) {
        let file = file.display();
        return Err(fail(format!(
            "{file} can be read by others; run chmod 600 {file}"
        )));
    }
    let text = text.trim();
    let text = text.strip_prefix("unencrypted:").unwrap_or(text);
    let key: SecretKey = text
        .parse()
        .map_err(|error| fail(format!("{}: {error}", file.display())))?;
    Ok(Arc::new(key))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// The key of the first account of every Octez sandbox; worth nothing.
    const SANDBOX: &str = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";

    #[test]
    fn a_key_is_read_only_if_nobody_else_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth.key");
        std::fs::write(&file, format!("unencrypted:{SANDBOX}\n")).unwrap();
        let mode = |mode| std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        mode(0o640);
        let error = read("auth.signing-key-file", &file)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("can be read by others; run chmod 600"),
            "{error}"
        );
        mode(0o600);
        let key = read("auth.signing-key-file", &file).unwrap();
        let expected = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx";
        assert_eq!(key.public_key().hash().to_string(), expected);
        std::fs::write(&file, "edesk1").unwrap();
        let error = read("auth.signing-key-file", &file)
            .unwrap_err()
            .to_string();
        assert!(error.contains("not an unencrypted secret key"), "{error}");
        assert!(!error.contains("edesk1"), "{error}");
    }
}
