//! One connection from its admission to its farewell.
//!
//! The driver polls hyper, and after every poll looks whether the edge itself has to act: a refusal
//! that the tap has found, an eviction, a drain, or a wait that has taken too long.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use super::admission::Slot;
use super::phase::{Answer, Expiry, Phase, Progress};
use super::refusal::{Refusal, farewell, tell};
use super::service::{Handler, Marked};
use super::tap::Tap;
use super::{Edge, Peer};

/// How long a connection that has not sent anything yet may still do so after the drain began, to be
/// told 502 instead of being cut: a baker connects and asks at once, and takes a cut as final.
const DRAIN_GRACE: Duration = Duration::from_millis(250);

/// What the parts of one connection know of each other.
#[derive(Debug)]
pub(super) struct Shared {
    progress: Mutex<Progress>,
    slot: Slot,
    drain: CancellationToken,
}

impl Shared {
    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        // Changes are single assignments, so a panic cannot have left one half done.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the answer that is about to leave is the connection's last: nobody asks during a drain,
    /// and hyper does not read on behind a body that the service has left unread.
    pub(super) fn is_last(&self) -> bool {
        self.is_draining() || !self.progress().is_whole()
    }

    fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// A request begins, unless the drain or an eviction was faster.
    pub(super) fn head_begins(&self) -> Result<(), Refusal> {
        if self.is_draining() {
            return Err(Refusal::DRAIN);
        }
        if !self.slot.begun() {
            return Err(Refusal::FULL);
        }
        self.progress().head_begins(Instant::now());
        Ok(())
    }

    /// The request's last byte has come. The service does not see it if the place is gone: from here on it may act.
    pub(super) fn message_done(&self) -> Result<(), Refusal> {
        if !self.progress().is_answered() && !self.slot.busy() {
            return Err(Refusal::FULL);
        }
        if self.progress().message_done(Instant::now()) {
            self.slot.idle();
        }
        Ok(())
    }

    /// The service has its answer. Returns whether it may leave: not without a place, which only a request that has
    /// not come whole can have lost. Then the driver answers.
    pub(super) fn answer_returned(&self) -> bool {
        let kept = self.slot.busy();
        let mut progress = self.progress();
        if kept {
            progress.answer_returned();
        } else {
            progress.refuse(Refusal::FULL);
        }
        kept
    }

    /// Returns whether the connection became idle. One that only has the rest of a body to send makes room like one.
    pub(super) fn flushed(&self) -> bool {
        let mut progress = self.progress();
        let idle = progress.flushed(Instant::now());
        let rest = matches!(progress.phase(), Phase::Rest { .. });
        drop(progress);
        if idle || rest {
            self.slot.idle();
        }
        idle
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// hyper has closed it after its last answer.
    Closed,
    /// Nothing is under way: close, unless a request has come at this very moment.
    Dismiss(Refusal),
    /// Nothing more can be said to this peer.
    Drop,
    /// The edge answers.
    Refuse(Refusal),
}

/// Serves a connection until it ends. Dropping it cuts the connection.
pub(super) async fn run<I, S>(io: I, peer: Peer, service: S, edge: Edge, slot: Slot)
where
    I: AsyncRead + AsyncWrite + Unpin + Send,
    S: Handler,
{
    let evicted = slot.evicted();
    let shared = Arc::new(Shared {
        progress: Mutex::new(Progress::new(Instant::now())),
        slot,
        drain: edge.drain.clone(),
    });
    let tap = Tap::new(io, edge.limits.head_bytes, Arc::clone(&shared));
    let address = peer.address;
    let service = Marked {
        inner: service,
        peer,
        shared: Arc::clone(&shared),
    };
    // No timers of hyper: its head timer also runs between requests. Heads come whole from the tap.
    let mut http = http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(tap), service);
    let end = drive(&mut http, &shared, &edge, &evicted).await;
    let tap = http.into_parts().io.into_inner();
    // From here on nothing is lost when another connection needs the place.
    shared.slot.idle();
    let had_place = !evicted.is_cancelled();
    let Some(mut io) = last_words(tap, end, address, &edge).await else {
        return;
    };
    if had_place {
        tokio::select! {
            () = farewell(&mut io) => {}
            () = evicted.cancelled() => {}
        }
    } else if let Some(_leaving) = edge.count.leave() {
        farewell(&mut io).await;
    }
}

