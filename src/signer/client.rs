//! Our own small client: one per path. It asks in HTTP/1.1 over hyper's connection API or in the socket
//! protocol of Octez, as the path's url says; answers look the same.
//!
//! No hidden retry: a request is sent once, and the error says whether its bytes may have left. A
//! connection belongs to the request that uses it and comes back only after a whole answer, so one that
//! timed out or failed is never used again. Requests are always built anew from typed parts.

mod cause;
pub(in crate::signer) mod connect;
mod frames;
mod gate;
mod http;
mod outcome;
mod outgoing;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::settings::{Path as PathSettings, SignerUrl};
use crate::task::Tasks;
use crate::tls::Outward;

use super::cause::Cause;
use connect::{Connect, secure};
use frames::Frames;
pub use gate::{Allowance, Gate};
use http::Http;
use outcome::{Failed, after, not_sent};
pub use outgoing::{Outgoing, Question};

/// The largest answer that is read from a signer; an ML-DSA public key is under 4 KiB.
const ANSWER_BYTES: usize = 64 << 10;
/// A connection idle for longer is closed: shorter than what signers allow.
const IDLE: Duration = Duration::from_secs(4);
/// A secured connection older than this is closed, so that the certificate of the other side is looked at again.
const TLS_AGE: Duration = Duration::from_mins(5);
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
    prefix: String,
    tls: Option<Arc<Outward>>,
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
    speaks: Speaks,
    last_used: Instant,
    made: Instant,
    /// Which of the path's TLS configurations it was made with.
    secured: u64,
}

/// What is spoken over a connection.
#[derive(Debug)]
enum Speaks {
    Http(Http),
    Frames(Frames),
}

impl Connection {
    /// Whether it is known to be of no use any more.
    fn is_closed(&self) -> bool {
        match &self.speaks {
            Speaks::Http(http) => http.is_closed(),
            Speaks::Frames(frames) => frames.is_closed(),
        }
    }

    /// Whether it takes a request now, and has not been idle for too long.
    fn is_fresh(&self) -> bool {
        let is_ready = match &self.speaks {
            Speaks::Http(http) => http.is_ready(),
            Speaks::Frames(frames) => !frames.is_closed(),
        };
        is_ready && self.last_used.elapsed() < IDLE
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
        let tls = match &settings.url {
            SignerUrl::Https { host, .. } => Some(Outward::new(&settings.tls, host)),
            SignerUrl::Http { .. }
            | SignerUrl::HttpUnix { .. }
            | SignerUrl::Tcp { .. }
            | SignerUrl::Unix { .. } => None,
        };
        Self {
            url: settings.url.clone(),
            prefix: settings.prefix.clone(),
            tls: tls.map(Arc::new),
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

    /// Secures its connections in another way than the settings say.
    #[must_use]
    pub fn securing(mut self, tls: Outward) -> Self {
        self.tls = Some(Arc::new(tls));
        self
    }

    /// How its connections are secured, if they are.
    #[must_use]
    pub fn tls(&self) -> Option<&Arc<Outward>> {
        self.tls.as_ref()
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
            if self.may_use(&connection) {
                return Some(connection);
            }
        }
        None
    }

    /// Whether it takes a request now, and stands for whom the path trusts now.
    fn may_use(&self, connection: &Connection) -> bool {
        let is_trusted = self.tls.as_ref().is_none_or(|tls| {
            tls.generation() == connection.secured && connection.made.elapsed() < TLS_AGE
        });
        is_trusted && connection.is_fresh()
    }

    fn give_back(&self, mut connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Probes come by twice a second, so what a burst left behind does not stay open for long.
        idle.retain(|connection| self.may_use(connection));
        if !connection.is_closed() {
            connection.last_used = Instant::now();
            idle.push(connection);
        }
    }

    async fn connect(&self) -> Result<Connection, Cause> {
        let secured = self.tls.as_ref().map_or(0, |tls| tls.generation());
        let connecting = async {
            let stream = self.connector.connect(&self.url).await;
            let stream = stream.map_err(|error| cause::of_connect(&error))?;
            match &self.tls {
                Some(tls) => secure(stream, tls).await,
                None => Ok(stream),
            }
        };
        let stream = tokio::time::timeout(CONNECT, connecting)
            .await
            .map_err(|_| Cause::Unreachable("connecting timed out".to_owned()))??;
        let speaks = if self.url.is_http() {
            Speaks::Http(Http::over(stream, &self.tasks).await?)
        } else {
            Speaks::Frames(Frames::over(stream))
        };
        Ok(Connection {
            speaks,
            last_used: Instant::now(),
            made: Instant::now(),
            secured,
        })
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        outgoing: &Outgoing,
        gate: &Gate,
    ) -> Result<Answer, Failed> {
        let answer = match &mut connection.speaks {
            Speaks::Http(http) => {
                let request = http::build(&self.url.authority(), &self.prefix, outgoing);
                http.exchange(request, gate, self.answer_bytes).await?
            }
            Speaks::Frames(frames) => frames.exchange(outgoing, gate).await?,
        };
        self.note_move();
        self.give_back(connection);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
