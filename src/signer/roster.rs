//! All signers with their states: the one place where observations become state, log events and metrics.
//!
//! Whoever waits for a change of state subscribes to the board; it is told after the state is in place.

mod blame;
mod deep;
mod events;
mod path;
mod redundancy;
mod signer;
mod standing;
mod trial;
mod turn;
mod under_way;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::settings::Signer as SignerSettings;
use crate::task::Tasks;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::label;
use crate::tezos::{Position, PublicKeyHash};

use super::board::{Board, Reader};
use super::cause::Cause;
use super::chance::Chance;
use super::health::{Observation, PathState, SignerState};
use super::outside::Outside;
use super::selection::{self, HOLD_DOWN, Timing};

pub use super::selection::Served;
use redundancy::Redundancy;

pub use deep::DeepView;
pub use path::Path;
pub use signer::Signer;
pub(in crate::signer) use trial::leave_out_denials;
pub(in crate::signer) use turn::Turn;

/// A drain command that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no signer {name:?}; the signers are {known}")]
pub struct DrainError {
    name: String,
    known: String,
}

/// The signer that signs for a key.
#[derive(Clone, Copy, Debug)]
struct Active {
    signer: usize,
    last: Option<Position>,
    /// Since when it is this signer.
    since: Instant,
}

/// All signers. Shared by all requests and probes.
#[derive(Debug)]
pub struct Roster {
    signers: Vec<Arc<Signer>>,
    active: Mutex<HashMap<PublicKeyHash, Active>>,
    board: Board,
    redundancy: Redundancy,
    metrics: Arc<Metrics>,
    chance: Arc<dyn Chance>,
}

impl Roster {
    /// All signers of the configuration, unknown as yet.
    #[must_use]
    pub fn new(settings: &[SignerSettings], tasks: &Tasks, metrics: Arc<Metrics>) -> Self {
        Self::over(settings, tasks, metrics, &Outside::system())
    }

    /// The same over another world than this machine.
    pub(in crate::signer) fn over(
        settings: &[SignerSettings],
        tasks: &Tasks,
        metrics: Arc<Metrics>,
        outside: &Outside,
    ) -> Self {
        let now = crate::time::now();
        let signers: Vec<_> = settings
            .iter()
            .enumerate()
            .map(|(index, settings)| Signer::new(index, settings.clone(), tasks, outside, now))
            .map(Arc::new)
            .collect();
        let roster = Self {
            signers,
            active: Mutex::default(),
            board: Board::default(),
            redundancy: Redundancy::default(),
            metrics,
            chance: Arc::clone(&outside.chance),
        };
        for signer in &roster.signers {
            roster.show_up(signer);
            for path in signer.paths() {
                roster.path_gauge(signer, path).set(0);
            }
        }
        roster
    }

    /// The signers in the order of the configuration.
    #[must_use]
    pub fn signers(&self) -> &[Arc<Signer>] {
        &self.signers
    }

    /// The randomness of this world.
    pub(in crate::signer) fn chance(&self) -> &dyn Chance {
        &*self.chance
    }

    /// Told after every change of state.
    #[must_use]
    pub fn board(&self) -> Reader {
        self.board.reader()
    }

    /// Whether nothing takes work that could take the place of `signer`: nothing at all, or nothing for a
    /// key that it has shown.
    #[must_use]
    pub fn is_urgent(&self, signer: &Signer) -> bool {
        let works = |signer: &Signer| {
            let is_up =
                |path: &Arc<Path>| matches!(path.state(), PathState::Up | PathState::Suspect);
            signer.paths().iter().any(is_up)
        };
        if works(signer) {
            return false;
        }
        let working: Vec<_> = self.signers.iter().filter(|signer| works(signer)).collect();
        let lacks_all = |key: &PublicKeyHash| {
            let serves = |signer: &&Arc<Signer>| signer.serves(*key) == Served::Proved;
            !working.iter().any(serves)
        };
        working.is_empty() || signer.shown_keys().iter().any(lacks_all)
    }

