//! The accept loop: admits connections, backs off when the system has no room, ends with the drain.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::task::Poll;

use nix::errno::Errno;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Duration, Instant};
use tokio_util::task::TaskTracker;

use super::admission::Slot;
use super::bound::Socket;
use super::refusal::{Refusal, refuse};
use super::secure::{chain, secure};
use super::service::Handler;
use super::{Bound, Edge, FrameHandler, Peer, connection, frames};

/// The first pause after an accept has failed for want of descriptors or memory, doubled each time.
const BACK_OFF_FIRST: Duration = Duration::from_millis(20);
/// The longest such pause.
const BACK_OFF_MOST: Duration = Duration::from_secs(1);
/// Refusals under way at a time; more connections than that are cut without a word.
const REFUSALS: usize = 64;
/// Silence on a TCP connection after which the kernel asks whether the peer still exists, so that a
/// held request of a machine that has vanished is noticed.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Strangers are told of so often at most.
const STRANGERS_EVERY: Duration = Duration::from_secs(10);

/// Accepts and serves until the drain, then returns when the last connection has ended.
///
/// At the drain the listener is dropped, idle connections are closed, and requests that have begun are
/// finished with `connection: close`; there is no limit on how long the service takes for them.
/// Dropping the future stops accepting and leaves the connections to their tasks.
pub async fn serve<S: Handler>(listener: Bound, service: S, edge: Edge) {
    accept(listener, Http(service), edge).await;
}

/// The same for the socket protocol of Octez.
pub async fn serve_frames<S: FrameHandler>(listener: Bound, service: S, edge: Edge) {
    accept(listener, Frames(service), edge).await;
}

/// What is spoken over the connections of a listener.
trait Speaks: Clone + Send + 'static {
    /// Serves a connection until it ends. Dropping it cuts the connection.
    fn serve<I: Io>(
        self,
        io: I,
        peer: Peer,
        edge: Edge,
        slot: Slot,
    ) -> impl Future<Output = ()> + Send;

    /// Says why, to somebody for whom there is no place.
    fn refuse<I: Io>(self, io: I, edge: Edge) -> impl Future<Output = ()> + Send;
}

/// A connection's bytes.
trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

#[derive(Clone)]
struct Http<S>(S);

impl<S: Handler> Speaks for Http<S> {
    async fn serve<I: Io>(self, io: I, peer: Peer, edge: Edge, slot: Slot) {
        connection::run(io, peer, self.0, edge, slot).await;
    }

    async fn refuse<I: Io>(self, mut io: I, edge: Edge) {
        refuse(&mut io, Refusal::FULL, &edge.refusals, edge.limits.write).await;
    }
}

#[derive(Clone)]
struct Frames<S>(S);

impl<S: FrameHandler> Speaks for Frames<S> {
    async fn serve<I: Io>(self, io: I, peer: Peer, edge: Edge, slot: Slot) {
        frames::run(io, peer, self.0, edge, slot).await;
    }

    async fn refuse<I: Io>(self, mut io: I, edge: Edge) {
        frames::refuse(&mut io, &self.0, Refusal::FULL, &edge).await;
    }
}

async fn accept<S: Speaks>(listener: Bound, speaks: S, edge: Edge) {
    let mut acceptor = Acceptor {
        speaks,
        edge,
        connections: TaskTracker::new(),
        refusals: TaskTracker::new(),
        trouble: None,
        strangers: Strangers::default(),
    };
    let drain = acceptor.edge.drain.clone();
    let serving = async {
        loop {
            let accepted = poll_fn(|cx| listener.poll_accept(cx)).await;
            acceptor.take(accepted).await;
        }
    };
    tokio::select! {
        biased;
        () = drain.cancelled() => {}
        () = serving => {}
    }
    acceptor.take_waiting(&listener);
    drop(listener);
    acceptor.connections.close();
    acceptor.refusals.close();
    acceptor.connections.wait().await;
    acceptor.refusals.wait().await;
}

struct Acceptor<S> {
    speaks: S,
    edge: Edge,
    connections: TaskTracker,
    refusals: TaskTracker,
    trouble: Option<Trouble>,
    strangers: Strangers,
}

/// Connections from networks that may not connect.
#[derive(Default)]
struct Strangers {
    told: Option<Instant>,
    since: u64,
}

impl Strangers {
    /// Tells of one, at most once in a while.
    fn note(&mut self, address: IpAddr) {
        let now = Instant::now();
        let is_told = self
            .told
            .is_some_and(|at| now.saturating_duration_since(at) < STRANGERS_EVERY);
        if is_told {
            self.since = self.since.saturating_add(1);
            return;
        }
        let suppressed = std::mem::take(&mut self.since);
        tracing::warn!(
            %address,
            suppressed,
            "connection refused: its network is not in listen.sources"
        );
        self.told = Some(now);
    }
}

