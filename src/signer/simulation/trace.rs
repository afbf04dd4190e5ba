//! Everything that happened in a world, in order, as signers, bakers and the board of states saw it.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::tezos::{ConsensusKind, Digest, Position};

/// A slot of a key, by the key's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) key: usize,
    pub(super) position: Position,
    pub(super) kind: ConsensusKind,
}

impl Slot {
    /// Level and round, then the order of the kinds within them: how a Ledger counts.
    pub(super) fn mark(&self) -> (Position, u8) {
        (self.position, self.kind.order_in_round())
    }
}

/// Why a request was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reason {
    /// The baker's own.
    Own,
    /// The same bytes again, after a failure.
    Again,
    /// Other bytes for the same slot, by somebody else.
    Twin,
}

/// How a request of a baker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// With a signature, which the key's public key verifies or not.
    Signed { verifies: bool },
    /// The guard refused to claim.
    Unclaimed,
    /// Without a signature at the deadline, or because none can come.
    NoSigner,
    /// A newer claim made it useless.
    Superseded,
    /// Nobody waited any more.
    Dropped,
    /// Anything that must not happen in these worlds: a full queue, authentication, foreign signatures, a
    /// task that vanished.
    Wrong(&'static str),
}

/// How a device ended its work on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Work {
    /// A signature exists.
    Signed,
    /// It will not, or could not: none came to be by this.
    Refused,
    /// Dropped.
    Forgot,
}

/// What the far side did at the end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// A whole answer with a right signature was written.
    Signed,
    /// A whole answer with an error was written.
    Refused,
    /// A whole answer that is none was written.
    Nonsense,
    /// The connection ended before, by whichever side.
    Closed,
}

/// Something that happened. A `job` is one request over one path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Event {
    /// A baker asks.
    Asked {
        ask: usize,
        slot: Slot,
        digest: Digest,
        deadline: Duration,
        reason: Reason,
        deterministic: bool,
    },
    /// The baker hangs up.
    HungUp { ask: usize },
    /// The baker, or nobody any more, is answered.
    Answered { ask: usize, outcome: Outcome },
    /// The first byte of a sign request left the proxy.
    Left {
        job: usize,
        signer: usize,
        path: usize,
        slot: Slot,
        digest: Digest,
    },
    /// It reached the device.
    Arrived { job: usize },
    /// The device is done with it.
    Worked { job: usize, work: Work },
    /// The far side is done with it.
    Ended { job: usize, end: End },
    /// A path changed its state.
    Path {
        signer: usize,
        path: usize,
        state: &'static str,
    },
    /// A signer changed its state.
    Signer { signer: usize, state: &'static str },
    /// A fault began or ended, by its number.
    Fault { fault: usize, begins: bool },
    /// A rule was broken where it shows at once.
    Broken(String),
}

/// An event and its time since the start of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) at: Duration,
    pub(super) event: Event,
}

/// The events of a world as they are noted.
#[derive(Debug)]
pub(super) struct Trace {
    begun: Instant,
    entries: Mutex<Vec<Entry>>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            entries: Mutex::default(),
        }
    }

    /// Time since the start.
    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The instant of a time since the start.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.begun + at
    }

    pub(super) fn note(&self, event: Event) {
        let at = self.now();
        self.lock().push(Entry { at, event });
    }

    /// Takes everything that was noted.
    pub(super) fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One number for a whole trace.
pub(super) fn hash(entries: &[Entry]) -> u64 {
    // This hasher has no keys of its own, so it says the same in every process.
    let mut hasher = DefaultHasher::new();
    entries.hash(&mut hasher);
    hasher.finish()
}

/// A trace for readers.
pub(super) fn text(entries: &[Entry]) -> String {
    let mut text = String::new();
    for Entry { at, event } in entries {
        writeln!(text, "{:9.3} {event:?}", at.as_secs_f64()).unwrap();
    }
    text
}
