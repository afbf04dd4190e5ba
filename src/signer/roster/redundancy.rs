//! How many signers are left for each key: an event the moment that it is one or none, not when a baker asks.
//!
//! A signer is left for a key if it has shown the key and is well: a single missed probe does not count. One
//! that has not been met since the start may have any key. Keys that one signer only could ever serve are
//! not spoken of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::telemetry::metrics::label;
use crate::tezos::PublicKeyHash;

use super::super::health::SignerState;
use super::{Roster, Served, Signer};

/// So long after it came up a signer should have said whether it demands authentication.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of all keys.
#[derive(Debug, Default)]
pub(super) struct Redundancy(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Whether every signer has been heard or given up since the start; before, nothing is missing yet.
    is_settled: bool,
    /// Signers that have answered since the start.
    met: BTreeSet<usize>,
    keys: BTreeMap<PublicKeyHash, Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Signers that ever showed it.
    ever: BTreeSet<usize>,
    left: usize,
    /// Whether it was said that one or none is left.
    is_alarmed: bool,
}

impl Roster {
    /// Signers that are well and have shown `key`, in the order of the configuration.
    #[must_use]
    pub fn left_for(&self, key: PublicKeyHash) -> Vec<Arc<Signer>> {
        let is_left =
            |signer: &&Arc<Signer>| signer.is_well() && signer.serves(key) == Served::Proved;
        self.signers.iter().filter(is_left).cloned().collect()
    }

    /// Whether every signer has been heard or given up since the start.
    pub(super) fn is_settled(&self) -> bool {
        let state = &self.redundancy.0;
        state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_settled
    }

    /// Counts anew who is left for which key; says what has changed.
    pub(super) fn recount(&self) {
        let mut state = self
            .redundancy
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let State {
            is_settled,
            met,
            keys,
        } = &mut *state;
        for signer in &self.signers {
            if answers(signer) {
                met.insert(signer.index());
            }
            for key in signer.shown_keys() {
                keys.entry(key).or_default().ever.insert(signer.index());
            }
        }
        let was_settled = *is_settled;
        *is_settled = was_settled || self.signers.iter().all(is_heard);
        for (key, known) in keys {
            let left = self.left_for(*key);
            let before = std::mem::replace(&mut known.left, left.len());
            self.metrics
                .key_signers
                .get_or_create(&label::Key {
                    key: key.to_string(),
                })
                .set(i64::try_from(left.len()).unwrap_or(i64::MAX));
            let may_serve = |signer: &&Arc<Signer>| {
                known.ever.contains(&signer.index()) || !met.contains(&signer.index())
            };
            let all: Vec<_> = self.signers.iter().filter(may_serve).collect();
            let is_news = before != left.len() || !was_settled;
            if !*is_settled || all.len() < 2 || !is_news {
                continue;
            }
            known.is_alarmed = say(*key, &all, &left, known.is_alarmed);
        }
    }
}

/// Says who is left; true if that is an alarm.
fn say(key: PublicKeyHash, all: &[&Arc<Signer>], left: &[Arc<Signer>], was_alarmed: bool) -> bool {
    let is_missing = |signer: &&&Arc<Signer>| !left.iter().any(|other| Arc::ptr_eq(other, signer));
    let missing: Vec<_> = all.iter().filter(is_missing).collect();
    let names = missing
        .iter()
        .map(|signer| signer.name())
        .collect::<Vec<_>>();
    let causes = missing.iter().filter_map(|signer| {
        let (cause, _) = signer.cause()?;
        Some(format!("{} {cause}", signer.name()))
    });
    let (missing, cause) = (names.join(", "), causes.collect::<Vec<_>>().join("; "));
    match left {
        [] => tracing::error!(%key, missing, cause, "no signer left for key"),
        [left] => {
            tracing::warn!(%key, left = left.name(), missing, cause, "one signer left for key");
        }
        [_, _, ..] => {
            if was_alarmed {
                tracing::info!(%key, signers = left.len(), "key has several signers again");
            }
        }
    }
    left.len() < 2
}

fn answers(signer: &Signer) -> bool {
    matches!(signer.health(), SignerState::Up | SignerState::Suspect)
}

/// Whether there is nothing to wait for: it answers and has said whether it demands authentication, or has
/// not said so for long, or it does not answer.
fn is_heard(signer: &Arc<Signer>) -> bool {
    match signer.health() {
        SignerState::Unknown => false,
        SignerState::Up | SignerState::Suspect => {
            signer.has_spoken() || signer.good_for() >= PATIENCE
        }
        SignerState::Down | SignerState::Draining => true,
    }
}
