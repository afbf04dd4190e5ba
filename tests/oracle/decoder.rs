//! A second reader of payloads, to be compared with the program's own.
//!
//! Written from the published layouts alone and in another manner: every field is looked up at its absolute
//! offset and the length of each layout is computed, nothing is consumed in order. It shares no type, no
//! constant and no code with the library. It does not say what exactly is wrong with a payload.
//!
//! Invariant: a verdict depends on the bytes, on the curve of the key and on the operator's layouts.

/// Level and round are signed 32-bit numbers on the chain, so their first bit is never set.
const HIGHEST_LEVEL: u32 = 0x7fff_ffff;

/// Higher rounds are refused by policy, although the chain has no such limit.
const HIGHEST_ROUND: u32 = 1000;

/// Where the byte stands that names the layout of a vote: behind the magic byte, the chain and the branch.
const VOTE_TAG: usize = 1 + 4 + 32;

/// What may stand behind the fields of fixed size of a vote: attested slots, or what an operator's layout has
/// not described.
const LONGEST_TAIL: usize = 512;

/// Which votes a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Votes {
    /// With the slot of the delegate: tz1, tz2, tz3.
    Slotted,
    /// Without: tz4.
    Aggregated,
    /// None, and no blocks either: tz5.
    Never,
}

/// What must not be signed twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The first byte, which is the kind.
    pub(crate) magic: u8,
    pub(crate) chain: [u8; 4],
    pub(crate) level: u32,
    pub(crate) round: u32,
}

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A consensus payload.
    Slot(Slot),
    /// Something without a slot, with its first byte.
    Other(u8),
    /// Nothing that may be signed.
    Refused,
}

/// A vote that an operator has described: its tag and where its level begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) tag: u8,
    pub(crate) level_at: usize,
}

/// Reads a payload that is to be signed by a key of a certain sort.
pub(crate) fn read(votes: Votes, described: &[Described], bytes: &[u8]) -> Verdict {
    let Some(magic) = bytes.first().copied() else {
        return Verdict::Refused;
    };
    let place = match magic {
        0x01 => emmy_block(bytes),
        0x02 => emmy_endorsement(bytes),
        0x11 => block(bytes),
        0x12 | 0x13 => vote(magic, votes, described, bytes),
        _ => return Verdict::Other(magic),
    };
    let (Some((level, round)), Some(chain)) = (place, array(bytes, 1)) else {
        return Verdict::Refused;
    };
    if votes == Votes::Never || level > HIGHEST_LEVEL || round > HIGHEST_ROUND {
        return Verdict::Refused;
    }
    Verdict::Slot(Slot {
        magic,
        chain,
        level,
        round,
    })
}

/// A header of the time before rounds. Level, protocol number and predecessor stand where they always stood.
fn emmy_block(bytes: &[u8]) -> Option<(u32, u32)> {
    let sound = bytes.len() >= 1 + 4 + 4 + 1 + 32;
    sound.then_some((number(bytes, 5)?, 0))
}

/// `02`, chain, branch, `00`, level, and nothing else.
fn emmy_endorsement(bytes: &[u8]) -> Option<(u32, u32)> {
    let sound = bytes.len() == 42 && bytes[VOTE_TAG] == 0;
    sound.then_some((number(bytes, 38)?, 0))
}

/// A header whose fitness has five items: version, level, locked round, predecessor's round, round.
fn block(bytes: &[u8]) -> Option<(u32, u32)> {
    let level = number(bytes, 5)?;
    let fitness = number(bytes, 83)?;
    let locked = number(bytes, 100)?;
    let shift = match (fitness, locked) {
        (33, 0) => 0,
        (37, 4) => 4,
        _ => return None,
    };
    // Context hash, payload hash, payload round, proof of work, no seed nonce hash, per-block votes.
    let shortest = 116 + shift + 4 + 32 + 32 + 4 + 8 + 1 + 1;
    let round = number(bytes, 116 + shift)?;
    let sound = bytes.len() >= shortest
        && number(bytes, 87)? == 1
        && bytes[91] == 2
        && number(bytes, 92)? == 4
        && number(bytes, 96)? == level
        && number(bytes, 104 + shift)? == 4
        // Stored as the complement, so that a lower round is a higher fitness.
        && number(bytes, 108 + shift)? > HIGHEST_LEVEL
        && number(bytes, 112 + shift)? == 4
        && (shift == 0 || number(bytes, 104)? < round);
    sound.then_some((level, round))
}

/// A preattestation or an attestation, alone, with attested slots, or in the form of tz4 keys.
fn vote(magic: u8, votes: Votes, described: &[Described], bytes: &[u8]) -> Option<(u32, u32)> {
    let tag = *bytes.get(VOTE_TAG)?;
    // Where the level stands, and the lengths that what follows the payload hash can have.
    let (level_at, tail) = match (magic, tag, votes) {
        (0x12, 0x14, Votes::Slotted) | (0x13, 0x15, Votes::Slotted) => (40, 0..=0),
        (0x13, 0x17, Votes::Slotted) => (40, 1..=LONGEST_TAIL),
        (0x12, 0x28, Votes::Aggregated) | (0x13, 0x29, Votes::Aggregated) => (38, 0..=0),
        (_, 0x14 | 0x15 | 0x17 | 0x28 | 0x29, _) => return None,
        _ => {
            let level_at = described.iter().find(|vote| vote.tag == tag)?.level_at;
            (level_at, 0..=LONGEST_TAIL)
        }
    };
    let end_of_hash = level_at + 4 + 4 + 32;
    let sound = level_at > VOTE_TAG && tail.contains(&bytes.len().checked_sub(end_of_hash)?);
    sound.then_some((number(bytes, level_at)?, number(bytes, level_at + 4)?))
}

/// The big-endian number at an offset.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

fn array(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..at + 4)?.try_into().ok()
}
