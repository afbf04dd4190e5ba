//! The words of the model: positions, payloads, digests, signatures, tables.
//!
//! All values are small and copied: the checker makes millions of them.

use std::fmt;

/// The most positions a setup uses.
pub(crate) const POSITIONS: usize = 3;

/// A position, by its place in the order: (1,0), (1,1), (2,0).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct At(pub(crate) u8);

impl At {
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Level and round, as small numbers.
    pub(crate) fn level_and_round(self) -> (u32, u32) {
        match self.0 {
            0 => (1, 0),
            1 => (1, 1),
            _ => (2, 0),
        }
    }

    /// The floor that refuses this position and all before it.
    pub(crate) fn floor(self) -> Floor {
        Floor(self.0 + 1)
    }
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (level, round) = self.level_and_round();
        write!(f, "({level},{round})")
    }
}

/// How many positions are refused to everybody who does not hold their row; 0 is below all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Floor(pub(crate) u8);

impl Floor {
    pub(crate) fn refuses(self, at: At) -> bool {
        self.0 > at.0
    }
}

/// A baker. Each has one payload for each position, and the two never agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Baker {
    A,
    B,
}

pub(crate) const BAKERS: [Baker; 2] = [Baker::A, Baker::B];

/// A digest, as rows keep it. Equal to the payload's only if the digest covers all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Digest(pub(crate) u8);

/// One signature: over the payload of a baker at a position, with its own nonce.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Sig {
    pub(crate) at: At,
    pub(crate) baker: Baker,
    pub(crate) nonce: u8,
}

impl Sig {
    /// Any signature; for questions in which it only matters that there is one.
    pub(crate) fn any(at: At) -> Self {
        Self {
            at,
            baker: Baker::A,
            nonce: 0,
        }
    }
}

impl fmt::Debug for Sig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sig{}{:?}{:?}", self.nonce, self.baker, self.at)
    }
}

/// A slot in a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Row {
    #[default]
    Free,
    Claimed(Digest),
    Signed(Digest, Sig),
}

impl Row {
    pub(crate) fn digest(self) -> Option<Digest> {
        match self {
            Self::Free => None,
            Self::Claimed(digest) | Self::Signed(digest, _) => Some(digest),
        }
    }

    pub(crate) fn sig(self) -> Option<Sig> {
        match self {
            Self::Free | Self::Claimed(_) => None,
            Self::Signed(_, sig) => Some(sig),
        }
    }
}

/// All commits that made a table, one after the other: what a chain of hashes stands for. Kept only where a
/// witness notes it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Commits(u64);

impl Commits {
    /// Different for each kind of change; see [`Change`].
    const CHANGES: u64 = 32;

    pub(crate) fn and(self, change: Change) -> Self {
        let number = match change {
            Change::Claim(at, digest) => 1 + u64::from(at.0) * 2 + u64::from(digest.0),
            Change::Record(sig) => {
                7 + (u64::from(sig.at.0) * 2 + sig.baker as u64) * 3 + u64::from(sig.nonce)
            }
            Change::Raise(floor) => 25 + u64::from(floor.0),
        };
        // A run with more commits than fit must end, not merge states.
        let longer = self
            .0
            .checked_mul(Self::CHANGES)
            .expect("a longer history than fits");
        Self(longer + number)
    }

    /// Whether `self` is `other`, or `other` and one commit more.
    pub(crate) fn continues(self, other: Self) -> bool {
        self == other || self.0 / Self::CHANGES == other.0
    }
}

impl fmt::Debug for Commits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A change that one commit makes durable.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Claim(At, Digest),
    Record(Sig),
    Raise(Floor),
}

/// What stands about the key as a whole. Only a store in etcd is asked for it here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Account {
    #[default]
    Free,
    /// Until it is resumed.
    Halted,
    /// For ever, below all positions of the model.
    Stopped,
}

/// What a store holds of one stream; without a floor it holds nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Table {
    pub(crate) floor: Option<Floor>,
    pub(crate) rows: [Row; POSITIONS],
    pub(crate) history: Commits,
    /// How many commits made it; counted only where a witness knows the number.
    pub(crate) commits: u8,
    pub(crate) account: Account,
    pub(crate) sealed: bool,
}

impl Table {
    pub(crate) fn row(&self, at: At) -> Row {
        self.rows[at.index()]
    }

    /// That of the highest slot which has one.
    pub(crate) fn last_signature(&self) -> Option<Sig> {
        self.rows.iter().rev().find_map(|row| row.sig())
    }

    /// Nothing at all counts as below everything.
    pub(crate) fn height(&self) -> Floor {
        self.floor.unwrap_or_default()
    }
}