type Http<I, S> = http1::Connection<TokioIo<Tap<I>>, Marked<S>>;

async fn drive<I, S>(
    http: &mut Http<I, S>,
    shared: &Shared,
    edge: &Edge,
    evicted: &CancellationToken,
) -> End
where
    I: AsyncRead + AsyncWrite + Unpin + Send,
    S: Handler,
{
    let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
    let mut evicted = pin!(evicted.cancelled());
    let mut drain = pin!(edge.drain.cancelled());
    let mut drain_end = None;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(served) = std::pin::Pin::new(&mut *http).poll(cx) {
            return Poll::Ready(if served.is_ok() {
                End::Closed
            } else {
                End::Drop
            });
        }
        let progress = shared.progress();
        if let Some(refusal) = progress.refusal() {
            return Poll::Ready(End::Refuse(refusal));
        }
        let (phase, deadline) = (progress.phase(), progress.deadline(&edge.limits));
        drop(progress);
        if evicted.as_mut().poll(cx).is_ready() {
            return Poll::Ready(make_room(phase));
        }
        if drain_end.is_none() && drain.as_mut().poll(cx).is_ready() {
            drain_end = Instant::now().checked_add(DRAIN_GRACE);
        }
        let deadline = match (phase, drain_end) {
            (Phase::Idle { .. }, Some(_)) => return Poll::Ready(End::Dismiss(Refusal::DRAIN)),
            (Phase::Fresh { .. }, Some(end)) => Some((end, Expiry::Dismiss)),
            (
                Phase::Fresh { .. }
                | Phase::Head { .. }
                | Phase::Working { .. }
                | Phase::Rest { .. }
                | Phase::Idle { .. },
                _,
            ) => deadline,
        };
        let Some((at, expiry)) = deadline else {
            return Poll::Pending;
        };
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx).map(|()| match expiry {
            Expiry::Dismiss => End::Dismiss(Refusal::IDLE),
            Expiry::Drop => End::Drop,
            Expiry::SlowHead => End::Refuse(Refusal::SLOW_HEAD),
        })
    })
    .await
}

/// How a connection ends whose place another has. Nobody works at a request of it: see [`Shared::message_done`].
fn make_room(phase: Phase) -> End {
    match phase {
        Phase::Fresh { .. } | Phase::Idle { .. } => End::Dismiss(Refusal::FULL),
        Phase::Head { .. }
        | Phase::Working {
            answer: Answer::Awaited,
        } => End::Refuse(Refusal::FULL),
        // A second answer to the same request would be taken for the next one's.
        Phase::Working { .. } | Phase::Rest { .. } => End::Drop,
    }
}

/// Says what is still to be said; gives the stream if a farewell is due.
async fn last_words<I>(
    mut tap: Tap<I>,
    end: End,
    address: Option<SocketAddr>,
    edge: &Edge,
) -> Option<I>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let refusal = match end {
        End::Closed => return Some(tap.into_inner()),
        End::Drop => return None,
        End::Dismiss(refusal) => {
            // Lets the runtime hear what the system already knows about this socket.
            tokio::task::yield_now().await;
            if !tap.late_bytes().await {
                return None;
            }
            refusal
        }
        End::Refuse(refusal) => refusal,
    };
    tracing::debug!(
        address = address.map(tracing::field::display),
        kind = ?refusal.kind,
        cause = refusal.cause,
        "request refused by the edge"
    );
    let mut io = tap.into_inner();
    tell(&mut io, refusal, &edge.refusals, edge.limits.write)
        .await
        .then_some(io)
}

#[cfg(test)]
mod tests;
