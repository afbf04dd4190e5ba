//! The edge: accepts connections, under TLS where there is a certificate, lets only well-framed HTTP/1 or frames
//! of the socket protocol through, and answers by a service.
//!
//! Used for the baker's port, the admin port and Unix sockets. It knows nothing of Tezos nor of the
//! services behind it: it takes a [`Service`](tower::Service) or a [`FrameHandler`], and [`Limits`]. It does not
//! route, does not log requests, does not speak HTTP/2, and never upgrades a connection.
//!
//! Invariants:
//! - Bytes reach hyper only after `strict` has seen them, one message at a time: the next message is
//!   looked at when the answer to the one before has left.
//! - Every wait on a peer has an end: TLS, first byte, head, idle, write without progress, last farewell.
//!   While the service works there is none, because the service has deadlines of its own.
//! - Every answer carries `content-length`, the edge's own refusals too.
//! - A request that begins after the drain gets 502; one that began before is finished.

mod accept;
mod admission;
mod body;
mod bound;
mod connection;
mod frames;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod phase;
mod refusal;
mod secure;
mod service;
mod strict;
mod tap;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use crate::task::Tasks;
use crate::tls::Inward;

pub use self::accept::{serve, serve_frames};
pub use self::admission::{ConnectionCount, household};
pub use self::body::{BodyError, collect_body, response};
pub use self::bound::{Bound, SocketFile, bind_tcp, bind_unix};
pub use self::frames::{FrameHandler, Reply};
pub use self::refusal::{RefusalBodies, RefusalKind};
pub use self::service::Handler;

/// What one listener needs beside its service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Limits of connections and messages.
    pub limits: Limits,
    /// Bodies of the answers that the edge gives by itself.
    pub refusals: RefusalBodies,
    /// Counts the connections of this listener; keep a clone to read them.
    pub count: ConnectionCount,
    /// Where connection tasks run.
    pub tasks: Tasks,
    /// Cancelled when the drain begins: [`Tasks::shutdown`].
    pub drain: CancellationToken,
    /// How connections are secured; absent means that they are not.
    pub tls: Option<Arc<Inward>>,
    /// Networks that may connect; empty means every one. Unix sockets have none.
    pub sources: Arc<[IpNet]>,
}

impl Edge {
    /// An edge that drains when `tasks` shuts down, with default limits and fresh counters.
    #[must_use]
    pub fn new(tasks: Tasks, refusals: RefusalBodies) -> Self {
        let drain = tasks.shutdown();
        Self {
            limits: Limits::default(),
            refusals,
            count: ConnectionCount::default(),
            tasks,
            drain,
            tls: None,
            sources: Arc::default(),
        }
    }
}

/// Limits of one listener.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections; at the limit the one that has been idle longest makes room. At least 1.
    pub connections: usize,
    /// Open connections of one IP address; Unix sockets have none. At least 1.
    pub per_address: usize,
    /// Bytes of a request line with all its header fields and the empty line.
    pub head_bytes: usize,
    /// From accept to the first byte.
    pub first_byte: Duration,
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// For a whole body: the service passes it to [`collect_body`]; the edge waits as long for the
    /// rest of a body whose request has been answered already.
    pub body: Duration,
    /// From the end of an answer to the next request's first byte.
    pub idle: Duration,
    /// Without any progress while an answer is written.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            per_address: 512,
            head_bytes: 16 * 1024,
            first_byte: Duration::from_secs(5),
            head: Duration::from_secs(5),
            body: Duration::from_secs(5),
            idle: Duration::from_secs(75),
            write: Duration::from_secs(10),
        }
    }
}

/// Who is on the other side. The edge puts it into the extensions of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Address of a TCP peer, absent for a Unix socket.
    pub address: Option<SocketAddr>,
    /// User id of a Unix socket's peer at the time it connected, absent for TCP.
    pub uid: Option<u32>,
    /// Names of the certificate that it has shown, if it was asked for one.
    pub certified: Option<Arc<[String]>>,
}
