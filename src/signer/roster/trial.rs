//! Signers that failed at signing: who is still worth waiting for, and who may show that it signs again.
//!
//! Only a signature readmits them. While others sign, a copy of a permitted vote is their trial: one at a
//! time, and less often the longer they fail.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::tezos::PublicKeyHash;

use super::super::health::{PathState, SignerState};
use super::{Path, Roster, Served, Signer};

/// The pause after the first trial that failed; doubles with each.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MOST: Duration = Duration::from_secs(30);
/// A trial that nobody has ended after this long is over.
const LOST: Duration = Duration::from_mins(1);

/// The trials of one signer: pure.
#[derive(Debug, Default)]
pub(super) struct Trials {
    pub(super) failed: u32,
    not_before: Option<Instant>,
}

impl Trials {
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|not_before| not_before <= now)
    }

    /// True if it is due: then it is under way, and no other is due before it has ended.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let is_due = self.is_due(now);
        if is_due {
            self.not_before = now.checked_add(LOST);
        }
        is_due
    }

    pub(super) fn failed(&mut self, now: Instant) {
        self.pause(now);
        self.failed = self.failed.saturating_add(1);
    }

    /// The one that was under way never reached the signer: it says nothing, and the next comes as soon.
    pub(super) fn not_made(&mut self, now: Instant) {
        self.pause(now);
    }

    fn pause(&mut self, now: Instant) {
        let times = 1_u32.checked_shl(self.failed).unwrap_or(u32::MAX);
        let pause = PAUSE.saturating_mul(times).min(PAUSE_MOST);
        self.not_before = now.checked_add(pause);
    }
}

/// Who said that it lacks `key` is asked for it only if everybody said so.
pub(in crate::signer) fn leave_out_denials(key: PublicKeyHash, all: &mut Vec<Arc<Signer>>) {
    let has_it = |signer: &Arc<Signer>| signer.serves(key) != Served::Denied;
    if all.iter().any(has_it) {
        all.retain(has_it);
    }
}

impl Roster {
    /// Signers that may come to sign for `key`, in no order: while one of them has not refused, a request is
    /// worth its wait.
    #[must_use]
    pub fn could_serve(&self, key: PublicKeyHash) -> Vec<Arc<Signer>> {
        let may_come = |signer: &&Arc<Signer>| {
            signer.draining().is_none() && !signer.paths().iter().all(|path| path.is_barred())
        };
        let mut all: Vec<_> = self.signers.iter().filter(may_come).cloned().collect();
        leave_out_denials(key, &mut all);
        all
    }

    /// Signers that are suspect because they failed at signing, though they showed `key` and a path to them
    /// answers, and whose next trial is due; in the order of the configuration. Whether their device is free
    /// and whether they demand authentication is for the caller to see.
    #[must_use]
    pub fn on_trial(&self, key: PublicKeyHash) -> Vec<Arc<Signer>> {
        let now = Instant::now();
        let answers = |path: &Arc<Path>| matches!(path.state(), PathState::Up | PathState::Suspect);
        self.signers
            .iter()
            .filter(|signer| signer.state() == SignerState::Suspect && signer.is_blamed())
            .filter(|signer| signer.serves(key) == Served::Proved && signer.has_spoken())
            .filter(|signer| signer.paths().iter().any(answers))
            .filter(|signer| signer.trials().is_due(now))
            .cloned()
            .collect()
    }

    /// Begins a trial of a signer that is [`Roster::on_trial`]; false if another was begun meanwhile. It ends
    /// with [`Roster::exonerated`], [`Roster::trial_failed`] or [`Roster::trial_not_made`].
    #[must_use]
    pub fn trial_begins(&self, signer: &Signer) -> bool {
        signer.trials().begin(Instant::now())
    }

    /// Takes in that a signer on trial did not sign: the next trial comes later. Nothing more is held against
    /// it or its path.
    pub fn trial_failed(&self, signer: &Signer) {
        signer.trials().failed(Instant::now());
        tracing::debug!(signer = signer.name(), "trial failed");
    }

    /// Takes in that a trial came to nothing before it reached the signer.
    pub fn trial_not_made(&self, signer: &Signer) {
        signer.trials().not_made(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_come_one_at_a_time_and_less_often_the_longer_they_fail() {
        let (mut trials, mut now) = (Trials::default(), Instant::now());
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            assert!(trials.begin(now));
            assert!(!trials.begin(now));
            trials.failed(now);
            let due = now.checked_add(Duration::from_secs(pause)).unwrap();
            let before = due.checked_sub(Duration::from_millis(1)).unwrap();
            assert!(!trials.is_due(before), "{pause}");
            now = due;
        }
        // One that never reached the signer makes the next no rarer.
        for _ in 0..5 {
            let mut trials = Trials::default();
            assert!(trials.begin(now));
            trials.not_made(now);
            now = now.checked_add(PAUSE).unwrap();
            assert!(trials.is_due(now));
        }
        assert!(trials.begin(now));
        // Nobody said how it ended.
        let lost = now.checked_add(LOST).unwrap();
        assert!(trials.begin(lost));
    }
}
