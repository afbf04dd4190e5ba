//! From method, path and query to what is being asked.
//!
//! Every request of the protocol has a variant, also those that a policy may refuse. Whether a prefix means
//! anything is not decided here: the end of the path counts, whatever stands before it, because the address
//! that a baker is given may have a path of its own.
//!
//! Invariant: an argument that changes what is signed or who may ask is either understood or refused.

mod percent;

use self::percent::decode;
use super::explain;
use super::key::{KeyError, PublicKey, PublicKeyHash};
use super::signature::Signature;

/// The highest `version` that a sign request can ask for.
pub(super) const MAX_VERSION: u8 = 3;

/// Longest excerpt of a refused value in an error, in characters.
const MAX_EXCERPT: usize = 80;

/// A request of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `GET /authorized_keys`
    AuthorizedKeys,
    /// `GET /known_keys`
    KnownKeys,
    /// `GET /keys/<pkh>`
    PublicKey(PublicKeyHash),
    /// `GET /bls_prove_possession/<pkh>`
    ProvePossession {
        /// The key that proves.
        key: PublicKeyHash,
        /// `bls_pk`: the public key to be signed, by default its own.
        subject: Option<PublicKey>,
    },
    /// `POST /keys/<pkh>`
    Sign {
        /// The key that signs.
        key: PublicKeyHash,
        /// `authentication`: the baker's signature over the request.
        authentication: Option<Signature>,
        /// `version`, 0 to 3: chooses the scheme of a tz4 signature.
        version: Option<u8>,
    },
}

/// Why a request is none of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The path is not one of the protocol.
    #[error("no such path")]
    NotFound,
    /// The path exists for other methods.
    #[error("method not allowed, use {allow}")]
    MethodNotAllowed {
        /// The methods of the path, as the `allow` header has them.
        allow: &'static str,
    },
    /// A part of the path or an argument cannot be understood.
    #[error("{field} {value:?}: {reason}")]
    Malformed {
        /// The argument, or the part of the path.
        field: &'static str,
        /// What was given, shortened.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl RouteError {
    fn malformed(field: &'static str, value: &str, reason: impl Into<String>) -> Self {
        let value = value.chars().take(MAX_EXCERPT).collect();
        Self::Malformed {
            field,
            value,
            reason: reason.into(),
        }
    }
}

impl Route {
    /// Reads a request. Repeated slashes and one at the end do not matter, parts of the path and arguments
    /// may be percent-encoded, unknown arguments are ignored.
    ///
    /// # Errors
    ///
    /// [`RouteError`]; a known argument that is given twice or has no value is malformed too.
    pub fn parse(method: &str, path: &str, query: Option<&str>) -> Result<Self, RouteError> {
        let mut parts = path.rsplit('/').filter(|part| !part.is_empty());
        let last = decode("path", parts.next().ok_or(RouteError::NotFound)?)?;
        let query = query.unwrap_or("");
        match &*last {
            "authorized_keys" => return only_get(method).map(|()| Self::AuthorizedKeys),
            "known_keys" => return only_get(method).map(|()| Self::KnownKeys),
            _ => {}
        }
        let parent = decode("path", parts.next().ok_or(RouteError::NotFound)?)?;
        match (&*parent, method) {
            ("keys", "GET") => parse_hash(&last).map(Self::PublicKey),
            ("keys", "POST") => Self::parse_sign(parse_hash(&last)?, query),
            ("keys", _) => Err(RouteError::MethodNotAllowed { allow: "GET, POST" }),
            ("bls_prove_possession", _) => {
                only_get(method)?;
                Self::parse_possession(parse_hash(&last)?, query)
            }
            _ => Err(RouteError::NotFound),
        }
    }

    fn parse_sign(key: PublicKeyHash, query: &str) -> Result<Self, RouteError> {
        let authentication = argument(query, "authentication", |text| {
            Signature::parse(text)
                .map(|(signature, _)| signature)
                .map_err(|error| explain(&error))
        })?;
        let version = argument(query, "version", parse_version)?;
        Ok(Self::Sign {
            key,
            authentication,
            version,
        })
    }

    fn parse_possession(key: PublicKeyHash, query: &str) -> Result<Self, RouteError> {
        let subject = argument(query, "bls_pk", |text| {
            text.parse().map_err(|error: KeyError| explain(&error))
        })?;
        Ok(Self::ProvePossession { key, subject })
    }
}

fn only_get(method: &str) -> Result<(), RouteError> {
    if method == "GET" {
        Ok(())
    } else {
        Err(RouteError::MethodNotAllowed { allow: "GET" })
    }
}

fn parse_hash(text: &str) -> Result<PublicKeyHash, RouteError> {
    text.parse()
        .map_err(|error: KeyError| RouteError::malformed("public key hash", text, explain(&error)))
}

/// One decimal digit: leading zeros and signs are nobody's version.
fn parse_version(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [digit @ b'0'..=b'9'] => {
            Some(digit.wrapping_sub(b'0')).filter(|version| *version <= MAX_VERSION)
        }
        _ => None,
    }
    .ok_or_else(|| format!("not a version from 0 to {MAX_VERSION}"))
}

/// The value of the argument `name`, if it is given.
fn argument<T>(
    query: &str,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, RouteError> {
    let mut found = None;
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A name that cannot be decoded is certainly none that is known.
        if !decode(name, key).is_ok_and(|key| key == name) {
            continue;
        }
        let value = decode(name, value)?;
        if found.is_some() {
            return Err(RouteError::malformed(name, &value, "given twice"));
        }
        found = Some(parse(&value).map_err(|reason| RouteError::malformed(name, &value, reason))?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
