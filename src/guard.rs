//! The signing guard: the only way to get a [`Permit`], and a permit is the only way to a signer.
//!
//! A claim is permission for *bytes*, not for a process: once durable it never expires, is never
//! rolled back or taken over, and is removed only where the floor refuses its slot to everybody. So a crash, a
//! retry, a failover or a second proxy on the same store can only ever repeat the same bytes. No clock, lease or lock takes part in that argument; the clock is
//! read for the far-future limit alone, where it can refuse but never allow what the floor forbids.
//!
//! This module knows nothing of HTTP, signers or disks. `store` implements [`WatermarkStore`].

mod account;
mod book;
mod horizon;
mod permit;
mod store;
mod watermark;

use std::sync::Arc;

use jiff::Timestamp;

use crate::settings::Chain;
use crate::tezos::{ChainId, Digest, Level, Payload, PublicKeyHash, Scheme, Signature};

pub use account::{Account, AccountState, Halt};
pub use book::{Book, Touched};
pub use horizon::{Head, TooFar, is_within_reach};
pub use permit::{Permit, Scope};
pub use store::{
    AccountReport, Answer, Change, Condition, Raise, StoreError, StoreFuture, StoreReport,
    StreamReport, WatermarkStore,
};
pub use watermark::{
    Candidate, Raised, Record, Refusal, Row, Slot, SlotText, Stream, StreamState, Verdict, decide,
};

/// What a claim gives.
#[derive(Debug)]
#[must_use]
pub enum Claim {
    /// The claim is durable: these bytes may go to signers.
    Permitted(Permit),
    /// The same bytes were signed before: this signature is the only one that may leave.
    Recorded(Record),
}

