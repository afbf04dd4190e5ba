//! From untrusted bytes to what a signature over them would mean.
//!
//! Strict about everything that the slot depends on, and about lengths; what follows after that in a block
//! is opaque, so that a protocol upgrade that appends a field does not stop anybody. Anything that begins
//! like a consensus payload and is not exactly one is an error, never [`Payload::Other`].
//!
//! The module does not know which chains, kinds or levels are allowed.
//!
//! Invariants: total, no input makes it panic; equal bytes under an equal curve always give equal results;
//! two payloads that the chain could hold against each other decode to the same slot.

mod block;
mod reader;
mod vote;

pub use self::vote::VoteLayout;
use super::chain::ChainId;
use super::consensus::{ConsensusKind, Position, Round};
use super::key::Curve;

/// What a sign request asks to have signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payload {
    /// A block or a vote: there must never be two for its slot.
    Consensus(ConsensusPayload),
    /// Anything else, such as an operation (`0x03`) or packed data (`0x05`).
    Other {
        /// The first byte.
        magic: u8,
    },
}

/// The slot, but for its key, that a consensus payload belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConsensusPayload {
    /// The chain that it is for.
    pub chain: ChainId,
    /// Block or vote.
    pub kind: ConsensusKind,
    /// Level and round; the round is 0 for the legacy kinds, which have none.
    pub position: Position,
}

/// Why bytes are not a payload that may be signed. Offsets count from the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// There are no bytes at all.
    #[error("empty payload")]
    Empty,
    /// The payload ends inside or before a field.
    #[error("ends within {field}, which begins at byte {offset}")]
    Truncated {
        /// The field.
        field: &'static str,
        /// Where the field begins.
        offset: usize,
    },
    /// There are bytes after the last field that the layout has.
    #[error("{extra} more bytes than the layout has, after byte {offset}")]
    TooLong {
        /// Where the payload should have ended.
        offset: usize,
        /// How many bytes follow.
        extra: usize,
    },
    /// A field has a value that no honest payload has.
    #[error("{field} at byte {offset} {reason}")]
    Field {
        /// The field.
        field: &'static str,
        /// Where the field begins.
        offset: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A vote of a layout that is not known; a protocol upgrade may have brought it.
    #[error("unknown vote tag {tag:#04x} at byte 37")]
    UnknownVoteTag {
        /// The tag.
        tag: u8,
    },
    /// The tag of the vote belongs to the other kind of vote.
    #[error("vote tag {tag:#04x} at byte 37 is not one of {kind}s")]
    VoteTagOfOtherKind {
        /// The kind that the first byte says.
        kind: ConsensusKind,
        /// The tag.
        tag: u8,
    },
    /// The layout of the vote is not the one that keys of this curve sign.
    #[error("vote tag {tag:#04x} at byte 37 has not the layout that {curve} keys sign")]
    VoteTagOfOtherCurve {
        /// The curve of the key.
        curve: Curve,
        /// The tag.
        tag: u8,
    },
    /// Keys of this curve cannot take part in consensus.
    #[error("{curve} keys cannot sign {kind}s")]
    CurveWithoutConsensus {
        /// The curve of the key.
        curve: Curve,
        /// The kind that the first byte says.
        kind: ConsensusKind,
    },
}

impl Payload {
    /// What `bytes` mean when a key of `curve` signs them.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] for bytes that must not be signed under any policy.
    pub fn decode(curve: Curve, bytes: &[u8]) -> Result<Self, PayloadError> {
        Self::decode_with(curve, bytes, &[])
    }

    /// Like [`Self::decode`], with layouts of votes that are not known here. A layout for a known tag has no
    /// effect.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`].
    pub fn decode_with(
        curve: Curve,
        bytes: &[u8],
        layouts: &[VoteLayout],
    ) -> Result<Self, PayloadError> {
        let magic = *bytes.first().ok_or(PayloadError::Empty)?;
        let Some(kind) = ConsensusKind::from_code(magic) else {
            return Ok(Self::Other { magic });
        };
        match curve {
            Curve::Ed25519 | Curve::Secp256k1 | Curve::P256 | Curve::Bls => {}
            Curve::MlDsa => return Err(PayloadError::CurveWithoutConsensus { curve, kind }),
        }
        let (chain, position) = match kind {
            ConsensusKind::Block => block::decode(bytes)?,
            ConsensusKind::LegacyBlock => block::decode_legacy(bytes)?,
            ConsensusKind::Preattestation | ConsensusKind::Attestation => {
                vote::decode(kind, curve, bytes, layouts)?
            }
            ConsensusKind::LegacyEndorsement => vote::decode_legacy(bytes)?,
        };
        Ok(Self::Consensus(ConsensusPayload {
            chain,
            kind,
            position,
        }))
    }
}

#[cfg(test)]
mod tests;
