//! One connection in the socket protocol of Octez.
//!
//! Replies become the answers that the same signer would give over HTTP, so that nobody else has to know the
//! difference: errors have status 500, and 404 where the signer says that it has no such key.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Waker};

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};

use crate::tezos::frame::{LENGTH_BYTES, body_from_reply, encode_request, framed};
use crate::tezos::{Route, wire};

use super::super::cause::Cause;
use super::connect::Stream;
use super::outcome::{Failed, maybe_sent, not_sent};
use super::{Answer, Gate, Outgoing, cause};

/// A connection; one request at a time.
pub(super) struct Frames {
    stream: Box<dyn Stream>,
    /// Whether an exchange has not ended well: what came next would be of it.
    broken: bool,
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames")
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

impl Frames {
    pub(super) fn over(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            broken: false,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.broken
    }

    /// Sends what is asked when `gate` lets it, and reads the reply.
    pub(super) async fn exchange(
        &mut self,
        outgoing: &Outgoing,
        gate: &Gate,
    ) -> Result<Answer, Failed> {
        let unspeakable =
            |words: &str| Failed::Other(not_sent(Cause::Unspeakable(words.to_owned())));
        let (route, bytes) = outgoing
            .question
            .route()
            .ok_or_else(|| unspeakable("this question"))?;
        let message = encode_request(&route, bytes).and_then(|message| framed(&message));
        let message = message.map_err(|error| unspeakable(&error.to_string()))?;
        if self.has_ended() {
            return Err(Failed::NothingWritten);
        }
        if !gate.enter() {
            return Err(Failed::Other(not_sent(Cause::TooLate)));
        }
        self.broken = true;
        let reply = self.turn(&message).await;
        let reply = reply.map_err(|error| Failed::Other(maybe_sent(cause::of_stream(&error))))?;
        self.broken = false;
        read(&route, &reply).map_err(|cause| Failed::Other(maybe_sent(cause)))
    }

    /// Whether the other side has ended it, or has spoken unasked.
    fn has_ended(&mut self) -> bool {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        let stream = Pin::new(&mut self.stream);
        stream.poll_read(&mut context, &mut buffer).is_ready()
    }

    async fn turn(&mut self, message: &[u8]) -> io::Result<Vec<u8>> {
        self.stream.write_all(message).await?;
        self.stream.flush().await?;
        let mut length = [0; LENGTH_BYTES];
        self.stream.read_exact(&mut length).await?;
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        self.stream.read_exact(&mut reply).await?;
        Ok(reply)
    }
}

/// The reply as an answer of HTTP.
fn read(route: &Route, reply: &[u8]) -> Result<Answer, Cause> {
    let (good, body) =
        body_from_reply(route, reply).map_err(|error| Cause::Garbage(error.to_string()))?;
    let status = if good {
        StatusCode::OK
    } else if is_unknown_key(route, &body) {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    Ok(Answer {
        status,
        body: Bytes::from(body),
        headers: HeaderMap::new(),
    })
}

/// Whether a signer says that it lacks the key; the words are those of octez-signer.
fn is_unknown_key(route: &Route, body: &str) -> bool {
    let words = wire::decode_error(body.as_bytes()).unwrap_or_default();
    let words = words.to_ascii_lowercase();
    let says = |part: &str| words.contains(part);
    matches!(route, Route::PublicKey(_))
        && (says("no keys for the source contract")
            || says("unknown secret key")
            || says("unknown key")
            || says("not found"))
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;

    use crate::signer::client::Question;
    use crate::tezos::frame::{error_reply, reply_from_body};
    use crate::tezos::{Curve, ErrorKind, public_key_body};

    use super::*;

    fn pair() -> (Frames, DuplexStream) {
        let (near, far) = tokio::io::duplex(64 << 10);
        (Frames::over(Box::new(near)), far)
    }

    /// Reads one frame and answers it.
    async fn answer(far: &mut DuplexStream, reply: &[u8]) -> Vec<u8> {
        let length = far.read_u16().await.unwrap();
        let mut message = vec![0; usize::from(length)];
        far.read_exact(&mut message).await.unwrap();
        far.write_all(&framed(reply).unwrap()).await.unwrap();
        message
    }

    #[tokio::test]
    async fn a_reply_is_the_answer_that_http_would_give() {
        let (mut frames, mut far) = pair();
        let key = crate::fixture::secret(Curve::Ed25519, 1)
            .public_key()
            .clone();
        let outgoing = Outgoing::ask(Question::PublicKey(key.hash()));
        let body = public_key_body(&key);
        let route = Route::PublicKey(key.hash());
        let reply = reply_from_body(&route, true, body.as_bytes()).unwrap();
        let gate = Gate::open();
        let (answered, asked) =
            tokio::join!(frames.exchange(&outgoing, &gate), answer(&mut far, &reply));
        let answered = answered.unwrap_or_else(|_| panic!("no answer"));
        assert_eq!(
            (answered.status, answered.body),
            (StatusCode::OK, Bytes::from(body))
        );
        assert_eq!(asked[0], 1);
        assert!(!frames.is_closed());

        for (words, status) in [
            ("no keys for the source contract tz1", 404),
            ("could not read the secret key alias file", 500),
        ] {
            let reply = error_reply(ErrorKind::Temporary, words);
            let (answered, _) =
                tokio::join!(frames.exchange(&outgoing, &gate), answer(&mut far, &reply));
            let answered = answered.unwrap_or_else(|_| panic!("no answer"));
            assert_eq!(answered.status, status);
            assert_eq!(wire::decode_error(&answered.body).unwrap(), words);
        }
    }

    #[tokio::test]
    async fn nothing_is_written_to_a_connection_that_has_ended_and_none_is_used_after_a_loss() {
        let (mut frames, far) = pair();
        drop(far);
        let outgoing = Outgoing::ask(Question::AuthorizedKeys);
        let gate = Gate::open();
        let failed = frames.exchange(&outgoing, &gate).await;
        assert!(matches!(failed, Err(Failed::NothingWritten)));
        assert!(!gate.is_sent());

        let (mut frames, mut far) = pair();
        let (failed, ()) = tokio::join!(frames.exchange(&outgoing, &gate), async {
            far.read_u16().await.unwrap();
            drop(far);
        });
        let Err(Failed::Other(error)) = failed else {
            panic!("it was answered")
        };
        assert_eq!(error, maybe_sent(Cause::Closed));
        assert!(gate.is_sent() && frames.is_closed());
    }

    #[tokio::test]
    async fn an_exchange_that_is_given_up_spoils_its_connection() {
        let (mut frames, _far) = pair();
        let outgoing = Outgoing::ask(Question::AuthorizedKeys);
        let gate = Gate::open();
        let soon = std::time::Duration::from_millis(1);
        let given_up = tokio::time::timeout(soon, frames.exchange(&outgoing, &gate)).await;
        assert!(given_up.is_err() && frames.is_closed());
    }

    #[tokio::test]
    async fn what_has_no_form_here_is_not_sent() {
        let (mut frames, _far) = pair();
        let gate = Gate::open();
        let failed = frames
            .exchange(&Outgoing::get("/statusz".to_owned()), &gate)
            .await;
        let Err(Failed::Other(error)) = failed else {
            panic!("it was sent")
        };
        assert_eq!(error.class, super::super::FailureClass::NotSent);
        assert!(!gate.is_sent() && !frames.is_closed());
    }
}
