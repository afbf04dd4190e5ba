//! What a store shows of itself: its book, and how many commits made it.
//!
//! Knows nothing of files and threads. Invariant: book and number belong together, so they change together,
//! under one lock; whoever copies them reads both at once.

use std::sync::{Arc, RwLock};

use crate::guard::Book;

/// Durable state as memory shows it.
pub(super) type Memory = Arc<RwLock<Contents>>;

/// What is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) book: Book,
    /// How many commits made the store what it is, of whatever kind; 0 for one that counts from now on. Each
    /// commit adds one, so a store with a lower number than its witness has gone back, even where a signature is
    /// all that it lost and every floor is the same.
    pub(super) commits: u64,
}

impl Contents {
    /// The number of the next commit.
    pub(super) const fn next(&self) -> u64 {
        self.commits.saturating_add(1)
    }

    /// Whether `other` holds all that this one holds, and is no older.
    pub(super) fn is_kept_by(&self, other: &Self) -> bool {
        self.commits <= other.commits && self.book.is_kept_by(&other.book)
    }
}
