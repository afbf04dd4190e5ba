//! One decision on a slot at a time, so that the decision log has them in the order in which they fell.
//!
//! The store decides in order by itself and safety does not rest on this; but its answers reach the tasks
//! that asked in any order. Equal requests share one operation, so only other bytes for the same slot ever
//! wait here, and for no longer than the store takes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::guard::Slot;

type Open = Arc<Mutex<HashMap<Slot, Arc<Turn<()>>>>>;

/// Slots on which something is being decided.
#[derive(Debug, Default)]
pub struct Turns {
    open: Open,
}

/// The turn of one request; it passes on when dropped.
#[derive(Debug)]
pub(super) struct OwnTurn {
    slot: Slot,
    open: Open,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for the turn to decide on `slot`. Cancel-safe.
    pub(super) async fn take(&self, slot: Slot) -> OwnTurn {
        let turn = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(open.entry(slot).or_default())
        };
        let mut own = OwnTurn {
            slot,
            open: Arc::clone(&self.open),
            guard: None,
        };
        own.guard = Some(turn.lock_owned().await);
        own
    }
}

impl Drop for OwnTurn {
    fn drop(&mut self) {
        self.guard = None;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waits or holds has a reference of its own.
        if open
            .get(&self.slot)
            .is_some_and(|turn| Arc::strong_count(turn) == 1)
        {
            open.remove(&self.slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use crate::fixture::{ask, at};

    use super::*;

    #[tokio::test]
    async fn a_slot_is_decided_on_by_one_at_a_time_and_others_do_not_wait() {
        let turns = Turns::default();
        let [one, other] = [1, 2].map(|level| ask(at(level, 0), 1).slot);
        let first = turns.take(one).await;
        drop(turns.take(other).await);
        let mut second = pin!(turns.take(one));
        tokio::select! {
            biased;
            _ = &mut second => panic!("two turns at once"),
            () = std::future::ready(()) => {}
        }
        drop(first);
        drop(second.await);
    }

    #[tokio::test]
    async fn nothing_is_left_of_turns_that_are_over_or_given_up() {
        let turns = Turns::default();
        let slot = ask(at(1, 0), 1).slot;
        let first = turns.take(slot).await;
        {
            let mut given_up = pin!(turns.take(slot));
            tokio::select! {
                biased;
                _ = &mut given_up => panic!("two turns at once"),
                () = std::future::ready(()) => {}
            }
        }
        drop(first);
        assert!(turns.open.lock().unwrap().is_empty());
    }
}