/// Why there is no permit.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClaimError {
    /// The position is at or below what was claimed, or claimed by other bytes, or the key has none.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The level is further ahead than this key can have come.
    #[error(transparent)]
    TooFar(#[from] TooFar),
    /// The store could not say yes; nothing may be signed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The head of the configured node, and the chain it is on.
pub type NodeHead = (ChainId, Level);

/// The guard over one store. Shared by all requests.
#[derive(Debug)]
pub struct SigningGuard {
    store: Arc<dyn WatermarkStore>,
    chains: Vec<Chain>,
    level_gap: u32,
    node_head: tokio::sync::watch::Receiver<Option<NodeHead>>,
}

impl SigningGuard {
    /// A guard that decides by `store`. `level_gap` is `guard.level-gap`; `node_head` is the head of the configured node, if there is one.
    #[must_use]
    pub fn new(
        store: Arc<dyn WatermarkStore>,
        chains: Vec<Chain>,
        level_gap: u32,
        node_head: tokio::sync::watch::Receiver<Option<NodeHead>>,
    ) -> Self {
        Self {
            store,
            chains,
            level_gap,
            node_head,
        }
    }

    /// The signature recorded for exactly these bytes under this scheme, from memory: it was durable
    /// before it came to memory, so it may be given whatever state signers and disk are in.
    #[must_use]
    pub fn replay(&self, candidate: &Candidate) -> Option<Record> {
        let row = self.store.lookup(&candidate.slot)?;
        (row.digest == candidate.digest && row.scheme == candidate.scheme)
            .then_some(row.record)
            .flatten()
    }

    /// Claims the slot of `candidate` for its bytes. Returns after the claim is durable.
    ///
    /// Cancel-safe: a claim whose future is dropped may or may not stand; either way only the same
    /// bytes can follow it.
    ///
    /// # Errors
    /// [`ClaimError`]; after any of them nothing may be sent to a signer.
    pub async fn claim(&self, candidate: Candidate, now: Timestamp) -> Result<Claim, ClaimError> {
        let mut doubted = false;
        loop {
            // At each try: what is known of the key may have come only meanwhile.
            let asked = match self.check_horizon(&candidate, now).await {
                Ok(()) => self.store.claim(candidate, now).await,
                Err(ClaimError::Store(error)) => Err(error),
                Err(error @ (ClaimError::Refused(_) | ClaimError::TooFar(_))) => return Err(error),
            };
            return match asked {
                Ok(Answer::Permit) => Ok(Claim::Permitted(Permit::for_slot(candidate, None))),
                Ok(Answer::InFlight { since }) => {
                    Ok(Claim::Permitted(Permit::for_slot(candidate, Some(since))))
                }
                Ok(Answer::Recorded(record)) => Ok(Claim::Recorded(record)),
                Ok(Answer::Refused(refusal)) => Err(refusal.into()),
                // Neither yes nor no: the same again, until the store knows or nobody waits any more.
                Err(StoreError::Unknown(reason)) if self.store.asks_again(now) => {
                    if !std::mem::replace(&mut doubted, true) {
                        tracing::warn!(reason, "outcome of a claim unknown, asking again");
                    }
                    continue;
                }
                Err(
                    error @ (StoreError::Unknown(_)
                    | StoreError::Homeless
                    | StoreError::Unavailable(_)
                    | StoreError::Withheld(_)),
                ) => Err(error.into()),
            };
        }
    }

    /// Refuses a level that the key cannot have come to. The store is not asked for a slot of a key whose head is not
    /// known: what it grants is for ever, and nothing would have bounded it.
    async fn check_horizon(&self, candidate: &Candidate, now: Timestamp) -> Result<(), ClaimError> {
        let slot = &candidate.slot;
        // A slot that has a row moves no floor, whoever asks for it.
        if self.store.lookup(slot).is_some() {
            return Ok(());
        }
        let Slot { stream, .. } = *slot;
        let Some(head) = self.head(stream).await? else {
            let report = self.store.report();
            let sealed = Book {
                sealed: report.sealed,
                ..Book::default()
            };
            // Beside a seal, which lets the refusal be told, the store is ill or not believed.
            if report.condition == Condition::Refusing && report.reason != sealed.seal_sentence() {
                let reason = report.reason.unwrap_or_default();
                return Err(StoreError::Unavailable(reason).into());
            }
            let account = self.store.account(stream.into());
            return match decide(Some(&account), None, candidate) {
                Verdict::Refused(refusal) => Err(refusal.into()),
                // Without a stream nothing is granted; the store would say the same.
                Verdict::Again { .. } | Verdict::Recorded(_) | Verdict::Fresh => Ok(()),
            };
        };
        let Some(chain) = self
            .chains
            .iter()
            .find(|chain| chain.id == slot.stream.chain)
        else {
            return Ok(());
        };
        // The head of another chain says nothing about this one.
        let node = (*self.node_head.borrow())
            .filter(|(id, _)| *id == chain.id)
            .map(|(_, level)| level);
        horizon::check(slot.position.level, head, now, chain, self.level_gap, node)?;
        Ok(())
    }

    /// The highest claim of a key; where memory has none, it may be that nothing has been read yet.
    async fn head(&self, stream: Stream) -> Result<Option<Head>, StoreError> {
        let Stream { chain, key, .. } = stream;
        if let Some(head) = self.store.head(chain, key) {
            return Ok(Some(head));
        }
        self.store.refresh().await?;
        Ok(self.store.head(chain, key))
    }

    /// A permit for bytes that belong to no slot (`0x03`, `0x05`); `None` for consensus payloads.
    /// The caller has asked the key's policy first.
    #[must_use]
    pub fn unslotted(
        &self,
        payload: &Payload,
        key: PublicKeyHash,
        digest: Digest,
        scheme: Scheme,
    ) -> Option<Permit> {
        match payload {
            Payload::Consensus(_) => None,
            Payload::Other { .. } => Some(Permit::unslotted(key, digest, scheme)),
        }
    }

    /// Makes the signature durable and gives the one that may leave: if another was recorded first
    /// for this slot, that one. Consumes the permit. Not to be cancelled: run it in a task.
    ///
    /// # Errors
    /// [`StoreError`]; the signature must then not leave.
    pub async fn record(
        &self,
        permit: Permit,
        signature: Signature,
        signer: &str,
        now: Timestamp,
    ) -> Result<Record, StoreError> {
        let record = Record {
            signature,
            signer: signer.to_owned(),
            at: now,
        };
        match permit.into_scope() {
            Scope::Slot(candidate) => {
                let mut doubted = false;
                loop {
                    match self.store.record(candidate, record.clone()).await {
                        // An unrecorded signature never leaves, and this one may be recorded already.
                        Err(StoreError::Unknown(reason)) if self.store.asks_again(now) => {
                            if !std::mem::replace(&mut doubted, true) {
                                tracing::warn!(reason, "outcome of a record unknown, asking again");
                            }
                        }
                        other => return other,
                    }
                }
            }
            Scope::Unslotted { .. } => Ok(record),
        }
    }

    /// Raises floors; see [`WatermarkStore::raise`].
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn raise(&self, raises: Vec<Raise>, now: Timestamp) -> Result<(), StoreError> {
        self.store.raise(raises, now).await
    }

    /// Stops signing with a key, durably, on evidence that somebody else signed for `slots` of it. Returns once
    /// nothing more can be claimed or recorded for it; the claims of the slots themselves end, so that resuming the
    /// key does not bring them back. An earlier halt stays.
    ///
    /// # Errors
    /// [`StoreError`]; the key is then not halted.
    pub async fn halt(
        &self,
        account: Account,
        slots: &[Slot],
        reason: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let raises = slots.iter().map(|slot| Raise {
            stream: slot.stream,
            floor: slot.position,
        });
        let mut changes: Vec<_> = raises.map(Change::Raise).collect();
        // Also where memory has one: another replica may have resumed the key since.
        let halt = Halt::new(now, reason);
        changes.push(Change::Halt { account, halt });
        self.store.amend(changes, now).await
    }

    /// The store, for commands of the operator.
    #[must_use]
    pub fn store(&self) -> &dyn WatermarkStore {
        &*self.store
    }

    /// The state of the store in words.
    #[must_use]
    pub fn report(&self) -> StoreReport {
        self.store.report()
    }

    /// Floors of all streams.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamReport> {
        self.store.streams()
    }
}

#[cfg(test)]
mod tests;
