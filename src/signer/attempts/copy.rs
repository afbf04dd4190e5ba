//! Copied votes: how a signer that failed at signing shows that it signs again.
//!
//! When a vote has its signature, the very same permitted bytes also go to signers that are suspect because
//! signatures failed. A signature that comes back right readmits the signer; it is dropped unseen. Answers
//! to anything else prove nothing: a hung device answers them all. Blocks are never copied, and nothing is
//! copied that a signer could take for other bytes of ours.

use std::sync::Arc;

use tokio::time::Instant;

use crate::tezos::ConsensusKind;

use super::super::client::Gate;
use super::super::health::PathState;
use super::super::roster::{Path, Signer, Turn};
use super::operation::Operation;
use super::running::{Part, Start};

impl Operation<'_> {
    /// Sends the bytes to signers on trial; what comes of it is seen among the losers.
    pub(super) fn copy(&mut self) {
        let Some((slot, _)) = self.slot else { return };
        if !is_vote(slot.stream.kind) || self.attempts.lookout.may_be_ours(&slot) {
            return;
        }
        let now = Instant::now();
        if now >= self.deadline {
            return;
        }
        for signer in self.fit(self.attempts.roster.on_trial(self.key)) {
            let asked = self
                .alive
                .values()
                .any(|running| Arc::ptr_eq(&running.signer, &signer));
            // Who has just failed over these very bytes would hear nothing new.
            let asked = asked || self.tally.has_failed(&signer);
            if asked || self.winner == Some(signer.index()) || !signer.queue().is_idle() {
                continue;
            }
            let Some(path) = best_path(&signer) else {
                continue;
            };
            if !self.attempts.roster.trial_begins(&signer) {
                continue;
            }
            self.count(&signer, "copied");
            let start = Start {
                turn: Turn::at(signer.queue(), self.place, self.deadline),
                gate: Gate::until(self.deadline),
                part: Part::Copy,
                queued_until: None,
                path: Arc::clone(path),
                signer,
            };
            let usual = start.signer.usual_latency();
            self.spawn(start, now, usual);
        }
    }
}

/// The best path of a signer, if it may carry anything.
fn best_path(signer: &Signer) -> Option<&Arc<Path>> {
    let best = *signer.paths_in_order().first()?;
    (best.state() != PathState::Down && !best.is_barred()).then_some(best)
}

fn is_vote(kind: ConsensusKind) -> bool {
    match kind {
        ConsensusKind::Attestation
        | ConsensusKind::LegacyEndorsement
        | ConsensusKind::Preattestation => true,
        ConsensusKind::Block | ConsensusKind::LegacyBlock => false,
    }
}
