//! JSON bodies of the remote-signer protocol, both directions.
//!
//! Only shapes and text forms; statuses and headers belong to the HTTP side. Answers are minified and end
//! with a newline, as bakers know them from their signer. Bodies that come from signers are read leniently
//! where that is harmless (fields we do not know) and strictly where it is not: an answer that merely lacks
//! `authorized_keys` must not be taken for "no authentication wanted".
//!
//! Limits on the length of bodies are the reader's, before they come here.

mod answer;
mod error;

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

pub use self::answer::{
    AuthorizedKeys, decode_authorized_keys, decode_known_keys, decode_possession,
    decode_public_key, decode_signature,
};
pub use self::error::{ErrorKind, decode_error, error_body};
use super::key::{PublicKey, PublicKeyHash};

/// Longest excerpt of foreign text in an error, in characters.
const MAX_REASON: usize = 160;

/// Why a body is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not JSON, or JSON of another shape.
    #[error("body is not {wanted}: {reason}")]
    Shape {
        /// What was expected.
        wanted: &'static str,
        /// What the JSON reader says, shortened.
        reason: String,
    },
    /// A string in the body is not a value of the kind that belongs there.
    #[error("{field} in the body is {reason}")]
    Value {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl WireError {
    fn shape(wanted: &'static str, error: &serde_json::Error) -> Self {
        Self::Shape {
            wanted,
            reason: shorten(&error.to_string(), MAX_REASON),
        }
    }
}

/// The bytes to sign out of the body of a sign request: one JSON string of hexadecimal digits, in either
/// case.
///
/// # Errors
///
/// [`WireError`] for anything else, such as an object, a `0x` in front or an odd number of digits.
pub fn decode_sign_body(body: &[u8]) -> Result<Vec<u8>, WireError> {
    let text: Cow<'_, str> = parse(body, "a JSON string of hexadecimal digits")?;
    let value = |error: hex::FromHexError| WireError::Value {
        field: "string",
        reason: format!("not hexadecimal: {}", hex_reason(error)),
    };
    hex::decode(text.as_bytes()).map_err(value)
}

fn hex_reason(error: hex::FromHexError) -> String {
    match error {
        hex::FromHexError::InvalidHexCharacter { c, index } => {
            format!("character {c:?} at position {index}")
        }
        hex::FromHexError::OddLength => "odd number of digits".to_owned(),
        hex::FromHexError::InvalidStringLength => "wrong length".to_owned(),
    }
}

/// Reads `body` as a `T`, described as `wanted` in the error.
fn parse<'de, T: serde::Deserialize<'de>>(
    body: &'de [u8],
    wanted: &'static str,
) -> Result<T, WireError> {
    serde_json::from_slice(body).map_err(|error| WireError::shape(wanted, &error))
}

/// Like [`parse`], for an object only: a derived reader alone would take an array for the fields in order.
fn parse_object<T: serde::de::DeserializeOwned>(
    body: &[u8],
    wanted: &'static str,
) -> Result<T, WireError> {
    let fields: Map<String, Value> = parse(body, wanted)?;
    T::deserialize(fields).map_err(|error| WireError::shape(wanted, &error))
}

/// `text` on one line, without control characters, cut after `limit` characters.
fn shorten(text: &str, limit: usize) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut words = String::new();
    for word in clean.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    match words.char_indices().nth(limit) {
        Some((end, _)) => {
            words.truncate(end);
            words.push_str("...");
            words
        }
        None => words,
    }
}

/// The body of a sign request for `bytes`.
#[must_use]
pub fn sign_body(bytes: &[u8]) -> String {
    let mut body = String::with_capacity(bytes.len().saturating_mul(2).saturating_add(2));
    body.push('"');
    body.push_str(&hex::encode(bytes));
    body.push('"');
    body
}

/// The answer to a sign request; `signature` in its text form.
#[must_use]
pub fn signature_body(signature: &str) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        signature: &'a str,
    }
    print(&Body { signature })
}

/// The answer to `GET /keys/<pkh>`.
#[must_use]
pub fn public_key_body(key: &PublicKey) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        public_key: &'a PublicKey,
    }
    print(&Body { public_key: key })
}

/// The answer to `GET /authorized_keys`; none means that no authentication is wanted.
#[must_use]
pub fn authorized_keys_body(keys: Option<&[PublicKeyHash]>) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        authorized_keys: Option<&'a [PublicKeyHash]>,
    }
    print(&Body {
        authorized_keys: keys,
    })
}

/// The answer to `GET /known_keys`.
#[must_use]
pub fn known_keys_body(keys: &[PublicKeyHash]) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        known_keys: &'a [PublicKeyHash],
    }
    print(&Body { known_keys: keys })
}

/// The answer to `GET /bls_prove_possession/<pkh>`; `proof` in its text form.
#[must_use]
pub fn possession_body(proof: &str) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        bls_prove_possession: &'a str,
    }
    print(&Body {
        bls_prove_possession: proof,
    })
}

fn print<T: Serialize>(value: &T) -> String {
    // Writing plain structs and strings into memory has no way to fail.
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
