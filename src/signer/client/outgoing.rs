//! What a signer is asked, whatever protocol it speaks.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};

use crate::tezos::{PublicKey, PublicKeyHash, Route, Signature, wire};

/// A request to a signer.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// What is asked.
    pub question: Question,
    /// Whether it may be sent again at once on a fresh connection when a pooled one ends without an
    /// answer: the signer had closed it, most likely.
    pub again: bool,
    /// An extra header, where headers are spoken.
    pub header: Option<(HeaderName, HeaderValue)>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Who may ask for signatures.
    AuthorizedKeys,
    /// A public key.
    PublicKey(PublicKeyHash),
    /// A proof of possession of `key`, over `subject` or itself.
    ProvePossession {
        /// The key that proves.
        key: PublicKeyHash,
        /// The public key that is signed.
        subject: Option<PublicKey>,
    },
    /// A signature.
    Sign {
        /// The key that signs.
        key: PublicKeyHash,
        /// What is signed.
        bytes: Bytes,
        /// The signature over the request, as text, of somebody whom the signer authorizes.
        authentication: Option<String>,
        /// The signature version.
        version: Option<u8>,
    },
    /// `GET` of this path and query, which only HTTP has.
    Get(String),
    /// `POST` of JSON to this path, which only HTTP has.
    Post(String, Bytes),
}

impl Outgoing {
    /// A `GET`, of a path that begins with a slash.
    #[must_use]
    pub fn get(target: String) -> Self {
        Self::ask(Question::Get(target))
    }

    /// A question that may be asked twice.
    #[must_use]
    pub fn ask(question: Question) -> Self {
        Self {
            question,
            again: true,
            header: None,
        }
    }
}

impl Question {
    /// Method and target over HTTP: path below the prefix, with query.
    pub(super) fn target(&self) -> (Method, String) {
        match self {
            Self::AuthorizedKeys => (Method::GET, "/authorized_keys".to_owned()),
            Self::PublicKey(key) => (Method::GET, format!("/keys/{key}")),
            Self::ProvePossession { key, subject } => {
                let mut target = format!("/bls_prove_possession/{key}");
                if let Some(subject) = subject {
                    target.push_str("?bls_pk=");
                    target.push_str(&subject.to_string());
                }
                (Method::GET, target)
            }
            Self::Sign {
                key,
                authentication,
                version,
                ..
            } => {
                let mut target = format!("/keys/{key}");
                let mut separator = '?';
                if let Some(authentication) = authentication {
                    target.push_str("?authentication=");
                    target.push_str(authentication);
                    separator = '&';
                }
                if let Some(version) = version {
                    target.push(separator);
                    target.push_str("version=");
                    target.push_str(&version.to_string());
                }
                (Method::POST, target)
            }
            Self::Get(target) => (Method::GET, target.clone()),
            Self::Post(target, _) => (Method::POST, target.clone()),
        }
    }

    /// The body over HTTP.
    pub(super) fn body(&self) -> Option<Bytes> {
        match self {
            Self::Sign { bytes, .. } => Some(Bytes::from(wire::sign_body(bytes))),
            Self::Post(_, body) => Some(body.clone()),
            Self::AuthorizedKeys
            | Self::PublicKey(_)
            | Self::ProvePossession { .. }
            | Self::Get(_) => None,
        }
    }

    /// The same as a route, with what is to be signed; nothing for what only HTTP has.
    pub(super) fn route(&self) -> Option<(Route, &[u8])> {
        Some(match self {
            Self::AuthorizedKeys => (Route::AuthorizedKeys, &[]),
            Self::PublicKey(key) => (Route::PublicKey(*key), &[]),
            Self::ProvePossession { key, subject } => {
                let (key, subject) = (*key, subject.clone());
                (Route::ProvePossession { key, subject }, &[])
            }
            Self::Sign {
                key,
                bytes,
                authentication,
                version,
            } => {
                // It is text that was verified, or made here.
                let parsed = authentication.as_deref().map(Signature::parse);
                let route = Route::Sign {
                    key: *key,
                    authentication: parsed.and_then(Result::ok).map(|(signature, _)| signature),
                    version: *version,
                };
                (route, bytes)
            }
            Self::Get(_) | Self::Post(..) => return None,
        })
    }
}
