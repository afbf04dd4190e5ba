//! Where the signer's secret keys come from: a text, or a file of unencrypted keys.
//!
//! For sandboxes and tests only: a key made from a text is as secret as the text.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::tezos::{Curve, SecretKey, SecretKeyError, digest};

/// Keys made from `text`, one for each of `curves`, the same every time.
///
/// The n-th key of a curve depends on the text, the curve and n alone, so adding other curves leaves it
/// as it was. Curves without software keys (tz5) are left out.
#[must_use]
pub fn keys_from_seed(text: &str, curves: &[Curve]) -> Vec<SecretKey> {
    curves
        .iter()
        .enumerate()
        .filter_map(|(at, curve)| {
            let nth = curves
                .iter()
                .take(at)
                .filter(|earlier| *earlier == curve)
                .count();
            let seed = format!("signer-proxy dev-signer|{text}|{}|{nth}", curve.name());
            let seed = Zeroizing::new(seed);
            SecretKey::from_seed(*curve, digest(seed.as_bytes()).bytes()).ok()
        })
        .collect()
}

/// Why a key file was refused. The keys themselves are never part of it.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file holds no key.
    #[error("no key in {}", .0.display())]
    Empty(PathBuf),
    /// A line is no unencrypted secret key.
    #[error("line {line} of {} is no unencrypted secret key", .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: SecretKeyError,
    },
    /// The file cannot be read.
    #[error("cannot read {}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The keys in a file: one unencrypted secret key a line; `#` starts a comment.
///
/// # Errors
/// When the file cannot be read, holds no key, or a line is something else.
pub fn keys_from_file(path: &Path) -> Result<Vec<SecretKey>, KeyFileError> {
    let file = || path.to_owned();
    let text = std::fs::read_to_string(path).map_err(|source| KeyFileError::Read {
        file: file(),
        source,
    })?;
    let text = Zeroizing::new(text);
    let mut keys = Vec::new();
    for (line, words) in (1_usize..).zip(text.lines()) {
        let word = words.split('#').next().unwrap_or_default().trim();
        if !word.is_empty() {
            keys.push(word.parse().map_err(|source| KeyFileError::Line {
                file: file(),
                line,
                source,
            })?);
        }
    }
    if keys.is_empty() {
        Err(KeyFileError::Empty(file()))
    } else {
        Ok(keys)
    }
}
