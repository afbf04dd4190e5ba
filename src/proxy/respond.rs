//! The only place where a cause becomes a status.
//!
//! Octez treats every status alike except 502 (asks again, up to ten times within 3.6 s) and 503 (final,
//! and it prints the body as it is): so 502 is for overload alone and 503 is never used.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Response, StatusCode};

use crate::guard::{ClaimError, Refusal, StoreError};
use crate::server::{RefusalBodies, RefusalKind, response};
use crate::signer::AttemptError;
use crate::tezos::wire::ErrorKind::{self, Permanent, Temporary};
use crate::tezos::wire::error_body;

use super::error::ProxyError;

/// Every answer is JSON.
pub(super) const JSON: &str = "application/json";

/// A good answer.
pub(super) fn ok(body: String) -> Response<Full<Bytes>> {
    response(StatusCode::OK, JSON, Bytes::from(body))
}

/// The answer to a request that failed.
pub(super) fn error(error: &ProxyError) -> Response<Full<Bytes>> {
    let mut answer = response(placed(error).0, JSON, Bytes::from(body(error)));
    if let ProxyError::MethodNotAllowed { allow } = error {
        answer
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static(allow));
    }
    answer
}

/// What is said of a request that failed.
pub(super) fn body(error: &ProxyError) -> String {
    let (_, code, kind) = placed(error);
    error_body(kind, &format!("[{code}] {error}"))
}

/// Status, code and kind of each cause.
pub(super) fn placed(error: &ProxyError) -> (StatusCode, &'static str, ErrorKind) {
    match error {
        ProxyError::AuthenticationInvalid(_)
        | ProxyError::AuthenticationUnconfigured(_)
        | ProxyError::ClientUnknown(_) => (StatusCode::FORBIDDEN, "auth", Permanent),
        ProxyError::AuthenticationMissing(_)
        | ProxyError::Attempts(AttemptError::Unauthenticated { .. }) => {
            (StatusCode::UNAUTHORIZED, "auth", Permanent)
        }
        ProxyError::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "malformed", Permanent),
        ProxyError::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed", Permanent),
        ProxyError::MethodNotAllowed { .. } => {
            (StatusCode::METHOD_NOT_ALLOWED, "malformed", Permanent)
        }
        ProxyError::NotFound => (StatusCode::NOT_FOUND, "malformed", Permanent),
        ProxyError::Overload
        | ProxyError::TooMuch(_)
        | ProxyError::Attempts(AttemptError::Shed) => {
            (StatusCode::BAD_GATEWAY, "overload", Temporary)
        }
        ProxyError::Policy(_) => (StatusCode::FORBIDDEN, "policy", Permanent),
        ProxyError::NoAnswer(_)
        | ProxyError::Attempts(AttemptError::NoSigner { .. } | AttemptError::Dropped) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "no-signer", Temporary)
        }
        ProxyError::Attempts(AttemptError::Superseded { .. }) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "deadline", Permanent)
        }
        ProxyError::Claim {
            cause: ClaimError::Store(_),
            ..
        }
        | ProxyError::Record(
            StoreError::Homeless | StoreError::Unavailable(_) | StoreError::Unknown(_),
        ) => (StatusCode::INTERNAL_SERVER_ERROR, "store", Temporary),
        ProxyError::Attempts(AttemptError::Foreign(_))
        | ProxyError::Claim {
            cause: ClaimError::Refused(_) | ClaimError::TooFar(_),
            ..
        }
        | ProxyError::Record(StoreError::Withheld(_)) => {
            (StatusCode::CONFLICT, "watermark", Permanent)
        }
        ProxyError::UnknownKey { .. } => (StatusCode::NOT_FOUND, "unknown-key", Permanent),
    }
}

/// The label of `sign_requests_total`.
pub(super) fn outcome(error: &ProxyError) -> &'static str {
    placed(error).1
}

/// The label of `watermark_refusals_total`, for refusals of the guard.
pub(super) fn refusal_reason(error: &ProxyError) -> Option<&'static str> {
    match error {
        ProxyError::Claim {
            cause: ClaimError::Refused(refusal),
            ..
        }
        | ProxyError::Record(StoreError::Withheld(refusal)) => Some(Refusal::reason(refusal)),
        ProxyError::Claim {
            cause: ClaimError::TooFar(_),
            ..
        } => Some("too-far"),
        ProxyError::Attempts(AttemptError::Foreign(_)) => Some("foreign"),
        ProxyError::Attempts(
            AttemptError::Dropped
            | AttemptError::NoSigner { .. }
            | AttemptError::Shed
            | AttemptError::Superseded { .. }
            | AttemptError::Unauthenticated { .. },
        )
        | ProxyError::AuthenticationInvalid(_)
        | ProxyError::AuthenticationMissing(_)
        | ProxyError::AuthenticationUnconfigured(_)
        | ProxyError::BodyTooLarge { .. }
        | ProxyError::ClientUnknown(_)
        | ProxyError::TooMuch(_)
        | ProxyError::Claim {
            cause: ClaimError::Store(_),
            ..
        }
        | ProxyError::Malformed(_)
        | ProxyError::MethodNotAllowed { .. }
        | ProxyError::NoAnswer(_)
        | ProxyError::NotFound
        | ProxyError::Overload
        | ProxyError::Policy(_)
        | ProxyError::Record(
            StoreError::Homeless | StoreError::Unavailable(_) | StoreError::Unknown(_),
        )
        | ProxyError::UnknownKey { .. } => None,
    }
}

/// Bodies of what the edge refuses by itself, in the words of this port.
#[must_use]
pub fn refusals() -> RefusalBodies {
    RefusalBodies::new(JSON, |kind, cause| {
        let (code, kind) = match kind {
            RefusalKind::Expectation | RefusalKind::HeadTooLarge | RefusalKind::Malformed => {
                ("malformed", Permanent)
            }
            RefusalKind::Timeout => ("malformed", Temporary),
            RefusalKind::Overload => ("overload", Temporary),
        };
        Bytes::from(error_body(kind, &format!("[{code}] {cause}")))
    })
}
