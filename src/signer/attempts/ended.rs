//! What the end of an attempt means for its operation, its path and its signer.

use std::sync::Arc;

use tokio::time::Instant;

use crate::tezos::{PublicKeyHash, Signature};

use super::super::cause::Cause;
use super::super::client::FailureClass;
use super::super::health::Observation;
use super::super::roster::{Roster, Served, Signer};
use super::Signed;
use super::exchange::{Blame, Failure};
use super::operation::Operation;
use super::running::{Part, Running};
use super::tally::reached;
use super::timing;

impl Operation<'_> {
    /// Takes the end of an attempt in; `Some` when it gave the signature.
    pub(super) fn take_in(
        &mut self,
        id: usize,
        result: Result<Signature, Failure>,
    ) -> Option<Signed> {
        let running = self.alive.remove(&id)?;
        let result = result.map_err(|failure| self.known.judge(&running, &self.alive, failure));
        let class = match &result {
            Ok(_) => "signed",
            Err(failure) => failure.class.name(),
        };
        self.count(&running.signer, class);
        if let Err(failure) = &result
            && !reached(failure.class)
        {
            running.turn.was_refused(&running.gate);
            running.gate.refund();
        }
        self.leave_device(&running);
        match result {
            Ok(signature) => {
                self.signed(&running);
                Some(Signed {
                    signature,
                    signer: running.signer.name().to_owned(),
                })
            }
            Err(failure) => {
                self.failed(&running, failure);
                None
            }
        }
    }

    /// Gives the turn at the device back if no other attempt uses it.
    pub(super) fn leave_device(&mut self, running: &Running) {
        let uses_it = |other: &Running| Arc::ptr_eq(&other.signer, &running.signer);
        if !self.alive.values().any(uses_it) {
            self.turns.remove(&running.signer.index());
            running.turn.free();
        }
    }

    /// The device has answered for these bytes, so it is done with them, although what they were sent with over
    /// another path may be silent for ever. The signer is asked no more, so nothing else is to leave either.
    fn free_device(&mut self, signer: &Arc<Signer>) {
        self.alive
            .retain(|_, running| !(Arc::ptr_eq(&running.signer, signer) && running.close()));
        if let Some(turn) = self.turns.remove(&signer.index()) {
            turn.free();
        }
    }

    fn signed(&mut self, running: &Running) {
        let roster = &self.attempts.roster;
        roster.observe(&running.signer, &running.path, Observation::Hit);
        // One that is usually too slow to be left alone is no busy one.
        let is_slower = |other: &Running| {
            other.begun < running.begun
                && !Arc::ptr_eq(&other.signer, &running.signer)
                && other.is_well()
                && other.signer.usual_latency() < timing::DELAY_MOST
        };
        let takes_over = match running.part {
            Part::Attempt => !self.alive.values().any(is_slower),
            Part::Spill | Part::Copy => false,
        };
        if takes_over {
            roster.signed(&running.signer, self.key, self.position);
        } else {
            // The one that was asked first is merely busy or slow, so it stays that.
            roster.served(&running.signer, self.key, Served::Proved);
            roster.exonerated(&running.signer);
        }
        self.winner = Some(running.signer.index());
    }

    fn failed(&mut self, running: &Running, failure: Failure) {
        tracing::debug!(
            signer = running.signer.name(), path = running.path.name(),
            cause = %failure.cause, "attempt failed"
        );
        let index = running.signer.index();
        if reached(failure.class) {
            self.known.note(index);
            // One of them is counted with the failure itself.
            let again = usize::from(running.gate.sends()).saturating_sub(1);
            self.tally.sent(&running.signer, again);
        }
        let metrics = &self.attempts.metrics;
        if failure.class == FailureClass::MaybeSent {
            metrics.unreleased_signatures.inc();
        }
        if failure.cause == Cause::Full {
            self.full.insert(index);
        } else {
            self.full.remove(&index);
        }
        let name = running.signer.name();
        self.foreign = self.tripwire.sighting(name, &failure, metrics);
        if failure.class == FailureClass::Rejected && failure.blame == Blame::Refusal {
            self.free_device(&running.signer);
        }
        // The next one need not wait for the delay of one that is over.
        self.next_start = Instant::now();
        blame(&self.attempts.roster, self.key, running, &failure);
        self.tally.failed(&running.signer, &running.path, failure);
    }
}

/// Tells what a failure says of path and signer.
pub(super) fn blame(roster: &Roster, key: PublicKeyHash, running: &Running, failure: &Failure) {
    let Running { signer, path, .. } = running;
    let cause = failure.cause.clone();
    match failure.blame {
        Blame::Nobody | Blame::Refusal => {}
        Blame::Path => {
            // Of a signer that fails at signing this is nothing new of the path, which has probes of its own.
            if !(signer.is_blamed() && failure.class == FailureClass::MaybeSent) {
                roster.observe(signer, path, Observation::Miss(cause.clone()));
            }
            // Its other answers may be well: then it is the signing that fails.
            if failure.class == FailureClass::MaybeSent {
                roster.signing_failed(signer, path, cause);
            }
        }
        Blame::Signer => roster.signing_failed(signer, path, cause),
        Blame::Unauthenticated => signer.note_demand(),
        Blame::UnknownKey => roster.served(signer, key, Served::Denied),
    }
}