    /// All paths with their signers.
    pub fn paths(&self) -> impl Iterator<Item = (&Arc<Signer>, &Arc<Path>)> {
        self.signers
            .iter()
            .flat_map(|signer| signer.paths().iter().map(move |path| (signer, path)))
    }

    /// Takes in what was seen on a path; logs and counts a change of state.
    pub fn observe(&self, signer: &Signer, path: &Path, observation: Observation) {
        let now = crate::time::now();
        let Some(transition) = path.observe(observation, now) else {
            return;
        };
        events::path_changed(signer, path, &transition, now);
        if transition.from == PathState::Down {
            signer.forget_denials();
        }
        let up = matches!(transition.to, PathState::Up | PathState::Suspect);
        self.path_gauge(signer, path).set(i64::from(up));
        if matches!(transition.from, PathState::Down | PathState::Unknown) {
            signer.gather();
        }
        self.refresh(signer);
        self.tell();
    }

    /// Takes in what a probe saw. One that goes unanswered on a path that is down shows that the path is dead:
    /// it was the path that swallowed what its signer was asked, and not the signer.
    pub fn probed(&self, signer: &Signer, path: &Path, observation: Observation) {
        let missed = matches!(observation, Observation::Miss(_));
        self.observe(signer, path, observation);
        if missed && path.probe_missed() {
            signer.forgive_silence(path);
            self.refresh(signer);
        }
    }

    /// Takes in that a signer showed a key, or denied it.
    pub fn served(&self, signer: &Signer, key: PublicKeyHash, served: Served) {
        if signer.set_served(key, served) {
            tracing::debug!(signer = %signer.name(), %key, ?served, "key seen at signer");
            self.recount();
            self.tell();
        }
    }

    /// Takes in that a signer has said, now or in an earlier run, whether it demands authentication.
    pub fn spoken(&self, signer: &Signer, demands: bool) {
        if signer.set_spoken(demands) {
            signer.gather();
            self.recount();
            self.tell();
        }
    }

    /// Takes in that a signature of `signer` for `key` was verified.
    pub fn signed(&self, signer: &Signer, key: PublicKeyHash, position: Option<Position>) {
        self.served(signer, key, Served::Proved);
        signer.forgive();
        self.refresh(signer);
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let same = active
            .get(&key)
            .filter(|before| before.signer == signer.index());
        let now = Active {
            signer: signer.index(),
            last: position,
            since: same.map_or_else(Instant::now, |same| same.since),
        };
        let before = active
            .insert(key, now)
            .filter(|before| before.signer != signer.index());
        drop(active);
        if let Some(before) = before {
            self.metrics.failovers.inc();
            let from = self
                .signers
                .get(before.signer)
                .map_or("", |signer| signer.name());
            tracing::info!(%key, from, to = %signer.name(), "active signer changed");
        }
    }

    /// Takes in that a signature came after all, too late for its operation.
    pub fn exonerated(&self, signer: &Signer) {
        signer.forgive();
        if self.refresh(signer) {
            self.tell();
        }
    }

    /// Takes in that the signer did not sign though asked over `path`: it failed, or was silent beyond its
    /// patience. Its other answers do not make up for it, nor does time; only a signature does. Silence on a
    /// path that probes have found dead is the path's.
    pub fn signing_failed(&self, signer: &Signer, path: &Path, cause: Cause) {
        signer.blame(path, cause);
        if path.is_dead() {
            signer.forgive_silence(path);
        }
        if self.refresh(signer) {
            self.tell();
        }
    }

    /// The signer that signed last for `key`.
    #[must_use]
    pub fn active(&self, key: PublicKeyHash) -> Option<&Arc<Signer>> {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let index = active.get(&key)?.signer;
        drop(active);
        self.signers.get(index)
    }

