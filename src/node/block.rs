//! Who signed what, as the JSON of an Octez node tells it: block headers, their metadata, and the
//! consensus operations of a block, of the protocols from Ithaca to Ushuaia. Pure: bytes in, values out.
//!
//! Fields that are not used are not looked at, so a protocol may add some. Those that are used must be there and
//! in range: half-read evidence is none. It does not verify signatures; the node has, and the node is
//! believed. Invariant: a key is named only if the chain verified a signature of that very key. So a
//! delegate counts only where no consensus key is named beside it, and whoever first proposed a payload
//! does not count, because a block of another round shows no signature of theirs.

mod raw;

use std::collections::HashMap;

use jiff::Timestamp;

use crate::tezos::{ChainId, ConsensusKind, Level, Position, PublicKeyHash, Round};

use self::raw::{Content, RawCompanion, RawHeader, RawMetadata, RawOperation, Signer, clamped};

/// A block hash has 51 characters; this is what is passed on into a request.
const HASH_CHARACTERS: usize = 64;
/// The version that Tenderbake writes as the first item of a fitness.
const TENDERBAKE: &str = "02";

/// Why what a node says of a block cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// Not the JSON that it should be.
    #[error("is not as expected: {0}")]
    Json(#[from] serde_json::Error),
    /// A hash that is none.
    #[error("names a block {0:?}, which is no block hash")]
    Hash(String),
    /// A fitness of Tenderbake that contradicts itself or the level.
    #[error("has a fitness {0:?} that does not fit its level")]
    Fitness(Vec<String>),
}

/// The keys that matter, by their text: a hash that this version cannot read is none of them.
#[derive(Debug, Default)]
pub(super) struct Ours(HashMap<String, PublicKeyHash>);

impl FromIterator<PublicKeyHash> for Ours {
    fn from_iter<T: IntoIterator<Item = PublicKeyHash>>(keys: T) -> Self {
        Self(keys.into_iter().map(|key| (key.to_string(), key)).collect())
    }
}

/// A signature that is on the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The key that signed.
    pub(super) key: PublicKeyHash,
    /// The baker for whom it signed; the key itself, if it has no consensus key.
    pub(super) delegate: String,
    /// What was signed.
    pub(super) kind: ConsensusKind,
    /// Level and round of what was signed; a round above [`Round::MAX`] counts as that.
    pub(super) position: Position,
    /// Hash of the block that shows it.
    pub(super) block: String,
}

/// The head of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Its hash; letters and digits only.
    pub(super) hash: String,
    /// Hash of the block before; letters and digits only.
    pub(super) predecessor: String,
    /// The chain that it belongs to.
    pub(super) chain: ChainId,
    /// Its level.
    pub(super) level: Level,
    /// When it was made.
    pub(super) at: Timestamp,
    /// Its round; absent for blocks that no baker made (genesis, activation) or of a consensus without rounds.
    pub(super) round: Option<Round>,
}

/// Consensus operations of a block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Votes {
    /// Those of the keys that matter.
    pub(super) seen: Vec<Seen>,
    /// How many do not say who signed them, or are of a kind that this version does not know.
    pub(super) unread: usize,
}

impl Signer {
    /// The signature at `position` in `block`, if it is of one of `ours`.
    fn seen(
        self,
        kind: ConsensusKind,
        position: Position,
        block: &str,
        ours: &Ours,
    ) -> Option<Seen> {
        let signed_by = self.consensus_key.as_ref().unwrap_or(&self.delegate);
        let key = *ours.0.get(signed_by)?;
        Some(Seen {
            key,
            delegate: self.delegate,
            kind,
            position,
            block: block.to_owned(),
        })
    }
}

