//! Replies, to and from the bodies of the HTTP protocol.

use serde_json::Value;

use super::cursor::Cursor;
use super::{FrameError, bson};
use crate::tezos::explain;
use crate::tezos::key::{Curve, PublicKeyHash};
use crate::tezos::route::Route;
use crate::tezos::signature::Signature;
use crate::tezos::wire::{self, AuthorizedKeys, ErrorKind};

/// First bytes of replies.
const GOOD: u8 = 0;
const ERRORS: u8 = 1;

/// First bytes of the list of authorized keys.
const NOT_REQUIRED: u8 = 0;
const LISTED: u8 = 1;

/// What the errors of a signer may take; a reply has to fit into a frame.
const MOST_ERROR_BYTES: usize = 32 << 10;

/// The reply that says what `body` says over HTTP: the answer to `route`, or errors unless it is `good`.
///
/// # Errors
/// [`FrameError`] when the body is not such an answer.
pub fn reply_from_body(route: &Route, good: bool, body: &[u8]) -> Result<Vec<u8>, FrameError> {
    if !good {
        return Ok(errors_from_body(body));
    }
    let not_one = |error: wire::WireError| FrameError::value("answer", error.to_string());
    let mut out = vec![GOOD];
    match route {
        Route::Sign { .. } => {
            out.extend_from_slice(wire::decode_signature(body).map_err(not_one)?.raw());
        }
        Route::ProvePossession { .. } => {
            out.extend_from_slice(wire::decode_possession(body).map_err(not_one)?.raw());
        }
        Route::PublicKey(_) => {
            let key = wire::decode_public_key(body).map_err(not_one)?;
            out.push(key.curve().tag());
            out.extend_from_slice(key.raw());
        }
        Route::AuthorizedKeys => match wire::decode_authorized_keys(body).map_err(not_one)? {
            AuthorizedKeys::NotRequired => out.push(NOT_REQUIRED),
            AuthorizedKeys::Keys(keys) => {
                out.push(LISTED);
                push_hashes(&mut out, &keys)?;
            }
        },
        Route::KnownKeys => {
            push_hashes(&mut out, &wire::decode_known_keys(body).map_err(not_one)?)?;
        }
    }
    Ok(out)
}

fn push_hashes(out: &mut Vec<u8>, keys: &[PublicKeyHash]) -> Result<(), FrameError> {
    let bytes: Vec<u8> = keys.iter().flat_map(PublicKeyHash::tagged).collect();
    push_sized(out, &bytes)
}

fn push_sized(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), FrameError> {
    let length = u32::try_from(bytes.len()).map_err(|_| FrameError::Unspeakable {
        what: "a message of more than 65535 bytes",
    })?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// The reply for one error of ours.
#[must_use]
pub fn error_reply(kind: ErrorKind, msg: &str) -> Vec<u8> {
    errors_from_body(wire::error_body(kind, msg).as_bytes())
}

/// The reply that says that deterministic nonces are not to be had.
#[must_use]
pub fn supports_nonces_reply() -> Vec<u8> {
    vec![GOOD, 0x00]
}

/// Whatever the body says, as errors; what is not the array that Octez knows becomes its one message.
fn errors_from_body(body: &[u8]) -> Vec<u8> {
    let mut documents = Vec::new();
    if let Ok(Value::Array(errors)) = serde_json::from_slice::<Value>(body) {
        for error in &errors {
            if let Some(document) = error.as_object().and_then(bson::encode) {
                documents.push(document);
            }
        }
    }
    let bytes = |documents: &[Vec<u8>]| -> usize { documents.iter().map(Vec::len).sum() };
    if documents.is_empty() || bytes(&documents) > MOST_ERROR_BYTES {
        let words = wire::decode_error(body).unwrap_or_else(|| "refused without a word".to_owned());
        let one = wire::error_body(ErrorKind::Temporary, &words);
        let one = serde_json::from_str::<Vec<serde_json::Map<String, Value>>>(&one);
        documents = one.iter().flatten().filter_map(bson::encode).collect();
    }
    let mut all = Vec::new();
    for document in &documents {
        // Lengths are bounded above.
        drop(push_sized(&mut all, document));
    }
    let mut out = vec![ERRORS];
    drop(push_sized(&mut out, &all));
    out
}

/// What a reply to `route` says, as the body that says it over HTTP, and whether it is good.
///
/// # Errors
/// [`FrameError`] when the bytes are not a reply to it.
pub fn body_from_reply(route: &Route, reply: &[u8]) -> Result<(bool, String), FrameError> {
    let mut cursor = Cursor::new(reply);
    match cursor.byte("reply")? {
        GOOD => {}
        ERRORS => return Ok((false, errors(cursor)?)),
        other => {
            let reason = format!("{other} is neither 0 nor 1");
            return Err(FrameError::value("reply tag", reason));
        }
    }
    let body = match route {
        Route::Sign { key, .. } => {
            wire::signature_body(&signature(&mut cursor)?.encode(key.curve()))
        }
        Route::ProvePossession { key, .. } => {
            wire::possession_body(&signature(&mut cursor)?.encode(key.curve()))
        }
        Route::PublicKey(_) => {
            let what = "public key";
            let tag = cursor.byte(what)?;
            let curve = Curve::from_tag(tag)
                .ok_or_else(|| FrameError::value(what, format!("unknown curve tag {tag}")))?;
            wire::public_key_body(&cursor.key(curve)?)
        }
        Route::AuthorizedKeys => match cursor.byte("authorized keys")? {
            NOT_REQUIRED => wire::authorized_keys_body(None),
            LISTED => wire::authorized_keys_body(Some(&hashes(&mut cursor)?)),
            other => {
                let reason = format!("{other} is neither 0 nor 1");
                return Err(FrameError::value("authorized keys", reason));
            }
        },
        Route::KnownKeys => wire::known_keys_body(&hashes(&mut cursor)?),
    };
    cursor.end()?;
    Ok((true, body))
}

fn signature(cursor: &mut Cursor<'_>) -> Result<Signature, FrameError> {
    Signature::from_raw(cursor.rest().to_vec())
        .map_err(|error| FrameError::value("signature", explain(&error)))
}

/// A list of hashes. Those of curves of the future have another length, and end what can be read.
fn hashes(cursor: &mut Cursor<'_>) -> Result<Vec<PublicKeyHash>, FrameError> {
    let mut list = Cursor::new(cursor.sized("list of keys")?);
    let mut keys = Vec::new();
    while !list.is_empty() {
        keys.push(list.hash()?);
    }
    Ok(keys)
}

/// The errors of a signer as the array of HTTP.
fn errors(mut cursor: Cursor<'_>) -> Result<String, FrameError> {
    let mut list = Cursor::new(cursor.sized("errors")?);
    cursor.end()?;
    let mut all = Vec::new();
    while !list.is_empty() {
        all.push(Value::Object(bson::decode(list.sized("error")?)?));
    }
    Ok(Value::Array(all).to_string())
}
