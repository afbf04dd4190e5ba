//! The kinds of consensus signature: names, numbers and their order within a round.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
    fn a_round_begins_with_its_block_and_ends_with_attestations() {
        use ConsensusKind::{Attestation, Block, Preattestation};
        let mut kinds = [Attestation, Block, Preattestation];
        kinds.sort_by_key(|kind| kind.order_in_round());
        assert_eq!(kinds, [Block, Preattestation, Attestation]);
    }
}
