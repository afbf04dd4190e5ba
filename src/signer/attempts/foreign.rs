//! A signer that has signed other bytes for a slot that this store gave to ours: somebody else uses the key.
//!
//! Only the sentence that says so counts. A signer that is ahead ("below", "not above") or behind says
//! nothing of the kind: it may have been used before a move, or missed what another signer got.

use jiff::Timestamp;

use crate::guard::{Permit, Scope, Slot};
use crate::tezos::Position;

use super::super::cause::Cause;
use super::exchange::Failure;

/// A slot for which a signer says that it signed other bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{signer} has signed other bytes at {} of {}, which this proxy never sent: {words}",
    .slot.position, .slot.stream.kind)]
pub struct Sighting {
    /// The slot.
    pub slot: Slot,
    /// The signer.
    pub signer: String,
    /// What it said.
    pub words: String,
    /// When.
    pub at: Timestamp,
}

/// The slot whose refusals are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tripwire {
    slot: Option<Slot>,
}

impl Tripwire {
    pub(super) fn new(permit: &Permit) -> Self {
        let slot = match permit.scope() {
            // With a sibling the signer may hold against these bytes what we sent it ourselves.
            Scope::Slot(candidate) => (!permit.has_sibling()).then_some(candidate.slot),
            Scope::Unslotted { .. } => None,
        };
        Self { slot }
    }

    /// What a failed attempt shows, if it shows that somebody else signs.
    pub(super) fn sighting(self, signer: &str, failure: &Failure) -> Option<Sighting> {
        let slot = self.slot?;
        let Cause::Refuses(words) = &failure.cause else {
            return None;
        };
        let Position { level, round } = slot.position;
        names_other_bytes(words, level.get(), round.get()).then(|| Sighting {
            slot,
            signer: signer.to_owned(),
            words: words.clone(),
            at: crate::time::now(),
        })
    }
}

/// Whether `words` say of exactly this position that other bytes were signed: those of octez-signer
/// (`attestation level 5 and round 1 already signed with different data`, without the round for the
/// historic kinds) and of this program (`attestation level 5 round 1 of ... is claimed by other bytes`).
fn names_other_bytes(words: &str, level: u32, round: u32) -> bool {
    let words = words.to_ascii_lowercase();
    let octez = words.contains("already signed with different data");
    let ours = words.contains("is claimed by other bytes");
    if !octez && !ours {
        return false;
    }
    let number_after = |name: &str| {
        let (_, rest) = words.split_once(name)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    number_after("level ") == Some(level)
        && number_after("round ").is_none_or(|named| named == round)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sentence_about_other_bytes_at_this_very_position_counts() {
        for (words, counts) in [
            (
                "attestation level 5 and round 1 already signed with different data",
                true,
            ),
            ("Block level 5 already signed with different data", true),
            (
                "[watermark] attestation level 5 round 1 of tz1x is claimed by other bytes: asked 1, \
                 claimed 2 at 3",
                true,
            ),
            (
                "attestation level 5 and round 2 already signed with different data",
                false,
            ),
            (
                "attestation level 55 and round 1 already signed with different data",
                false,
            ),
            (
                "attestation level 6 and round 1 already signed with different data",
                false,
            ),
            ("already signed with different data", false),
            ("attestation level 5 below high watermark 7", false),
            (
                "attestation level 5 and round 1 not above high watermark (5,1)",
                false,
            ),
            ("attestation level 5 and round 1 already signed", false),
            ("watermark validation failed", false),
            ("", false),
        ] {
            assert_eq!(names_other_bytes(words, 5, 1), counts, "{words}");
        }
    }
}
