//! A signer that has signed other bytes for a slot that this store gave to ours: somebody else uses the key.
//!
//! Whether a mark of the signer can be of our own making is asked of the [`Lookout`] when the signer speaks, not when
//! the slot was claimed: the slot that it confuses with this one may have been claimed since.
//!
//! Only the sentence that says so counts. A signer that is ahead ("below", "not above") or behind says
//! nothing of the kind: it may have been used before a move, or missed what another signer got.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::guard::{Permit, Scope, Slot};
use crate::telemetry::Metrics;
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

/// Who knows what was signed through this proxy, and is told what others signed.
pub trait Lookout: fmt::Debug + Send + Sync {
    /// Whether a signer's mark at `slot` may come from other bytes that this proxy sent itself.
    fn may_be_ours(&self, slot: &Slot) -> bool;
    /// A signer said it when its operation had a signature already. Keeps it before it returns; waits for nothing.
    fn seen_late(&self, sighting: Sighting);
}

/// The slot whose refusals are looked at.
#[derive(Clone, Debug)]
pub(super) struct Tripwire {
    slot: Option<Slot>,
    lookout: Arc<dyn Lookout>,
}

impl Tripwire {
    pub(super) fn new(permit: &Permit, lookout: Arc<dyn Lookout>) -> Self {
        let slot = match permit.scope() {
            Scope::Slot(candidate) => Some(candidate.slot),
            Scope::Unslotted { .. } => None,
        };
        Self { slot, lookout }
    }

    /// What a failed attempt shows, if it shows that somebody else signs; that is counted.
    pub(super) fn sighting(
        &self,
        signer: &str,
        failure: &Failure,
        metrics: &Metrics,
    ) -> Option<Sighting> {
        let slot = self.slot?;
        let Cause::Refuses(words) = &failure.cause else {
            return None;
        };
        let Position { level, round } = slot.position;
        if !names_other_bytes(words, level.get(), round.get()) || self.lookout.may_be_ours(&slot) {
            return None;
        }
        metrics.foreign_signatures.inc();
        Some(Sighting {
            slot,
            signer: signer.to_owned(),
            words: words.clone(),
            at: crate::time::now(),
        })
    }

    /// Tells what was seen after the operation had its signature.
    pub(super) fn tell_late(&self, sighting: Sighting) {
        self.lookout.seen_late(sighting);
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