/// A time in which accepting fails.
struct Trouble {
    failures: u64,
    next: Duration,
}

impl Trouble {
    fn new() -> Self {
        Self {
            failures: 0,
            next: BACK_OFF_FIRST,
        }
    }

    /// Counts a failure and tells how long to wait after it.
    fn pause(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(BACK_OFF_MOST);
        pause
    }
}

impl<S: Speaks> Acceptor<S> {
    async fn take(&mut self, accepted: io::Result<(Socket, Peer)>) {
        match accepted {
            Ok((socket, peer)) => {
                if let Some(trouble) = self.trouble.take() {
                    tracing::info!(failures = trouble.failures, "accepting again");
                }
                self.admit(socket, peer);
            }
            Err(error) if is_of_one_connection(&error) => {
                tracing::debug!(%error, "connection lost before it was accepted");
            }
            Err(error) => {
                // A descriptor is worth more to somebody who wants to ask than to an idle connection.
                if is_shortage(&error) {
                    self.edge.count.evict_oldest();
                }
                let trouble = self.trouble.get_or_insert_with(|| {
                    tracing::warn!(%error, "cannot accept connections");
                    Trouble::new()
                });
                tokio::time::sleep(trouble.pause()).await;
            }
        }
    }

    /// Whoever connected before the listener went gets a word instead of a reset.
    fn take_waiting(&mut self, listener: &Bound) {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..self.edge.limits.connections {
            let Poll::Ready(Ok((socket, peer))) = listener.poll_accept(&mut cx) else {
                return;
            };
            self.admit(socket, peer);
        }
    }

    fn admit(&mut self, socket: Socket, peer: Peer) {
        let sources = &self.edge.sources;
        if let Some(address) = peer.address.map(|address| address.ip().to_canonical())
            && !sources.is_empty()
            && !sources.iter().any(|network| network.contains(&address))
        {
            self.edge.count.note_stranger();
            self.strangers.note(address);
            return;
        }
        match socket {
            Socket::Tcp(stream) => {
                // Without these it only works less well.
                drop(stream.set_nodelay(true));
                let keepalive = TcpKeepalive::new()
                    .with_time(KEEPALIVE)
                    .with_interval(KEEPALIVE);
                drop(SockRef::from(&stream).set_tcp_keepalive(&keepalive));
                self.start(stream, peer);
            }
            Socket::Unix(stream) => self.start(stream, peer),
        }
    }

    fn start<I: Io>(&self, io: I, peer: Peer) {
        let edge = self.edge.clone();
        let speaks = self.speaks.clone();
        let address = peer.address.map(|address| address.ip());
        if let Some(slot) = edge.count.admit(&edge.limits, address) {
            let served = async move {
                match edge.tls.clone() {
                    None => speaks.serve(io, peer, edge, slot).await,
                    Some(tls) => {
                        if let Some((io, peer)) = secure(io, peer, &tls, &edge, &slot).await {
                            let chain = chain(&io);
                            tokio::select! {
                                () = speaks.serve(io, peer, edge, slot) => {}
                                // Who is not let in any more is cut off: what he asked goes on, and reaches nobody.
                                () = tls.unwelcome(&chain) => {}
                            }
                        }
                    }
                }
            };
            drop(
                self.edge
                    .tasks
                    .spawn("connection", self.connections.track_future(served)),
            );
        } else if self.refusals.len() < REFUSALS && edge.tls.is_none() {
            let refused = speaks.refuse(io, edge);
            drop(
                self.edge
                    .tasks
                    .spawn("refusal", self.refusals.track_future(refused)),
            );
        }
    }
}

/// Errors that accept reports for a connection that is already gone, not for the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// Whether the system has run out of something that a closed connection gives back.
fn is_shortage(error: &io::Error) -> bool {
    let short = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    error
        .raw_os_error()
        .is_some_and(|code| short.contains(&Errno::from_raw(code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut trouble = Trouble::new();
        let pauses: Vec<u128> = (0..8).map(|_| trouble.pause().as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(trouble.failures, 8);
    }

    #[test]
    fn only_a_shortage_costs_an_idle_connection() {
        assert!(is_shortage(&io::Error::from_raw_os_error(
            Errno::EMFILE as i32
        )));
        assert!(!is_shortage(&io::Error::from_raw_os_error(
            Errno::ENETDOWN as i32
        )));
    }

    #[test]
    fn connection_lost_in_the_queue_is_no_trouble_of_the_listener() {
        assert!(is_of_one_connection(&io::Error::from_raw_os_error(
            Errno::ECONNABORTED as i32
        )));
        assert!(!is_of_one_connection(&io::Error::from_raw_os_error(
            Errno::EMFILE as i32
        )));
    }
}
