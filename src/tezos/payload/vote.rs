//! Preattestations, attestations and the endorsements of old.
//!
//! The tag of a vote says its layout. tz4 keys sign one without the delegate's slot, all others one with
//! it; reading one as the other would take the wrong bytes for the level.

use super::reader::Reader;
use super::{ChainId, ConsensusKind, Curve, PayloadError, Position, Round};

/// Length of the hash of the block payload, the last field of fixed size.
const PAYLOAD_HASH_LEN: usize = 32;

/// Limit of what may follow the last field of fixed size, in bytes. The list of attested slots that stands
/// there is a few bytes long.
const MAX_TAIL: usize = 512;

/// Where the tag stands, and the first byte behind it.
const AFTER_TAG: usize = 38;

/// The layout of a vote that is not known here, for the day on which a protocol brings one.
///
/// The level stands at `level_offset` and the round right behind it, then the hash of the block payload and
/// at most 512 bytes of anything. The kind of the vote is the one of the first byte, for keys of any curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VoteLayout {
    /// The byte at offset 37.
    pub tag: u8,
    /// Where the level begins, counted from the first byte; at least 38.
    pub level_offset: usize,
}

/// What a known tag means.
#[derive(Clone, Copy, Debug)]
struct Known {
    kind: ConsensusKind,
    /// Whether it is the layout of tz4 keys, without the delegate's slot.
    bls: bool,
    /// Bytes that may follow the payload hash.
    tail: (usize, usize),
}

const fn known(tag: u8) -> Option<Known> {
    const NONE: (usize, usize) = (0, 0);
    match tag {
        0x14 => Some(Known {
            kind: ConsensusKind::Preattestation,
            bls: false,
            tail: NONE,
        }),
        0x15 => Some(Known {
            kind: ConsensusKind::Attestation,
            bls: false,
            tail: NONE,
        }),
        0x17 => Some(Known {
            kind: ConsensusKind::Attestation,
            bls: false,
            tail: (1, MAX_TAIL),
        }),
        0x28 => Some(Known {
            kind: ConsensusKind::Preattestation,
            bls: true,
            tail: NONE,
        }),
        0x29 => Some(Known {
            kind: ConsensusKind::Attestation,
            bls: true,
            tail: NONE,
        }),
        _ => None,
    }
}

/// A vote of the protocols since April 2022; `kind` is the one of the first byte.
pub(super) fn decode(
    kind: ConsensusKind,
    curve: Curve,
    bytes: &[u8],
    layouts: &[VoteLayout],
) -> Result<(ChainId, Position), PayloadError> {
    let mut reader = Reader::after_magic(bytes)?;
    let chain = reader.chain()?;
    reader.skip(32, "branch")?;
    let tag = reader.u8("vote tag")?;

    let (min, max) = if let Some(known) = known(tag) {
        if known.kind != kind {
            return Err(PayloadError::VoteTagOfOtherKind { kind, tag });
        }
        if known.bls != (curve == Curve::Bls) {
            return Err(PayloadError::VoteTagOfOtherCurve { curve, tag });
        }
        if !known.bls {
            reader.skip(2, "slot")?;
        }
        known.tail
    } else {
        let gap = layouts
            .iter()
            .find(|layout| layout.tag == tag)
            .and_then(|layout| layout.level_offset.checked_sub(AFTER_TAG))
            .ok_or(PayloadError::UnknownVoteTag { tag })?;
        reader.skip(gap, "bytes before the level")?;
        (0, MAX_TAIL)
    };

    let level = reader.level("level")?;
    let round = reader.round("round")?;
    reader.skip(PAYLOAD_HASH_LEN, "payload hash")?;
    reader.tail("attested slots", min, max)?;
    Ok((chain, Position { level, round }))
}

/// An endorsement of the protocols before April 2022, which has no round.
pub(super) fn decode_legacy(bytes: &[u8]) -> Result<(ChainId, Position), PayloadError> {
    let mut reader = Reader::after_magic(bytes)?;
    let chain = reader.chain()?;
    reader.skip(32, "branch")?;
    let offset = reader.offset();
    if reader.u8("operation tag")? != 0 {
        return Err(Reader::complaint(
            "operation tag",
            offset,
            "is not that of an endorsement",
        ));
    }
    let level = reader.level("level")?;
    reader.tail("end", 0, 0)?;
    Ok((
        chain,
        Position {
            level,
            round: Round::ZERO,
        },
    ))
}
