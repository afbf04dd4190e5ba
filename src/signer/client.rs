//! Our own small HTTP/1.1 client over hyper's connection API: one per path, the only place that names
//! hyper's client.
//!
//! No hidden retry: a request is sent once, and the error says whether its bytes may have left. A
//! connection belongs to the request that uses it and comes back only after a whole answer, so one that
//! timed out or failed is never used again. Requests are always built anew from typed parts.

mod cause;
pub(in crate::signer) mod connect;
mod gate;
mod outcome;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::settings::{Path as PathSettings, SignerUrl};
use crate::task::Tasks;

use super::cause::Cause;
use connect::Connect;
pub use gate::{Allowance, Gate};
use outcome::{after, maybe_sent, not_sent, read_whole};

/// The largest answer that is read from a signer; an ML-DSA public key is under 4 KiB.
const ANSWER_BYTES: usize = 64 << 10;
/// A connection idle for longer is closed: shorter than what signers allow.
const IDLE: Duration = Duration::from_secs(4);
/// A connection is given this long to be made; on loopback and through tunnels it takes no time at all.
const CONNECT: Duration = Duration::from_secs(2);

/// What is known of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// The signer answered nonsense, or a signature that does not verify.
    Malformed,
    /// Bytes may have left: the signer may have signed.
    MaybeSent,
    /// No byte left.
    NotSent,
    /// The signer answered that it will not.
    Rejected,
}

impl FailureClass {
    /// The label of `attempts_total`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::MaybeSent => "maybe-sent",
            Self::NotSent => "not-sent",
            Self::Rejected => "rejected",
        }
    }
}

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendError {
    /// Whether bytes may have left.
    pub class: FailureClass,
    /// What happened.
    pub cause: Cause,
}

/// A request to a signer.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// `GET` or `POST`.
    pub method: Method,
    /// Path below the prefix, with query: `/keys/tz1...?version=3`.
    pub target: String,
    /// JSON body of a `POST`.
    pub body: Option<Bytes>,
    /// Whether it may be sent again at once on a fresh connection when a pooled one ends without an
    /// answer: the signer had closed it, most likely.
    pub again: bool,
    /// An extra header.
    pub header: Option<(HeaderName, HeaderValue)>,
}

impl Outgoing {
    /// A `GET`.
    #[must_use]
    pub fn get(target: String) -> Self {
        Self {
            method: Method::GET,
            target,
            body: None,
            again: true,
            header: None,
        }
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body, at most as long as the client was told.
    pub body: Bytes,
    /// Headers.
    pub headers: hyper::HeaderMap,
}

/// The connections of one path.
#[derive(Debug)]
pub struct Client {
    url: SignerUrl,
    authority: String,
    prefix: String,
    answer_bytes: usize,
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    /// When the last whole answer came, or the last slot was taken.
    moved: Mutex<Instant>,
    tasks: Tasks,
    connector: Arc<dyn Connect>,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    last_used: Instant,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The driver would wait for an answer that nobody wants; ending it closes the socket.
        self.driver.abort();
    }
}

impl Client {
    /// A client without connections.
    #[must_use]
    pub fn new(settings: &PathSettings, tasks: Tasks) -> Self {
        Self::over(settings, tasks, Arc::new(connect::System))
    }