    /// Signers to ask for `key`, best first; see [`selection::order`].
    #[must_use]
    pub fn candidates(&self, key: PublicKeyHash, position: Option<Position>) -> Vec<Arc<Signer>> {
        let now = Instant::now();
        let views: Vec<_> = self
            .signers
            .iter()
            .map(|signer| signer.view(key, now))
            .collect();
        let active = self
            .active
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .copied();
        let timing = match active.and_then(|active| active.last) {
            Some(last) if Some(last) == position => Timing::WithinRound,
            Some(_) | None if active.is_some_and(|active| took_over_lately(active, now)) => {
                Timing::TooSoon
            }
            Some(_) | None => Timing::BetweenRounds,
        };
        selection::order(&views, active.map(|active| active.signer), timing)
            .into_iter()
            .filter_map(|index| self.signers.get(index).cloned())
            .filter(|signer| signer.has_spoken())
            .collect()
    }

    /// Takes a signer out of selection, or back in; lasts until said otherwise.
    ///
    /// # Errors
    /// [`DrainError`] for an unknown name.
    pub fn set_draining(&self, name: &str, since: Option<Timestamp>) -> Result<(), DrainError> {
        let signer = self
            .signers
            .iter()
            .find(|signer| signer.name() == name)
            .ok_or_else(|| {
                let known: Vec<_> = self.signers.iter().map(|signer| signer.name()).collect();
                DrainError {
                    name: name.to_owned(),
                    known: known.join(", "),
                }
            })?;
        signer.set_draining(since);
        signer.gather();
        self.refresh(signer);
        self.tell();
        Ok(())
    }

    /// One sentence part for each path that could serve `key`: what is wrong with it, since when.
    #[must_use]
    pub fn explain(&self, key: Option<PublicKeyHash>) -> Vec<String> {
        let mut parts = Vec::new();
        for signer in &self.signers {
            if let Some(since) = signer.draining() {
                let since = crate::time::clock_text(since);
                parts.push(format!("{} is drained since {since}", signer.name()));
            } else if key.is_some_and(|key| signer.serves(key) == Served::Denied) {
                parts.push(format!("{} does not have this key", signer.name()));
            } else if !signer.has_spoken() && signer.state() == SignerState::Up {
                let name = signer.name();
                parts.push(format!(
                    "{name} has not answered /authorized_keys, so nothing is asked of it"
                ));
            } else {
                parts.extend(signer.paths().iter().map(|path| path.explain(signer)));
            }
        }
        parts
    }

    /// Computes the state of a signer anew; true if it changed.
    fn refresh(&self, signer: &Signer) -> bool {
        let now = crate::time::now();
        let change = signer.refresh(now);
        self.show_up(signer);
        if let Some(change) = &change {
            events::signer_changed(signer, change, now);
            let labels = label::StateChange {
                signer: signer.name().to_owned(),
                to: change.to.name().to_owned(),
            };
            self.metrics.state_changes.get_or_create(&labels).inc();
        }
        // Every signature comes by here, and hardly any changes who is left for a key.
        if signer.counts_otherwise() || !self.is_settled() {
            self.recount();
        }
        change.is_some()
    }

    fn show_up(&self, signer: &Signer) {
        let labels = label::Signer {
            signer: signer.name().to_owned(),
        };
        // One that failed at signing takes no work while others do.
        let answers = matches!(signer.state(), SignerState::Up | SignerState::Suspect);
        let up = answers && !signer.is_blamed();
        self.metrics
            .signer_up
            .get_or_create(&labels)
            .set(i64::from(up));
    }

    fn path_gauge(&self, signer: &Signer, path: &Path) -> prometheus_client::metrics::gauge::Gauge {
        let labels = label::Path {
            signer: signer.name().to_owned(),
            path: path.name().to_owned(),
        };
        self.metrics.path_up.get_or_create(&labels).clone()
    }

    fn tell(&self) {
        self.board.tell();
    }
}

fn took_over_lately(active: Active, now: Instant) -> bool {
    now.saturating_duration_since(active.since) < HOLD_DOWN
}

#[cfg(test)]
mod tests;
