//! The answers of signers, read.

use serde::Deserialize;

use super::{WireError, parse_object};
use crate::tezos::base58::Base58Error;
use crate::tezos::explain;
use crate::tezos::key::{KeyError, PublicKey, PublicKeyHash};
use crate::tezos::signature::Signature;

/// What a signer says about authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizedKeys {
    /// Sign requests need none.
    NotRequired,
    /// Sign requests must be authenticated by one of these keys. Keys of curves that are not known here are
    /// left out, so the list can be empty although the signer's is not.
    Keys(Vec<PublicKeyHash>),
}

/// Reads the answer to `GET /authorized_keys`.
///
/// # Errors
///
/// [`WireError`] for anything but an object with this field or none at all: any other object is not the
/// answer of a signer.
pub fn decode_authorized_keys(body: &[u8]) -> Result<AuthorizedKeys, WireError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(default)]
        authorized_keys: Option<Vec<String>>,
    }
    let Body { authorized_keys } = parse_object(body, "an answer about authorized keys")?;
    match authorized_keys {
        None => Ok(AuthorizedKeys::NotRequired),
        Some(keys) => known_curves("authorized_keys", &keys).map(AuthorizedKeys::Keys),
    }
}

/// Reads the answer to `GET /known_keys`, without keys of unknown curves.
///
/// # Errors
///
/// [`WireError`] when it is not a list of key hashes.
pub fn decode_known_keys(body: &[u8]) -> Result<Vec<PublicKeyHash>, WireError> {
    #[derive(Deserialize)]
    struct Body {
        known_keys: Vec<String>,
    }
    let Body { known_keys } = parse_object(body, "a list of known keys")?;
    known_curves("known_keys", &known_keys)
}

/// Parses `keys`; a sound text of an unknown kind is a curve of the future and left out, anything else is
/// damage.
fn known_curves(field: &'static str, keys: &[String]) -> Result<Vec<PublicKeyHash>, WireError> {
    let mut known = Vec::with_capacity(keys.len());
    for key in keys {
        match key.parse() {
            Ok(hash) => known.push(hash),
            Err(KeyError::Text {
                source: Base58Error::UnknownPrefix,
                ..
            }) => {}
            Err(error) => {
                return Err(WireError::Value {
                    field,
                    reason: explain(&error),
                });
            }
        }
    }
    Ok(known)
}

/// Reads the answer to `GET /keys/<pkh>`. Whether the key has that hash is for the caller to compare.
///
/// # Errors
///
/// [`WireError`] when it is not a public key.
pub fn decode_public_key(body: &[u8]) -> Result<PublicKey, WireError> {
    #[derive(Deserialize)]
    struct Body {
        public_key: String,
    }
    let Body { public_key } = parse_object(body, "an answer with a public key")?;
    public_key
        .parse()
        .map_err(|error: KeyError| WireError::Value {
            field: "public_key",
            reason: explain(&error),
        })
}

/// Reads the answer to a sign request. Its curve is not compared: only verification says whether the
/// signature is right.
///
/// # Errors
///
/// [`WireError`] when it is not a signature.
pub fn decode_signature(body: &[u8]) -> Result<Signature, WireError> {
    #[derive(Deserialize)]
    struct Body {
        signature: String,
    }
    let Body { signature } = parse_object(body, "an answer with a signature")?;
    parse_signature("signature", &signature)
}

/// Reads the answer to `GET /bls_prove_possession/<pkh>`.
///
/// # Errors
///
/// [`WireError`] when it is not a signature.
pub fn decode_possession(body: &[u8]) -> Result<Signature, WireError> {
    #[derive(Deserialize)]
    struct Body {
        bls_prove_possession: String,
    }
    let Body {
        bls_prove_possession,
    } = parse_object(body, "an answer with a proof of possession")?;
    parse_signature("bls_prove_possession", &bls_prove_possession)
}

fn parse_signature(field: &'static str, text: &str) -> Result<Signature, WireError> {
    let (signature, _) = Signature::parse(text).map_err(|error| WireError::Value {
        field,
        reason: explain(&error),
    })?;
    Ok(signature)
}
