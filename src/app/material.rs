//! The files that a configuration names, looked at before a start: certificates, keys, tokens.

use crate::admin::Token;
use crate::settings::{Settings, SignerUrl};
use crate::tls::{Inward, Outward};

use super::{StartError, credentials};

/// What is wrong with the files of `settings`, one sentence each. A path whose files cannot be used does not keep
/// the proxy from starting; all else does.
#[must_use]
pub fn check(settings: &Settings) -> Vec<String> {
    let mut problems = Vec::new();
    let listeners = [
        ("listen.tls", &settings.listen.tls),
        ("admin.tls", &settings.admin.tls),
    ];
    for (key, tls) in listeners {
        if let Some(Err(reason)) = tls.as_ref().map(|tls| Inward::new(key, tls)) {
            problems.push(format!("{key}: {reason}"));
        }
    }
    if let Some(Err(reason)) = settings.admin.token_file.as_deref().map(Token::read) {
        problems.push(format!("admin.token-file: {reason}"));
    }
    if let Err(error) = credentials::load(settings) {
        problems.push(StartError::to_string(&error));
    }
    for (nth, signer) in settings.signers.iter().enumerate() {
        for (index, path) in signer.paths.iter().enumerate() {
            let SignerUrl::Https { host, .. } = &path.url else {
                continue;
            };
            if let Err(reason) = Outward::new(&path.tls, host).config() {
                problems.push(format!("signer[{nth}].path[{index}].tls: {reason}"));
            }
        }
    }
    problems
}
