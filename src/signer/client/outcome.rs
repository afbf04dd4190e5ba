//! What came of a request: the whole answer, or how it failed.

use http_body_util::{BodyExt as _, Limited};
use hyper::Response;

use super::super::cause::Cause;
use super::{Answer, FailureClass, SendError, cause};

/// Reads an answer of at most `most` bytes.
pub(super) async fn read_whole(
    response: Response<hyper::body::Incoming>,
    most: usize,
) -> Result<Answer, SendError> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, most).collect().await.map_err(|error| {
        let cause = match error.downcast_ref::<hyper::Error>() {
            Some(error) => cause::of_http(error),
            None => Cause::Garbage(format!("an answer of more than {} KiB", most >> 10)),
        };
        maybe_sent(cause)
    })?;
    Ok(Answer {
        status: parts.status,
        body: body.to_bytes(),
        headers: parts.headers,
    })
}

/// The failure of a request that was sent before and `lost`: that the second time no byte left takes nothing back.
/// What nobody wanted to be sent again says nothing of the path: it may merely have closed an idle connection.
pub(super) fn after(lost: Option<SendError>, error: SendError) -> SendError {
    match lost {
        Some(lost) => SendError {
            class: lost.class,
            ..error
        },
        None => error,
    }
}

/// No byte left.
pub(super) fn not_sent(cause: Cause) -> SendError {
    SendError {
        class: FailureClass::NotSent,
        cause,
    }
}

/// Bytes may have left.
pub(super) fn maybe_sent(cause: Cause) -> SendError {
    SendError {
        class: FailureClass::MaybeSent,
        cause,
    }
}

/// How an exchange failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// The connection had ended before anything was written to it.
    NothingWritten,
    /// Anything else.
    Other(SendError),
}
