//! What a consensus signature is about: its kind, its level and its round.
//!
//! Types and their order only. There is deliberately no arithmetic: nothing on the sign path may compute
//! a level, it may only compare those that it was given.

mod kind;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::kind::{ConsensusKind, UnknownKind};

/// A value outside the range of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value} is above the limit of {limit}")]
pub struct OutOfRange {
    /// What was given.
    pub value: u32,
    /// The largest value that is accepted.
    pub limit: u32,
}

/// A block level, `0..=i32::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Level(u32);

impl Level {
    /// The highest level that a block header can carry.
    pub const MAX: Self = Self(i32::MAX.unsigned_abs());

    /// The level `value`, or nothing above [`Self::MAX`].
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        if value <= Self::MAX.0 {
            Some(Self(value))
        } else {
            None
        }
    }

    /// The level as a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A round within a level, `0..=1000`.
///
/// The protocol allows more; rounds above [`Round::MAX`] are refused because a round of thousands means a
/// chain that has stood still for weeks or, far more likely, a forged request that would raise the
/// watermark past every honest round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Round(u32);

impl Round {
    /// The first round of a level.
    pub const ZERO: Self = Self(0);
    /// The highest round that is accepted.
    pub const MAX: Self = Self(1000);

    /// The round `value`, or nothing above [`Self::MAX`].
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        if value <= Self::MAX.0 {
            Some(Self(value))
        } else {
            None
        }
    }

    /// The round as a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Implements the text form and the checked conversion of a bounded number.
macro_rules! bounded {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl TryFrom<u32> for $name {
            type Error = OutOfRange;

            fn try_from(value: u32) -> Result<Self, Self::Error> {
                Self::new(value).ok_or(OutOfRange {
                    value,
                    limit: Self::MAX.0,
                })
            }
        }

        impl From<$name> for u32 {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}
bounded!(Level);
bounded!(Round);

/// A point in the life of a stream: first by level, then by round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The block level.
    pub level: Level,
    /// The round within it.
    pub round: Round,
}

impl Position {
    /// The position `round` of `level`.
    #[must_use]
    pub const fn new(level: Level, round: Round) -> Self {
        Self { level, round }
    }

    /// The last position of `level`: a floor set here bars every round of it.
    #[must_use]
    pub const fn end_of_level(level: Level) -> Self {
        Self {
            level,
            round: Round::MAX,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "level {} round {}", self.level, self.round)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(level: u32, round: u32) -> Position {
        Position::new(Level::new(level).unwrap(), Round::new(round).unwrap())
    }

    #[test]
    fn positions_order_by_level_first() {
        assert!(at(4, 900) < at(5, 0));
        assert!(at(5, 0) < at(5, 1));
        assert!(at(5, 1000) <= Position::end_of_level(Level::new(5).unwrap()));
        assert!(Position::end_of_level(Level::new(5).unwrap()) < at(6, 0));
    }

    #[test]
    fn ranges_end_where_documented() {
        assert_eq!(Level::new(0x7fff_ffff), Some(Level::MAX));
        assert_eq!(Level::new(0x8000_0000), None);
        assert_eq!(Round::new(1000), Some(Round::MAX));
        assert_eq!(
            Round::try_from(1001),
            Err(OutOfRange {
                value: 1001,
                limit: 1000
            })
        );
        assert!(serde_json::from_str::<Round>("1001").is_err());
    }

    #[test]
    fn a_number_that_went_in_comes_out() {
        for number in [0, 1, 2, 1000] {
            assert_eq!(Level::new(number).map(Level::get), Some(number));
            assert_eq!(Round::new(number).map(Round::get), Some(number));
        }
    }

    #[test]
    fn a_position_reads_as_a_phrase() {
        assert_eq!(at(5, 0).to_string(), "level 5 round 0");
    }
}