    /// One whose connections `connector` makes.
    pub(in crate::signer) fn over(
        settings: &PathSettings,
        tasks: Tasks,
        connector: Arc<dyn Connect>,
    ) -> Self {
        let authority = match &settings.url {
            SignerUrl::Http { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            SignerUrl::Http { host, port } => format!("{host}:{port}"),
            SignerUrl::HttpUnix { .. } => "localhost".to_owned(),
        };
        Self {
            url: settings.url.clone(),
            authority,
            prefix: settings.prefix.clone(),
            answer_bytes: ANSWER_BYTES,
            slots: Arc::new(Semaphore::new(settings.max_connections)),
            idle: Mutex::new(Vec::new()),
            moved: Mutex::new(Instant::now()),
            tasks,
            connector,
        }
    }

    /// Reads answers of up to `bytes` instead of 64 KiB: nodes say more than signers.
    #[must_use]
    pub fn with_answer_bytes(mut self, bytes: usize) -> Self {
        self.answer_bytes = bytes;
        self
    }

    /// Whether every allowed connection is in use.
    #[must_use]
    pub fn saturated(&self) -> bool {
        self.slots.available_permits() == 0
    }

    /// While every allowed connection is in use: how long none was taken and no whole answer came.
    #[must_use]
    pub fn hung_for(&self) -> Option<Duration> {
        let moved = *self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        self.saturated().then(|| moved.elapsed())
    }

    fn note_move(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Sends one request and reads the whole answer. `gate` is passed before the first byte may leave; if
    /// it is closed, none does.
    ///
    /// Has no time limit of its own besides connecting: the caller bounds it, and dropping the future
    /// closes the connection.
    ///
    /// # Errors
    /// [`SendError`] with class `NotSent` or `MaybeSent`.
    pub async fn send(&self, outgoing: &Outgoing, gate: &Gate) -> Result<Answer, SendError> {
        let slot = self
            .slots
            .acquire()
            .await
            .map_err(|_| not_sent(Cause::Closed))?;
        self.note_move();
        // A pooled connection may die at the same moment; what was not written, or may be sent again,
        // goes to a fresh one.
        let mut lost = None;
        while let Some(connection) = self.take_idle() {
            match self.exchange(connection, outgoing, gate).await {
                Err(Failed::NothingWritten) => {}
                Err(Failed::Other(error)) if outgoing.again && error.cause == Cause::Closed => {
                    self.forget_idle();
                    lost = Some(error);
                }
                Err(Failed::Other(error)) => return Err(after(lost, error)),
                Ok(answer) => return Ok(answer),
            }
        }
        let answer = match self.connect().await {
            Err(cause) => Err(not_sent(cause)),
            Ok(connection) => match self.exchange(connection, outgoing, gate).await {
                Ok(answer) => Ok(answer),
                Err(Failed::NothingWritten) => Err(not_sent(Cause::Closed)),
                Err(Failed::Other(error)) => Err(error),
            },
        };
        drop(slot);
        answer.map_err(|error| after(lost, error))
    }

    /// How many of its connections nobody uses.
    #[must_use]
    pub fn free_connections(&self) -> usize {
        self.slots.available_permits()
    }

    /// A free slot for a probe, or none if traffic uses them all.
    #[must_use]
    pub fn spare(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).try_acquire_owned().ok()
    }

    /// Closes idle connections, so that the next request shows the path as it is now.
    pub fn forget_idle(&self) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if connection.sender.is_ready() && connection.last_used.elapsed() < IDLE {
                return Some(connection);
            }
        }
        None
    }

    fn give_back(&self, mut connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Probes come by twice a second, so what a burst left behind does not stay open for long.
        idle.retain(|other| other.sender.is_ready() && other.last_used.elapsed() < IDLE);
        if !connection.sender.is_closed() {
            connection.last_used = Instant::now();
            idle.push(connection);
        }
    }

    async fn connect(&self) -> Result<Connection, Cause> {
        let stream = tokio::time::timeout(CONNECT, self.connector.connect(&self.url))
            .await
            .map_err(|_| Cause::Unreachable("connecting timed out".to_owned()))?
            .map_err(|error| cause::of_connect(&error))?;
        let (sender, driver) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(ANSWER_BYTES)
            .handshake(hyper_util::rt::TokioIo::new(stream))
            .await
            .map_err(|error| cause::of_http(&error))?;
        let shutdown = self.tasks.shutdown();
        let driver = self.tasks.spawn("signer connection", async move {
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
        Ok(Connection {
            sender,
            last_used: Instant::now(),
            driver,
        })
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        outgoing: &Outgoing,
        gate: &Gate,
    ) -> Result<Answer, Failed> {
        if connection.sender.ready().await.is_err() {
            return Err(Failed::NothingWritten);
        }
        let request = self
            .build(outgoing)
            .map_err(|cause| Failed::Other(not_sent(cause)))?;
        if !gate.enter() {
            return Err(Failed::Other(not_sent(Cause::TooLate)));
        }
        let response = match connection.sender.try_send_request(request).await {
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
        let whole = read_whole(response, self.answer_bytes);
        let answer = whole.await.map_err(Failed::Other)?;
        self.note_move();
        self.give_back(connection);
        Ok(answer)
    }

    fn build(&self, outgoing: &Outgoing) -> Result<Request<Full<Bytes>>, Cause> {
        let body = outgoing.body.clone().unwrap_or_default();
        let mut request = Request::builder()
            .method(outgoing.method.clone())
            .uri(format!("{}{}", self.prefix, outgoing.target))
            .header(HOST, &self.authority)
            .header(ACCEPT, "application/json");
        if outgoing.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some((name, value)) = &outgoing.header {
            request = request.header(name, value);
        }
        request
            .body(Full::new(body))
            .map_err(|error| Cause::Garbage(error.to_string()))
    }
}

enum Failed {
    NothingWritten,
    Other(SendError),
}

#[cfg(test)]
mod tests;
