//! octez-signer's `*_high_watermarks`: `{chain: {key: {level, round?, hash, signature?}}}`, a file for each kind.
//!
//! octez-signer writes a mark after it has signed, so the last signature before a crash may be missing here.
//! That is one more reason why such a source never counts as sealed.

use crate::guard::Account;
use crate::tezos::{ConsensusKind, Position, Signature};

use super::reader::{Place, ReadError, chain, key, shown};
use super::source::Merged;

/// Hexadecimal digits of a BLAKE2b-256 digest.
const HASH_DIGITS: usize = 64;

/// The kinds that a file of this name stands for.
///
/// One file holds blocks of all protocols. Up to version 22 attestations of today's protocol and endorsements
/// of the old one shared `endorsement_high_watermarks`; from then on it holds the latter only. The file does not
/// tell which, so it counts for both.
fn kinds(name: &str) -> Option<&'static [ConsensusKind]> {
    match name {
        "attestation_high_watermarks" => Some(&[ConsensusKind::Attestation]),
        "block_high_watermarks" => Some(&[ConsensusKind::Block, ConsensusKind::LegacyBlock]),
        "endorsement_high_watermarks" => {
            Some(&[ConsensusKind::Attestation, ConsensusKind::LegacyEndorsement])
        }
        "preattestation_high_watermarks" | "preendorsement_high_watermarks" => {
            Some(&[ConsensusKind::Preattestation])
        }
        _ => None,
    }
}

/// Reads one file.
pub(super) fn read(name: &str, root: &Place<'_>, merged: &mut Merged) -> Result<(), ReadError> {
    let kinds = kinds(name).ok_or_else(|| {
        root.error(format!(
            "{} is not a file that octez-signer is known to write; known are attestation_high_watermarks, \
             block_high_watermarks, endorsement_high_watermarks, preattestation_high_watermarks and \
             preendorsement_high_watermarks",
            shown(name)
        ))
    })?;
    for (chain_text, place) in root.entries()? {
        let chain = chain(&place, chain_text)?;
        for (key_text, place) in place.entries()? {
            let key = key(&place, key_text)?;
            let position = mark(place)?;
            for kind in kinds {
                merged.note(Account { chain, key }, *kind, position);
            }
        }
    }
    Ok(())
}

fn mark(place: Place<'_>) -> Result<Position, ReadError> {
    let fields = place.object(&["level", "round", "hash", "signature"])?;
    let level = fields.required("level")?.level()?;
    let hash = fields.required("hash")?;
    let digits = hash.text()?;
    if digits.len() != HASH_DIGITS || hex::decode(digits).is_err() {
        return Err(hash.error(format!(
            "{} is not a hash of {HASH_DIGITS} hexadecimal digits",
            shown(digits)
        )));
    }
    if let Some(signature) = fields.optional("signature") {
        // Shown to nobody: it may be one that never left the signer.
        Signature::parse(signature.text()?).map_err(|error| signature.error(error.to_string()))?;
    }
    Ok(match fields.optional("round") {
        Some(round) => Position::new(level, round.round()?),
        // The old protocols had no rounds that counted: the whole level is used up.
        None => Position::end_of_level(level),
    })
}

#[cfg(test)]
mod tests;
