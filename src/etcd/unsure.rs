//! Claims of this replica whose answers were lost: found standing, they are its own, and nobody else's signature is to be
//! waited for.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::guard::{Candidate, Slot};
use crate::tezos::Digest;

/// So many at most; whoever comes when there are as many waits a little for a signature that does not come.
const MOST: usize = 4_096;

/// The claims.
#[derive(Debug, Default)]
pub(super) struct Unsure(Mutex<HashSet<Key>>);

/// Slot, payload, and when it was claimed.
type Key = (Slot, Digest, i64);

impl Unsure {
    pub(super) fn note(&self, candidate: &Candidate, now: Timestamp) {
        let mut all = self.lock();
        // Those that nobody came back for, after their deadlines.
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key(candidate, now));
    }

    pub(super) fn has(&self, candidate: &Candidate, now: Timestamp) -> bool {
        self.lock().contains(&key(candidate, now))
    }

    pub(super) fn forget(&self, candidate: &Candidate, now: Timestamp) {
        self.lock().remove(&key(candidate, now));
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(candidate: &Candidate, now: Timestamp) -> Key {
    (candidate.slot, candidate.digest, now.as_millisecond())
}
