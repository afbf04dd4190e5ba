//! Answers that the edge gives by itself, and the farewell that lets the peer read them.
//!
//! The texts belong to whoever owns the port: [`RefusalBodies`] brings them as plain data.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// How long a closed connection is still read, so that the peer sees our last answer: a close with
/// unread bytes makes the kernel send a reset, which can wipe the answer out of the peer's buffer.
const FAREWELL: Duration = Duration::from_secs(1);

/// How many bytes are thrown away at most during that time.
const FAREWELL_BYTES: usize = 1024 * 1024;

/// Why the edge refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// `expect` asks for something else than `100-continue`: 417.
    Expectation,
    /// The head is larger than allowed: 431.
    HeadTooLarge,
    /// The message is malformed or ambiguous: 400.
    Malformed,
    /// No room for the connection, or it was met by a drain: 502.
    Overload,
    /// A head was begun and not completed in time: 408.
    Timeout,
}

impl RefusalKind {
    /// The status that goes with it.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Overload => StatusCode::BAD_GATEWAY,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

type BodyText = dyn Fn(RefusalKind, &str) -> Bytes + Send + Sync;

/// Makes the bodies of refusals: from the kind and a sentence about the cause.
#[derive(Clone)]
pub struct RefusalBodies {
    content_type: &'static str,
    body: Arc<BodyText>,
}

impl RefusalBodies {
    /// Bodies of `content_type`, made by `body` from the kind and a lower-case sentence without full stop.
    pub fn new(
        content_type: &'static str,
        body: impl Fn(RefusalKind, &str) -> Bytes + Send + Sync + 'static,
    ) -> Self {
        Self {
            content_type,
            body: Arc::new(body),
        }
    }

    /// The bare sentence as text, for ports that people read.
    #[must_use]
    pub fn plain_text() -> Self {
        Self::new("text/plain; charset=utf-8", |_, cause| {
            Bytes::from(format!("{cause}\n"))
        })
    }

    /// The whole answer, which also announces the close.
    pub(super) fn message(&self, refusal: Refusal) -> Bytes {
        let body = (self.body)(refusal.kind, refusal.cause);
        let date = crate::time::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
        let head = format!(
            "HTTP/1.1 {}\r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: close\r\ndate: {date}\r\n\r\n",
            refusal.kind.status(),
            self.content_type,
            body.len(),
        );
        let mut message = BytesMut::with_capacity(head.len().saturating_add(body.len()));
        message.put_slice(head.as_bytes());
        message.put_slice(&body);
        message.freeze()
    }
}

impl fmt::Debug for RefusalBodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusalBodies")
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

/// One refusal with its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) kind: RefusalKind,
    pub(super) cause: &'static str,
}

impl Refusal {
    pub(super) const DRAIN: Self = Self {
        kind: RefusalKind::Overload,
        cause: "the proxy is shutting down, ask again",
    };
    pub(super) const FULL: Self = Self {
        kind: RefusalKind::Overload,
        cause: "too many connections are open, ask again",
    };
    pub(super) const IDLE: Self = Self {
        kind: RefusalKind::Overload,
        cause: "the connection had been idle too long, ask again",
    };
    pub(super) const SLOW_HEAD: Self = Self {
        kind: RefusalKind::Timeout,
        cause: "the request's head did not arrive in time",
    };
}

/// Writes the refusal and takes leave. Ends within `write` plus the farewell.
pub(super) async fn refuse<I>(io: &mut I, refusal: Refusal, bodies: &RefusalBodies, write: Duration)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    if tell(io, refusal, bodies, write).await {
        farewell(io).await;
    }
}

/// Writes the refusal within `write`; returns whether a farewell is due.
pub(super) async fn tell<I>(
    io: &mut I,
    refusal: Refusal,
    bodies: &RefusalBodies,
    write: Duration,
) -> bool
where
    I: AsyncWrite + Unpin,
{
    let message = bodies.message(refusal);
    let written = tokio::time::timeout(write, async {
        io.write_all(&message).await?;
        io.shutdown().await
    });
    matches!(written.await, Ok(Ok(())))
}

/// Reads and drops what the peer still sends after our last byte, until it closes or a bound is met.
pub(super) async fn farewell<I: AsyncRead + Unpin>(io: &mut I) {
    let mut scrap = [0_u8; 1024];
    let mut left = FAREWELL_BYTES;
    let read = async {
        while left > 0 {
            match io.read(&mut scrap).await {
                Ok(0) | Err(_) => break,
                Ok(count) => left = left.saturating_sub(count),
            }
        }
    };
    // Nothing depends on which end came first.
    drop(tokio::time::timeout(FAREWELL, read).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_has_length_type_and_close() {
        let bodies = RefusalBodies::new("application/json", |kind, cause| {
            Bytes::from(format!("[\"{kind:?}\",\"{cause}\"]"))
        });
        let message = bodies.message(Refusal::SLOW_HEAD);
        let text = std::str::from_utf8(&message).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\n"));
        assert!(head.contains("\r\ncontent-type: application/json\r\n"));
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())));
        assert!(head.contains("\r\nconnection: close\r\n"));
        assert!(body.starts_with("[\"Timeout\""));
    }

    #[tokio::test(start_paused = true)]
    async fn farewell_to_a_peer_that_stays_is_bounded() {
        let (mut near, far) = tokio::io::duplex(64);
        let start = tokio::time::Instant::now();
        refuse(
            &mut near,
            Refusal::FULL,
            &RefusalBodies::plain_text(),
            FAREWELL,
        )
        .await;
        assert!(start.elapsed() <= FAREWELL + FAREWELL);
        drop(far);
    }
}
