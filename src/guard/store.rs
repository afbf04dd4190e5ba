//! The contract that every store keeps.
//!
//! **Claim.** [`WatermarkStore::claim`] has five outcomes.
//! *Permit*: the slot belongs to these bytes from now on, durably; they may go to signers.
//! *In flight*: the slot belonged to these very bytes already and has no signature yet; the permission
//! is the same, but another operation or process may be at it, so it can pay to wait for its record first.
//! *Recorded*: these bytes were signed; this signature is the only one that may leave.
//! *Refused*: never, whatever happens; refused within the time of one commit, without waiting for signers.
//! *Unknown* ([`StoreError::Unknown`]): the claim may or may not stand. It is never taken for a yes or
//! a no; the very same claim is asked again until it has one of the other outcomes, or for as long as
//! [`WatermarkStore::asks_again`] says. Both are safe because a claim is compared by content. Beside these a store may be [`StoreError::Unavailable`]: it holds nothing
//! new of this claim and says what is wrong.
//!
//! 1. `Ok` of [`WatermarkStore::claim`], [`WatermarkStore::record`] and [`WatermarkStore::amend`] means that
//!    the change would survive a power cut at that instant. Memory never runs ahead of the disk.
//! 2. Operations of one key are applied one after the other, each on the state that all earlier durable
//!    ones left, by [`super::Book`], which decides by [`super::decide`].
//! 3. The floor of a stream never falls. A claim is never removed except by pruning, and by a raise if
//!    it lies at or below the floor that the operator sets and has no signature; what was removed is
//!    refused by the floor, to its own bytes too. A row is kept for each slot within 64 levels of the floor.
//! 4. A signature is recorded once; a second one for the slot is dropped and the first returned.
//! 5. All changes of one [`WatermarkStore::amend`] stand, or none; claims that they end may have ended all the same. A stop is only ever lowered, a halt ends
//!    by [`Change::Resume`] alone, a seal never.
//! 6. [`WatermarkStore::lookup`] and [`WatermarkStore::head`] show durable state only, whatever
//!    condition the store is in: what was recorded may be given again even when nothing can be claimed.
//!    Memory of a store that several share may be old; [`WatermarkStore::refresh`] makes it new.
//! 7. A store whose identity, age or wholeness is in doubt refuses every claim and record, with the
//!    sentence that says why and the command that accepts it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

use crate::tezos::{ChainId, Level, Position, PublicKeyHash};

use super::account::{Account, AccountState, Halt};
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
    /// The change may or may not stand: ask the same again.
    #[error("{0}")]
    Unknown(String),
    /// The key was halted or stopped while the signature was under way; the signature must not leave.
    #[error("{0}")]
    Withheld(Refusal),
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Answer {
    /// The claim is durable, and new.
    Permit,
    /// The claim is durable since an earlier time, for the same bytes, and has no signature yet.
    InFlight {
        /// When it was made.
        since: Timestamp,
    },
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

/// What an operator, or evidence, changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets or raises a floor.
    Raise(Raise),
    /// Nothing above `level` is ever signed with the key by this store; a lower stop stays.
    StopAt {
        /// The key.
        account: Account,
        /// The last level.
        level: Level,
    },
    /// Nothing is signed with the key until it is resumed; an earlier halt stays.
    Halt {
        /// The key.
        account: Account,
        /// Since when and why.
        halt: Halt,
    },
    /// Takes a halt back.
    Resume {
        /// The key.
        account: Account,
    },
    /// Nothing is claimed any more, of any key, for ever.
    Seal,
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
    /// Since when it never claims again.
    pub sealed: Option<Timestamp>,
    /// For how long nobody has answered for a store that is elsewhere; absent while somebody does.
    pub silent_for: Option<Duration>,
}

impl StoreReport {
    /// Why what is asked of it may not be done in time.
    #[must_use]
    pub fn slowness(&self) -> String {
        match (self.kind, &self.reason) {
            ("etcd", Some(trouble)) => trouble.clone(),
            ("etcd", None) => "etcd is slow".to_owned(),
            _ => "its disk stalls".to_owned(),
        }
    }
}

/// What stands about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountReport {
    /// The key.
    pub account: Account,
    /// Its stop and halt.
    pub state: AccountState,
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
    /// Claims a slot; see the module's text. Cancel-safe. Never waits for a place among others: a store that has
    /// none refuses, so what was asked is made soon or not at all.
    fn claim(&self, candidate: Candidate, now: Timestamp) -> StoreFuture<'_, Answer>;
    /// Records the signature of a claimed slot and returns the one that stands; see point 4.
    fn record(&self, candidate: Candidate, record: Record) -> StoreFuture<'_, Record>;
    /// Makes changes; a [`Change::Raise`] creates its stream, and the store itself where there is none. See
    /// points 1, 3 and 5.
    fn amend(&self, changes: Vec<Change>, now: Timestamp) -> StoreFuture<'_, ()>;
    /// Raises floors; see [`WatermarkStore::amend`].
    fn raise(&self, raises: Vec<Raise>, now: Timestamp) -> StoreFuture<'_, ()> {
        self.amend(raises.into_iter().map(Change::Raise).collect(), now)
    }
    /// Brings memory up to all that was durable when this was called, by whichever replica. A store that is alone
    /// has nothing to do: nobody else changes what it shows.
    ///
    /// # Errors of the future
    /// [`StoreError`]; memory may then be old, and nothing that is taken for the present may be read from it.
    fn refresh(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Whether a claim or a record that was first asked for at `since` is asked for again while its outcome is unknown.
    /// A store that can be out of reach for long gives up some time after nobody waits any more: the claim may stand
    /// and then belongs to its bytes, the signature does not leave. Read from the clock, which so decides how long is
    /// asked and never what is granted.
    fn asks_again(&self, _since: Timestamp) -> bool {
        true
    }
    /// The row of a slot, from memory.
    fn lookup(&self, slot: &Slot) -> Option<Row>;
    /// The highest claim of a key over all kinds, from memory.
    fn head(&self, chain: ChainId, key: PublicKeyHash) -> Option<Head>;
    /// The store's condition.
    fn report(&self) -> StoreReport;
    /// All streams, sorted.
    fn streams(&self) -> Vec<StreamReport>;
    /// What stands about a key.
    fn account(&self, account: Account) -> AccountState;
    /// All keys that are stopped or halted, sorted.
    fn accounts(&self) -> Vec<AccountReport>;
    /// Whether this store gave a slot that some signers take for the same as `slot`, see [`Slot::siblings`], from
    /// memory. Then their mark for it may be of our own making. Bytes leave only after memory shows their claim,
    /// so a mark that we made is known by the time a signer speaks of it.
    fn has_sibling(&self, slot: &Slot) -> bool {
        let mut siblings = slot.siblings().into_iter();
        siblings.any(|sibling| sibling.stream != slot.stream && self.lookup(&sibling).is_some())
    }
}