/// Reads `/chains/main/blocks/BLOCK/header`.
///
/// # Errors
/// [`Unreadable`]
pub(super) fn read_header(body: &[u8]) -> Result<Header, Unreadable> {
    let raw: RawHeader = serde_json::from_slice(body)?;
    for hash in [&raw.hash, &raw.predecessor] {
        let plain = hash.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain || hash.is_empty() || hash.len() > HASH_CHARACTERS {
            return Err(Unreadable::Hash(hash.clone()));
        }
    }
    let round = round(&raw.fitness, raw.level)?;
    Ok(Header {
        hash: raw.hash,
        predecessor: raw.predecessor,
        chain: raw.chain_id,
        level: raw.level,
        at: raw.timestamp,
        round,
    })
}

/// Reads `/chains/main/blocks/BLOCK/metadata`: who signed the block at `position` with hash `block`, if it is
/// one of `ours`.
///
/// # Errors
/// [`Unreadable`]
pub(super) fn read_baker(
    body: &[u8],
    position: Position,
    block: &str,
    ours: &Ours,
) -> Result<Option<Seen>, Unreadable> {
    let raw: RawMetadata = serde_json::from_slice(body)?;
    let baker = Signer {
        delegate: raw.baker,
        consensus_key: raw.baker_consensus_key,
    };
    Ok(baker.seen(ConsensusKind::Block, position, block, ours))
}

/// Reads `/chains/main/blocks/BLOCK/operations/0`, the consensus operations of the block of `level` with hash
/// `block`. No block holds votes of a level above its own; one that is shown to is not read.
///
/// # Errors
/// [`Unreadable`]
pub(super) fn read_votes(
    body: &[u8],
    level: Level,
    block: &str,
    ours: &Ours,
) -> Result<Votes, Unreadable> {
    let operations: Vec<RawOperation> = serde_json::from_slice(body)?;
    let mut votes = Votes::default();
    for operation in operations {
        match operation.contents {
            Some(contents) => {
                for content in contents {
                    votes.add(content, level, block, ours);
                }
            }
            None => votes.miss(),
        }
    }
    Ok(votes)
}

/// Reads `/chains/main/blocks/BLOCK/context/delegates/DELEGATE/companion_key`: the one in use, if it is one
/// of `ours`.
///
/// # Errors
/// [`Unreadable`]
pub(super) fn read_companion(
    body: &[u8],
    ours: &Ours,
) -> Result<Option<PublicKeyHash>, Unreadable> {
    let raw: RawCompanion = serde_json::from_slice(body)?;
    Ok(raw.active.and_then(|key| ours.0.get(&key.pkh).copied()))
}

impl Votes {
    fn add(&mut self, content: Content, level: Level, block: &str, ours: &Ours) {
        let (kind, position, signers) = match content {
            Content::Attestation(vote) => vote.read(ConsensusKind::Attestation),
            Content::Preattestation(vote) => vote.read(ConsensusKind::Preattestation),
            Content::AttestationsAggregate(many) => many.read(ConsensusKind::Attestation),
            Content::PreattestationsAggregate(many) => many.read(ConsensusKind::Preattestation),
            Content::Unknown => return self.miss(),
        };
        if position.level > level {
            return self.miss();
        }
        match signers {
            Some(signers) => self.seen.extend(
                signers
                    .into_iter()
                    .filter_map(|signer| signer.seen(kind, position, block, ours)),
            ),
            None => self.miss(),
        }
    }

    fn miss(&mut self) {
        self.unread = self.unread.saturating_add(1);
    }
}

/// The round in a fitness: version, level, locked round, round of the predecessor, round; hex digits.
fn round(fitness: &[String], level: Level) -> Result<Option<Round>, Unreadable> {
    let [version, in_fitness, _locked, _predecessor, round] = fitness else {
        return Ok(None);
    };
    if version != TENDERBAKE {
        return Ok(None);
    }
    let number = |text: &str| {
        let plain = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| u32::from_str_radix(text, 16).ok()).flatten()
    };
    match (number(in_fitness), number(round)) {
        (Some(in_fitness), Some(round)) if in_fitness == level.get() => Ok(Some(clamped(round))),
        _ => Err(Unreadable::Fitness(fitness.to_vec())),
    }
}

#[cfg(test)]
mod tests;
