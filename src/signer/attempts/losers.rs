//! Attempts whose operation has its signature already.
//!
//! Their signatures are dropped unseen, never logged and never stored. That they came, and when, is kept:
//! a signer that is only slower than usual is learnt to be slow, one that stays silent is unwell.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::telemetry::Metrics;
use crate::telemetry::metrics::label;
use crate::tezos::Signature;

use super::super::cause::Cause;
use super::super::health::Observation;
use super::super::roster::Roster;
use super::exchange::Failure;
use super::foreign::Tripwire;
use super::running::Running;

/// What is left of an operation.
pub(super) struct Losers {
    pub(super) roster: Arc<Roster>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) running: JoinSet<(usize, Result<Signature, Failure>)>,
    pub(super) alive: BTreeMap<usize, Running>,
    pub(super) tripwire: Tripwire,
}

impl Losers {
    /// Watches them until each has ended or its signer's patience is over.
    pub(super) async fn watch(mut self, shutdown: CancellationToken) {
        loop {
            let Some(next) = self.alive.values().map(Running::patience_ends).min() else {
                return;
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                joined = self.running.join_next() => match joined {
                    Some(Ok((id, result))) => self.ended(id, &result),
                    Some(Err(_)) => {}
                    None => return,
                },
                () = tokio::time::sleep_until(next) => self.give_up_overdue(Instant::now()),
            }
        }
    }

    fn ended(&mut self, id: usize, result: &Result<Signature, Failure>) {
        let Some(running) = self.alive.remove(&id) else {
            return;
        };
        self.metrics.unreleased_signatures.inc();
        match result {
            Ok(_) => {
                // Its latency was taken in when it verified.
                self.roster
                    .observe(&running.signer, &running.path, Observation::Hit);
                self.roster.exonerated(&running.signer);
            }
            Err(failure) => {
                let name = running.signer.name();
                if let Some(sighting) = self.tripwire.sighting(name, failure, &self.metrics) {
                    self.tripwire.tell_late(sighting);
                }
                // A device that does not repeat itself refuses what it signed on another path: no ill-health.
                if !failure.blame.is_refusal() {
                    self.blame(&running);
                }
            }
        }
    }

    fn give_up_overdue(&mut self, now: Instant) {
        let overdue: Vec<usize> = self
            .alive
            .iter()
            .filter(|(_, running)| running.patience_ends() <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in overdue {
            if let Some(running) = self.alive.remove(&id) {
                self.metrics.unreleased_signatures.inc();
                self.blame(&running);
            }
        }
    }

    /// Ends all of them now: they had the whole deadline.
    pub(super) fn give_up(mut self) {
        self.running.abort_all();
        for running in std::mem::take(&mut self.alive).into_values() {
            self.metrics.unreleased_signatures.inc();
            self.blame(&running);
        }
    }

    fn blame(&self, running: &Running) {
        let labels = label::Attempt {
            signer: running.signer.name().to_owned(),
            class: "abandoned".to_owned(),
        };
        self.metrics.attempts.get_or_create(&labels).inc();
        let silent = Observation::Miss(Cause::Silent);
        self.roster.observe(&running.signer, &running.path, silent);
        self.roster
            .signing_failed(&running.signer, &running.path, Cause::Abandoned);
    }
}
