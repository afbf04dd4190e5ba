//! How many of a slot's few requests were spent by operations that ended without a signature.
//!
//! A baker that asks again gets what is left, not as many anew. Nothing here is needed for safety: equal
//! bytes may be sent however often. Entries end by themselves.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::guard::Slot;
use crate::tezos::Digest;

/// An entry is kept for this long after its last use; no deadline is further away.
const KEPT: Duration = Duration::from_secs(30);

/// What a slot has spent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    /// Requests that may have reached a signer.
    pub(super) sends: usize,
    /// When the last operation ended.
    pub(super) at: Instant,
}

/// What each slot has spent of late.
#[derive(Debug, Default)]
pub(super) struct SpentBySlot(Mutex<BTreeMap<(Slot, Digest), Spent>>);

impl SpentBySlot {
    /// What was spent on these bytes before.
    pub(super) fn before(&self, slot: &(Slot, Digest)) -> Option<Spent> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, spent| spent.at.elapsed() < KEPT);
        all.get(slot).copied()
    }

    /// Adds what an operation has spent.
    pub(super) fn add(&self, slot: (Slot, Digest), sends: usize) {
        if sends == 0 {
            return;
        }
        let at = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = all.entry(slot).or_insert(Spent { sends: 0, at });
        spent.sends = spent.sends.saturating_add(sends);
        spent.at = at;
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::{ask, at};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_spent_adds_up_and_is_forgotten_after_a_while() {
        let (all, candidate) = (SpentBySlot::default(), ask(at(1, 0), 1));
        let slot = (candidate.slot, candidate.digest);
        let sends = || all.before(&slot).map(|spent| spent.sends);
        all.add(slot, 0);
        assert_eq!(sends(), None);
        all.add(slot, 2);
        tokio::time::advance(Duration::from_secs(29)).await;
        all.add(slot, 3);
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(sends(), Some(5));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(sends(), None);
    }
}
