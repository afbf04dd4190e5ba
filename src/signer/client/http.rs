//! One connection in HTTP/1.1; the only place that names hyper's client.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};

use crate::task::Tasks;

use super::super::cause::Cause;
use super::connect::Stream;
use super::outcome::{Failed, maybe_sent, not_sent, read_whole};
use super::{ANSWER_BYTES, Answer, Gate, Outgoing, cause};

/// A connection, driven by a task of its own.
#[derive(Debug)]
pub(super) struct Http {
    sender: SendRequest<Full<Bytes>>,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Http {
    fn drop(&mut self) {
        // The driver would wait for an answer that nobody wants; ending it closes the socket.
        self.driver.abort();
    }
}

impl Http {
    pub(super) async fn over(stream: Box<dyn Stream>, tasks: &Tasks) -> Result<Self, Cause> {
        let (sender, driver) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(ANSWER_BYTES)
            .handshake(hyper_util::rt::TokioIo::new(stream))
            .await
            .map_err(|error| cause::of_http(&error))?;
        let shutdown = tasks.shutdown();
        let driver = tasks.spawn("signer connection", async move {
            // An idle connection would outlive everything else.
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                // How a connection ends is seen by the request that uses it.
                ended = driver => if let Err(error) = ended {
                    tracing::trace!(%error, "connection to signer ended");
                },
            }
        });
        Ok(Self { sender, driver })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends `request` when `gate` lets it, and reads an answer of at most `most` bytes.
    pub(super) async fn exchange(
        &mut self,
        request: Result<Request<Full<Bytes>>, Cause>,
        gate: &Gate,
        most: usize,
    ) -> Result<Answer, Failed> {
        if self.sender.ready().await.is_err() {
            return Err(Failed::NothingWritten);
        }
        let request = request.map_err(|cause| Failed::Other(not_sent(cause)))?;
        if !gate.enter() {
            return Err(Failed::Other(not_sent(Cause::TooLate)));
        }
        let response = match self.sender.try_send_request(request).await {
            Ok(response) => response,
            Err(mut error) => {
                return Err(match error.take_message() {
                    Some(_unsent) => {
                        gate.nothing_left();
                        Failed::NothingWritten
                    }
                    None => Failed::Other(maybe_sent(cause::of_http(error.error()))),
                });
            }
        };
        read_whole(response, most).await.map_err(Failed::Other)
    }
}

/// A request built anew from its parts.
pub(super) fn build(
    authority: &str,
    prefix: &str,
    outgoing: &Outgoing,
) -> Result<Request<Full<Bytes>>, Cause> {
    let (method, target) = outgoing.question.target();
    let body = outgoing.question.body();
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{prefix}{target}"))
        .header(HOST, authority)
        .header(ACCEPT, "application/json");
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if let Some((name, value)) = &outgoing.header {
        request = request.header(name, value);
    }
    request
        .body(Full::new(body.unwrap_or_default()))
        .map_err(|error| Cause::Garbage(error.to_string()))
}
