//! Requests, both ways.

use super::FrameError;
use super::cursor::Cursor;
use crate::tezos::explain;
use crate::tezos::key::{Curve, PublicKeyHash};
use crate::tezos::route::{MAX_VERSION, Route};
use crate::tezos::signature::Signature;

/// First bytes of requests.
mod tag {
    pub(super) const SIGN: u8 = 0;
    pub(super) const PUBLIC_KEY: u8 = 1;
    pub(super) const AUTHORIZED_KEYS: u8 = 2;
    pub(super) const NONCE: u8 = 3;
    pub(super) const NONCE_HASH: u8 = 4;
    pub(super) const SUPPORTS_NONCES: u8 = 5;
    pub(super) const KNOWN_KEYS: u8 = 6;
    pub(super) const PROVE_POSSESSION: u8 = 7;
}

/// Presence bytes are booleans.
const ABSENT: u8 = 0x00;
const PRESENT: u8 = 0xff;

/// The version of a tz4 request that names none: the scheme is the same as that of 3, and signers of Octez
/// before v25 know no 3.
const POP_VERSION: u8 = 2;

/// A request as it came over a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// One that has a route of HTTP; the bytes are what is to be signed, else none.
    Route(Route, Vec<u8>),
    /// A deterministic nonce or its hash. The key.
    Nonce(PublicKeyHash),
    /// Whether such nonces are to be had.
    SupportsNonces(PublicKeyHash),
}

/// Reads the bytes of one frame.
///
/// # Errors
/// [`FrameError`] for anything that is not exactly one request.
pub fn decode_request(bytes: &[u8]) -> Result<Request, FrameError> {
    let mut cursor = Cursor::new(bytes);
    let request = match cursor.byte("request")? {
        tag::SIGN => sign(&mut cursor)?,
        tag::PUBLIC_KEY => Request::Route(Route::PublicKey(cursor.hash()?), Vec::new()),
        tag::AUTHORIZED_KEYS => Request::Route(Route::AuthorizedKeys, Vec::new()),
        tag::NONCE | tag::NONCE_HASH => {
            let key = cursor.hash()?;
            cursor.sized("data")?;
            authentication(&mut cursor)?;
            Request::Nonce(key)
        }
        tag::SUPPORTS_NONCES => Request::SupportsNonces(cursor.hash()?),
        tag::KNOWN_KEYS => Request::Route(Route::KnownKeys, Vec::new()),
        tag::PROVE_POSSESSION => {
            let key = cursor.hash()?;
            let subject = match cursor.byte("presence of a key")? {
                ABSENT => None,
                PRESENT => Some(cursor.key(Curve::Bls)?),
                other => {
                    let reason = format!("{other:#04x} instead of 0x00 or 0xff");
                    return Err(FrameError::value("presence of a key", reason));
                }
            };
            Request::Route(Route::ProvePossession { key, subject }, Vec::new())
        }
        other => {
            let reason = format!("{other} is none of 0 to 7");
            return Err(FrameError::value("request tag", reason));
        }
    };
    cursor.end()?;
    Ok(request)
}

fn sign(cursor: &mut Cursor<'_>) -> Result<Request, FrameError> {
    let (key, version) = signing_key(cursor)?;
    let bytes = cursor.sized("data")?.to_vec();
    let route = Route::Sign {
        key,
        authentication: authentication(cursor)?,
        version,
    };
    Ok(Request::Route(route, bytes))
}

/// For tz4 the hash is wrapped: the tag once more in front, the version behind.
fn signing_key(cursor: &mut Cursor<'_>) -> Result<(PublicKeyHash, Option<u8>), FrameError> {
    let mut ahead = *cursor;
    if ahead.byte("public key hash")? != Curve::Bls.tag() {
        return Ok((cursor.hash()?, None));
    }
    *cursor = ahead;
    let key = cursor.hash()?;
    if key.curve() != Curve::Bls {
        let reason = "a tz4 key is wrapped as Octez does since v23: tag, hash, version";
        return Err(FrameError::value("public key hash", reason));
    }
    let version = cursor.byte("version")?;
    if version > MAX_VERSION {
        let reason = format!("{} is not from 0 to {MAX_VERSION}", version.cast_signed());
        return Err(FrameError::value("version", reason));
    }
    Ok((key, Some(version)))
}

/// It has no presence byte: it is there if anything is left.
fn authentication(cursor: &mut Cursor<'_>) -> Result<Option<Signature>, FrameError> {
    if cursor.is_empty() {
        return Ok(None);
    }
    let signature = Signature::from_raw(cursor.rest().to_vec());
    signature
        .map(Some)
        .map_err(|error| FrameError::value("authentication", explain(&error)))
}

/// The bytes of a request; `bytes` are what is to be signed.
///
/// # Errors
/// [`FrameError::Unspeakable`] for what has no form in this protocol.
pub fn encode_request(route: &Route, bytes: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut out = Vec::with_capacity(bytes.len().saturating_add(128));
    match route {
        Route::AuthorizedKeys => out.push(tag::AUTHORIZED_KEYS),
        Route::KnownKeys => out.push(tag::KNOWN_KEYS),
        Route::PublicKey(key) => {
            out.push(tag::PUBLIC_KEY);
            out.extend_from_slice(&key.tagged());
        }
        Route::ProvePossession { key, subject } => {
            out.push(tag::PROVE_POSSESSION);
            out.extend_from_slice(&key.tagged());
            match subject {
                None => out.push(ABSENT),
                Some(subject) if subject.curve() == Curve::Bls => {
                    out.push(PRESENT);
                    out.extend_from_slice(subject.raw());
                }
                Some(_) => {
                    let what = "a proof of possession over a key that is not tz4";
                    return Err(FrameError::Unspeakable { what });
                }
            }
        }
        Route::Sign {
            key,
            authentication,
            version,
        } => {
            out.push(tag::SIGN);
            let is_wrapped = key.curve() == Curve::Bls;
            if is_wrapped {
                out.push(Curve::Bls.tag());
            }
            out.extend_from_slice(&key.tagged());
            if is_wrapped {
                // Old signers do not refuse 3, they hang up.
                out.push(version.unwrap_or(POP_VERSION).min(POP_VERSION));
            }
            let length = u32::try_from(bytes.len()).map_err(|_| FrameError::Unspeakable {
                what: "a message of more than 65535 bytes",
            })?;
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(bytes);
            if let Some(authentication) = authentication {
                out.extend_from_slice(authentication.raw());
            }
        }
    }
    Ok(out)
}
