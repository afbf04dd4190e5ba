//! Answers in octez-signer's dialect: statuses, content types and error bodies. Pure.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::tezos::{ErrorKind, RouteError, error_body};

/// A whole answer.
pub(super) type Answer = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain");

fn with(
    status: StatusCode,
    header: Option<(HeaderName, HeaderValue)>,
    body: impl Into<Bytes>,
) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().extend(header);
    answer
}

/// 200 with a JSON body.
pub(super) fn json(body: impl Into<Bytes>) -> Answer {
    with(StatusCode::OK, Some((CONTENT_TYPE, JSON)), body)
}

/// Any status with a JSON body.
pub(super) fn json_with(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    with(status, Some((CONTENT_TYPE, JSON)), body)
}

/// 400 with a sentence, as octez-signer answers what it cannot parse.
pub(super) fn malformed(sentence: impl Into<Bytes>) -> Answer {
    with(
        StatusCode::BAD_REQUEST,
        Some((CONTENT_TYPE, TEXT)),
        sentence,
    )
}

/// A status with nothing else.
pub(super) fn empty(status: StatusCode) -> Answer {
    with(status, None, Bytes::new())
}

/// 500 with the Octez error array: every refusal of octez-signer.
pub(super) fn failure(sentence: &str) -> Answer {
    json_with(
        StatusCode::INTERNAL_SERVER_ERROR,
        error_body(ErrorKind::Temporary, sentence),
    )
}

/// The answer to a request line that names no service.
pub(super) fn unrouted(error: &RouteError) -> Answer {
    match error {
        RouteError::NotFound => empty(StatusCode::NOT_FOUND),
        RouteError::MethodNotAllowed { allow } => {
            let allow = HeaderValue::from_static(allow);
            with(
                StatusCode::METHOD_NOT_ALLOWED,
                Some((ALLOW, allow)),
                Bytes::new(),
            )
        }
        RouteError::Malformed { .. } => malformed(error.to_string()),
    }
}
