//! Signatory's `watermark_v2/<chain>.json`: `{key: {kind: {level, round, hash}}}`.
//!
//! Signatory writes a mark before it signs. Its block marks carry the round of the *payload* and not that of the
//! block, which is higher when a payload is proposed again; so a block mark here bars its whole level.

use crate::guard::Account;
use crate::tezos::{ChainId, ConsensusKind, Position};

use super::reader::{Place, ReadError, key, shown};
use super::source::Merged;

/// First bytes of the text form of a payload hash, `vh...`.
const HASH_PREFIX: [u8; 3] = [0x01, 0x6a, 0xf2];
/// Bytes of prefix, hash and checksum.
const HASH_LEN: usize = 39;
/// Characters of the text form.
const HASH_TEXT_LEN: usize = 52;

/// The chain whose watermarks a file of this name holds.
pub(super) fn chain_of(name: &str) -> Option<ChainId> {
    name.strip_suffix(".json")?.parse().ok()
}

/// Signatory's name of a kind of request. Versions differ, and a file carries the names of all that wrote it;
/// votes with and without data availability were kept apart, which for the chain are one and the same.
fn kind(name: &str) -> Option<ConsensusKind> {
    match name {
        "attestation" | "attestation_with_dal" | "endorsement" => Some(ConsensusKind::Attestation),
        "block" => Some(ConsensusKind::Block),
        "preattestation" | "preendorsement" => Some(ConsensusKind::Preattestation),
        _ => None,
    }
}

/// Reads one file.
pub(super) fn read(name: &str, root: &Place<'_>, merged: &mut Merged) -> Result<(), ReadError> {
    let chain = chain_of(name)
        .ok_or_else(|| root.error(format!("{} does not name a chain", shown(name))))?;
    for (key_text, place) in root.entries()? {
        let key = key(&place, key_text)?;
        for (kind_text, place) in place.entries()? {
            let kind = kind(kind_text).ok_or_else(|| {
                place.error(format!(
                    "{} is not a kind that Signatory is known to write; known are attestation, \
                     attestation_with_dal, block, endorsement, preattestation and preendorsement",
                    shown(kind_text)
                ))
            })?;
            let position = mark(kind, place)?;
            merged.note(Account { chain, key }, kind, position);
        }
    }
    Ok(())
}

fn mark(kind: ConsensusKind, place: Place<'_>) -> Result<Position, ReadError> {
    let fields = place.object(&["level", "round", "hash"])?;
    let level = fields.required("level")?.level()?;
    let round = fields.required("round")?.round()?;
    if let Some(hash) = fields.required("hash")?.nullable() {
        let text = hash.text()?;
        if !is_payload_hash(text) {
            return Err(hash.error(format!("{} is not a hash of the form vh...", shown(text))));
        }
    }
    Ok(if kind == ConsensusKind::Block {
        Position::end_of_level(level)
    } else {
        Position::new(level, round)
    })
}

/// Whether `text` has the form of a payload hash. The length comes first: decoding takes quadratic time.
fn is_payload_hash(text: &str) -> bool {
    text.len() == HASH_TEXT_LEN
        && bs58::decode(text)
            .into_vec()
            .is_ok_and(|bytes| bytes.len() == HASH_LEN && bytes.starts_with(&HASH_PREFIX))
}

#[cfg(test)]
mod tests;
