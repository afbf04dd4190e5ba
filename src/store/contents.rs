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

#[cfg(test)]
mod tests {
    use crate::fixture::{at, raise, second};
    use crate::guard::{Change, Touched};
    use crate::tezos::ConsensusKind;

    use super::*;

    fn contents(level: u32, commits: u64) -> Contents {
        let mut book = Book::default();
        let raise = raise(ConsensusKind::Block, at(level, 0));
        book.amend(Change::Raise(raise), second(1_000), &mut Touched::default());
        Contents { book, commits }
    }

    #[test]
    fn what_keeps_another_is_no_older_and_has_all_of_it() {
        let one = contents(100, 5);
        for (other, expected) in [
            (contents(100, 5), true),
            (contents(101, 6), true),
            (contents(100, 4), false),
            (contents(99, 5), false),
            (contents(99, 6), false),
        ] {
            assert_eq!(one.is_kept_by(&other), expected, "{}", other.commits);
        }
        assert_eq!(one.next(), 6);
    }
}
