//! Bodies: reading a request's within limits, and building an answer that has a length.
//!
//! Deliberately absent: streaming. Everything this proxy reads or writes fits in memory many times.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

/// Why a request's body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The peer ended or broke its message: answer 400 if anybody still listens.
    #[error("the body ended early or its framing is broken")]
    Broken,
    /// More than the limit: answer 413.
    #[error("the body is larger than allowed")]
    TooLarge,
    /// Not complete in time: answer 408 or 400.
    #[error("the body did not arrive in time")]
    TooSlow,
}

/// Reads a whole body of at most `limit` bytes within `within` from now.
///
/// A declared length above the limit fails before a byte is read. Cancel-safe in the sense that
/// dropping it loses the body and nothing else.
///
/// # Errors
/// [`BodyError`]; the connection is then closed after the answer, because its rest was not read.
pub async fn collect_body<B>(
    mut body: B,
    limit: usize,
    within: Duration,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > limit {
        return Err(BodyError::TooLarge);
    }
    let read = async {
        let mut whole = BytesMut::with_capacity(declared);
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return Err(BodyError::Broken);
            };
            if let Ok(data) = frame.into_data() {
                if whole.len().saturating_add(data.len()) > limit {
                    return Err(BodyError::TooLarge);
                }
                whole.extend_from_slice(&data);
            }
        }
        Ok(whole.freeze())
    };
    tokio::time::timeout(within, read)
        .await
        .unwrap_or(Err(BodyError::TooSlow))
}

/// An answer with `content-type` and `content-length`.
#[must_use]
pub fn response(
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
) -> Response<Full<Bytes>> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, length);
    response
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;

    /// A body that never brings anything.
    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    /// A body of unknown length, given piece by piece from the last.
    struct Pieces(Vec<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop().map(|piece| Ok(Frame::data(piece))))
        }
    }

    const WITHIN: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn body_of_exactly_the_limit_is_read() {
        let body = Full::new(Bytes::from_static(b"12345"));
        assert_eq!(collect_body(body, 5, WITHIN).await.unwrap(), "12345");
    }

    #[tokio::test]
    async fn declared_length_above_the_limit_is_refused() {
        let body = Full::new(Bytes::from_static(b"123456"));
        assert_eq!(
            collect_body(body, 5, WITHIN).await,
            Err(BodyError::TooLarge)
        );
    }

    #[tokio::test]
    async fn undeclared_length_above_the_limit_is_refused() {
        let body = Pieces(vec![Bytes::from_static(b"123"), Bytes::from_static(b"456")]);
        assert_eq!(
            collect_body(body, 5, WITHIN).await,
            Err(BodyError::TooLarge)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn silent_body_ends_in_time() {
        let start = tokio::time::Instant::now();
        assert_eq!(
            collect_body(Silent, 5, WITHIN).await,
            Err(BodyError::TooSlow)
        );
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[test]
    fn answer_has_a_length_even_when_empty() {
        let answer = response(StatusCode::NOT_FOUND, "application/json", Bytes::new());
        assert_eq!(answer.headers()[CONTENT_LENGTH], "0");
    }
}
