//! Block headers. The position of a Tenderbake block is in its fitness, not in fixed places.

use super::reader::Reader;
use super::{ChainId, PayloadError, Position, Round};

/// Length of the fitness of a block without and with a locked round.
const FITNESS_UNLOCKED: u32 = 33;
const FITNESS_LOCKED: u32 = 37;

/// The only version of the fitness that there is.
const FITNESS_VERSION: u8 = 2;

/// What follows the fitness: context hash 32, payload hash 32, payload round 4, proof of work 8, presence of
/// the seed nonce hash 1, votes 1. More is accepted.
const TAIL_MIN: usize = 78;

/// Up to and including the predecessor, without which nothing is a block header.
const LEGACY_TAIL_MIN: usize = 33;

/// A block header of the protocols since April 2022.
pub(super) fn decode(bytes: &[u8]) -> Result<(ChainId, Position), PayloadError> {
    let mut reader = Reader::after_magic(bytes)?;
    let chain = reader.chain()?;
    let level = reader.level("level")?;
    reader.skip(1, "protocol number")?;
    reader.skip(32, "predecessor")?;
    reader.skip(8, "timestamp")?;
    reader.skip(1, "validation passes")?;
    reader.skip(32, "operations hash")?;

    let offset = reader.offset();
    let locked_len = match reader.u32("fitness length")? {
        FITNESS_UNLOCKED => 0,
        FITNESS_LOCKED => 4,
        _ => {
            return Err(Reader::complaint(
                "fitness length",
                offset,
                "is neither 33 nor 37",
            ));
        }
    };

    reader.length("fitness version", 1)?;
    let offset = reader.offset();
    if reader.u8("fitness version")? != FITNESS_VERSION {
        return Err(Reader::complaint("fitness version", offset, "is not 2"));
    }

    reader.length("fitness level", 4)?;
    let offset = reader.offset();
    if reader.level("fitness level")? != level {
        return Err(Reader::complaint(
            "fitness level",
            offset,
            "differs from the level",
        ));
    }

    reader.length("locked round", locked_len)?;
    let locked_at = reader.offset();
    let locked = if locked_len == 0 {
        None
    } else {
        Some(reader.round("locked round")?)
    };

    reader.length("predecessor round", 4)?;
    let offset = reader.offset();
    // Stored as its one's complement, so that an honest one is always negative.
    if reader.i32("predecessor round")? >= 0 {
        return Err(Reader::complaint(
            "predecessor round",
            offset,
            "is negative",
        ));
    }

    reader.length("round", 4)?;
    let round = reader.round("round")?;
    if locked.is_some_and(|locked| locked >= round) {
        return Err(Reader::complaint(
            "locked round",
            locked_at,
            "is not below the round",
        ));
    }

    reader.tail("block contents", TAIL_MIN, usize::MAX)?;
    Ok((chain, Position { level, round }))
}

/// A block header of the protocols before April 2022, which has no round.
pub(super) fn decode_legacy(bytes: &[u8]) -> Result<(ChainId, Position), PayloadError> {
    let mut reader = Reader::after_magic(bytes)?;
    let chain = reader.chain()?;
    let level = reader.level("level")?;
    reader.tail("block contents", LEGACY_TAIL_MIN, usize::MAX)?;
    Ok((
        chain,
        Position {
            level,
            round: Round::ZERO,
        },
    ))
}
