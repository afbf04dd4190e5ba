//! What a consensus signature is about: its kind, its level and its round.
//!
//! Types and their order only. There is deliberately no arithmetic: nothing on the sign path may compute
//! a level, it may only compare those that it was given.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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

/// The kinds of signature of which there must never be two for one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsensusKind {
    /// A vote that a block is final, first byte `0x13`.
    Attestation,
    /// A block header, first byte `0x11`.
    Block,
    /// A block header of the protocols before April 2022, first byte `0x01`.
    LegacyBlock,
    /// An endorsement of the protocols before April 2022, first byte `0x02`.
    LegacyEndorsement,
    /// A vote that a block is the one to attest, first byte `0x12`.
    Preattestation,
}

impl ConsensusKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Attestation,
        Self::Block,
        Self::LegacyBlock,
        Self::LegacyEndorsement,
        Self::Preattestation,
    ];

    /// The name in configuration, logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attestation => "attestation",
            Self::Block => "block",
            Self::LegacyBlock => "legacy-block",
            Self::LegacyEndorsement => "legacy-endorsement",
            Self::Preattestation => "preattestation",
        }
    }

    /// The first byte of every payload of this kind.
    #[must_use]
    pub const fn magic(self) -> u8 {
        match self {
            Self::Attestation => 0x13,
            Self::Block => 0x11,
            Self::LegacyBlock => 0x01,
            Self::LegacyEndorsement => 0x02,
            Self::Preattestation => 0x12,
        }
    }

    /// The number that stands for this kind in stores; it never changes and equals [`Self::magic`].
    #[must_use]
    pub const fn code(self) -> u8 {
        self.magic()
    }

    /// The kind with this [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The order in which one round produces its signatures; a device with one watermark over all kinds
    /// accepts them only so.
    #[must_use]
    pub const fn order_in_round(self) -> u8 {
        match self {
            Self::Block | Self::LegacyBlock => 0,
            Self::Preattestation => 1,
            Self::Attestation | Self::LegacyEndorsement => 2,
        }
    }
}

impl fmt::Display for ConsensusKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no [`ConsensusKind`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown kind {0:?}; known are attestation, block, legacy-block, legacy-endorsement, preattestation"
)]
pub struct UnknownKind(String);

impl FromStr for ConsensusKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownKind(text.to_owned()))
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
    fn every_kind_round_trips_through_name_code_and_json() {
        for kind in ConsensusKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(ConsensusKind::from_code(kind.code()), Some(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
        assert_eq!(ConsensusKind::from_code(0x03), None);
        assert!("Block".parse::<ConsensusKind>().is_err());
    }

    #[test]
    fn a_position_reads_as_a_phrase() {
        assert_eq!(at(5, 0).to_string(), "level 5 round 0");
    }
}
