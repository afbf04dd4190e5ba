//! Why a baker gets no answer. Only `respond` turns these into HTTP.

use crate::guard::{ClaimError, StoreError};
use crate::signer::AttemptError;
use crate::tezos::PublicKeyHash;

/// A request that is not answered with what it asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum ProxyError {
    /// The baker's fault: wrong authentication.
    #[error("{0}")]
    AuthenticationInvalid(String),
    /// The baker's fault: no authentication.
    #[error("{0}")]
    AuthenticationMissing(String),
    /// The operator's fault: a signer demands what we cannot check.
    #[error("{0}")]
    AuthenticationUnconfigured(String),
    /// The body is larger than allowed.
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The baker's fault: what it sent cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// Known route, other method.
    #[error("this path answers {allow} only")]
    MethodNotAllowed {
        /// The methods that are answered.
        allow: &'static str,
    },
    /// Nobody could be asked in time.
    #[error("{0}")]
    NoAnswer(String),
    /// No such path.
    #[error("this path is not part of the signer protocol")]
    NotFound,
    /// Too much at once.
    #[error("too many requests at once; ask again")]
    Overload,
    /// Too much of one client.
    #[error("{0}")]
    TooMuch(&'static str),
    /// The client's certificate is not one that may ask for this key.
    #[error("{0}")]
    ClientUnknown(String),
    /// Not allowed by configuration.
    #[error("{0}")]
    Policy(String),
    /// From the attempts at signers.
    #[error(transparent)]
    Attempts(#[from] AttemptError),
    /// From the guard; the command is what the operator can do.
    #[error("{cause}{remedy}")]
    Claim {
        /// The guard's answer.
        cause: ClaimError,
        /// `; run ...`, or empty.
        remedy: String,
    },
    /// From the store, after a signature was made.
    #[error("the signature could not be recorded and stays here: {0}")]
    Record(StoreError),
    /// Every signer says so, or it is not configured.
    #[error("{key} {reason}")]
    UnknownKey {
        /// The key.
        key: PublicKeyHash,
        /// Why.
        reason: String,
    },
}
