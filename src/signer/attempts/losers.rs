//! Attempts whose operation has its signature already.
//!
//! Their signatures are dropped unseen, never logged and never stored. That they came, and when, is kept:
//! a signer that is only slower than usual is learnt to be slow, one that stays silent is unwell. While it
//! may still work on one, its turn at the device is not free.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::telemetry::Metrics;
use crate::telemetry::metrics::label;
use crate::tezos::{PublicKeyHash, Signature};

use super::super::board::Reader;
use super::super::cause::Cause;
use super::super::health::Observation;
use super::super::roster::Roster;
use super::ended::blame;
use super::exchange::Failure;
use super::foreign::Tripwire;
use super::known::Known;
use super::running::{Part, Running, leave_dead_paths};
use super::tally::reached;

/// A signature that comes later than this after its signer's patience is not waited for.
const LOSER_MOST: Duration = Duration::from_secs(30);

/// What is left of an operation.
pub(super) struct Losers {
    pub(super) board: Reader,
    pub(super) roster: Arc<Roster>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) key: PublicKeyHash,
    pub(super) running: JoinSet<(usize, Result<Signature, Failure>)>,
    pub(super) alive: BTreeMap<usize, Running>,
    pub(super) known: Known,
    /// Who gave the signature.
    pub(super) winner: Option<usize>,
    pub(super) tripwire: Tripwire,
}

impl Losers {
    /// Watches them until each has ended or nothing is expected of it any more.
    pub(super) async fn watch(mut self, shutdown: CancellationToken) {
        loop {
            // Nothing more is sent with their turns.
            leave_dead_paths(&self.alive);
            let Some(next) = self.alive.values().map(next_look).min() else {
                return;
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                joined = self.running.join_next() => match joined {
                    Some(Ok((id, result))) => self.ended(id, result),
                    Some(Err(_)) => {}
                    None => return,
                },
                () = self.board.changed() => self.withdraw_drained(),
                () = tokio::time::sleep_until(next) => self.give_up_overdue(Instant::now()),
            }
        }
    }

    fn ended(&mut self, id: usize, result: Result<Signature, Failure>) {
        let Some(running) = self.alive.remove(&id) else {
            return;
        };
        match result {
            Ok(_) => {
                // Its latency was taken in when it verified.
                self.count(&running, "late");
                self.metrics.unreleased_signatures.inc();
                self.roster
                    .observe(&running.signer, &running.path, Observation::Hit);
                self.roster.exonerated(&running.signer);
            }
            Err(failure) => {
                let failure = self.known.judge(&running, &self.alive, failure);
                self.count(&running, failure.class.name());
                if reached(failure.class) {
                    self.metrics.unreleased_signatures.inc();
                } else {
                    running.turn.was_refused(&running.gate);
                }
                let name = running.signer.name();
                if let Some(sighting) = self.tripwire.sighting(name, &failure, &self.metrics) {
                    self.tripwire.tell_late(sighting);
                }
                if running.abandoned.is_some() {
                    // It was blamed when nobody waited for it any more.
                } else if running.part == Part::Copy {
                    self.end_trial(&running);
                } else {
                    blame(&self.roster, self.key, &running, &failure);
                }
            }
        }
    }

    /// Blames those whose signers have lost our patience, and ends those that nobody waits for.
    fn give_up_overdue(&mut self, now: Instant) {
        let overdue: Vec<usize> = self
            .alive
            .iter()
            .filter(|(_, running)| next_look(running) <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in overdue {
            let Some(mut running) = self.alive.remove(&id) else {
                continue;
            };
            let first = running.abandoned.is_none();
            if first {
                running.abandoned = Some(now);
                self.abandon(&running);
            }
            // A connection that others need is not kept for it.
            if first && !running.path.client().saturated() {
                running.turn.abandon();
                self.alive.insert(id, running);
            } else {
                if running.gate.is_sent() {
                    self.metrics.unreleased_signatures.inc();
                }
                running.cut();
            }
        }
    }

    /// Takes in that the signer was silent for too long.
    fn abandon(&self, running: &Running) {
        self.count(running, "abandoned");
        if running.part == Part::Copy {
            self.end_trial(running);
            return;
        }
        // Of a signer that fails at signing this is nothing new of the path, which has probes of its own.
        if !running.signer.is_blamed() {
            let silent = Observation::Miss(Cause::Silent);
            self.roster.observe(&running.signer, &running.path, silent);
        }
        // If it signed over another path, it was the path.
        if self.winner != Some(running.signer.index()) {
            self.roster
                .signing_failed(&running.signer, &running.path, Cause::Abandoned);
        }
    }

    /// A copy that waits still is not for a signer that was drained meanwhile.
    fn withdraw_drained(&mut self) {
        let withdrawn: Vec<_> = self
            .alive
            .extract_if(.., |_, running| {
                running.signer.draining().is_some() && running.withdraw()
            })
            .collect();
        for (_, running) in withdrawn {
            self.end_trial(&running);
        }
    }

    /// A copy has not brought a signature. Nothing more is held against its signer or its path.
    fn end_trial(&self, running: &Running) {
        if running.gate.is_sent() {
            self.roster.trial_failed(&running.signer);
        } else {
            self.roster.trial_not_made(&running.signer);
        }
    }

    fn count(&self, running: &Running, class: &str) {
        let labels = label::Attempt {
            signer: running.signer.name().to_owned(),
            class: class.to_owned(),
        };
        self.metrics.attempts.get_or_create(&labels).inc();
    }
}

/// When something is to be done about it.
fn next_look(running: &Running) -> Instant {
    match running.abandoned {
        None => running.patience_ends(),
        Some(at) => at.checked_add(LOSER_MOST).unwrap_or(at),
    }
}
