//! The contract that every store keeps.
//!
//! 1. [`WatermarkStore::claim`] and [`WatermarkStore::raise`] return `Ok` only after the change would
//!    survive a power cut at that instant. Memory never runs ahead of the disk.
//! 2. Claims of one stream are decided one after the other, by [`super::decide`], on the state that all
//!    earlier durable claims left.
//! 3. The floor of a stream never falls. A claim is never removed except by pruning, and by a raise if
//!    it lies at or below the floor that the operator sets and has no signature; what was removed is
//!    refused by the floor, to its own bytes too.
//! 4. [`WatermarkStore::record`] writes a signature once; a second one for the slot is dropped and the
//!    first returned. `Ok` means durable.
//! 5. An error is not an answer: the change may or may not stand. Asking the same again is safe, because
//!    a claim is compared by content.
//! 6. [`WatermarkStore::lookup`] and [`WatermarkStore::head`] show durable state only.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;

use crate::tezos::{ChainId, Position, PublicKeyHash};

use super::horizon::Head;
use super::watermark::{Candidate, Record, Refusal, Row, Slot, Stream};

/// A boxed future of a store.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The store could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The row was pruned, or ended by a raise, while the signature was under way; the signature must
    /// not leave.
    #[error("the claim of this slot is no longer kept, so its signature cannot be recorded")]
    Homeless,
    /// The store refuses to work, with the reason and the remedy.
    #[error("{0}")]
    Unavailable(String),
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Answer {
    /// The claim is durable (now, or since an earlier time for the same bytes).
    Permit,
    /// Signed before.
    Recorded(Record),
    /// Never.
    Refused(Refusal),
}

/// A floor to be set by an operator; one lower than the present does not lower it. Claims at or below it
/// that have no signature end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raise {
    /// The stream.
    pub stream: Stream,
    /// Nothing at or below it will be signed.
    pub floor: Position,
}

/// Whether the store can say yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no store yet: no key has a watermark.
    Absent,
    /// Claims and records work.
    Ready,
    /// Nothing can be claimed or recorded.
    Refusing,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "absent",
            Self::Ready => "ready",
            Self::Refusing => "refusing",
        })
    }
}

/// A store in words, for status and errors.
#[derive(Clone, Debug)]
pub struct StoreReport {
    /// `embedded`
    pub kind: &'static str,
    /// Whether it works.
    pub condition: Condition,
    /// Why it does not, with the remedy.
    pub reason: Option<String>,
    /// The store's identity.
    pub lineage: Option<String>,
}

/// One stream in words.
#[derive(Clone, Debug)]
pub struct StreamReport {
    /// The stream.
    pub stream: Stream,
    /// Its floor.
    pub floor: Position,
    /// When the floor last rose.
    pub floor_at: Timestamp,
    /// The highest position with a recorded signature, and when that came.
    pub last_signed: Option<(Position, Timestamp)>,
}

/// Durable watermarks. The module's text is the contract.
pub trait WatermarkStore: fmt::Debug + Send + Sync {
    /// Claims a slot; see points 1, 2 and 5. Cancel-safe.
    fn claim(&self, candidate: Candidate, now: Timestamp) -> StoreFuture<'_, Answer>;
    /// Records the signature of a claimed slot and returns the one that stands; see point 4.
    fn record(&self, candidate: Candidate, record: Record) -> StoreFuture<'_, Record>;
    /// Raises floors, creating streams (and the store itself where there is none); see points 1 and 3.
    fn raise(&self, raises: Vec<Raise>, now: Timestamp) -> StoreFuture<'_, ()>;
    /// The row of a slot, from memory.
    fn lookup(&self, slot: &Slot) -> Option<Row>;
    /// The highest claim of a key over all kinds, from memory.
    fn head(&self, chain: ChainId, key: PublicKeyHash) -> Option<Head>;
    /// The store's condition.
    fn report(&self) -> StoreReport;
    /// All streams, sorted.
    fn streams(&self) -> Vec<StreamReport>;
}
