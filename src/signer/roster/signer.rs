//! One device: its paths, queue, latency and state.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::settings::{Repeat, Signer as SignerSettings};
use crate::task::Tasks;
use crate::tezos::PublicKeyHash;

use super::super::cause::Cause;
use super::super::health::{PathHealth, PathState, SignerState};
use super::super::latency::{COLD, COLD_DEVICE, Latency};
use super::super::outside::Outside;
use super::super::queue::DeviceQueue;
use super::super::selection::{HOLD_DOWN, Served, View};
use super::Path;
use super::blame::Blame;

/// A signature under way excuses missed probes at least this long.
const LEAST_EXCUSE: Duration = Duration::from_millis(300);
/// A signature is given at least this long before a silent signer counts as unwell.
const LEAST_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Current {
    state: SignerState,
    entered: Instant,
    /// When that was, for people.
    since: Timestamp,
    was_down: bool,
}

/// A signer.
#[derive(Debug)]
pub struct Signer {
    index: usize,
    settings: SignerSettings,
    paths: Vec<Arc<Path>>,
    queue: Arc<DeviceQueue>,
    latency: Mutex<Latency>,
    served: Mutex<HashMap<PublicKeyHash, Served>>,
    /// When each signature under way began.
    in_flight: Mutex<Vec<Instant>>,
    current: Mutex<Current>,
    draining: Mutex<Option<Timestamp>>,
    blame: Mutex<Blame>,
    knows_version_2_only: AtomicBool,
    new_demand: AtomicBool,
    has_spoken: AtomicBool,
    demands: AtomicBool,
}

/// A signature under way at a signer; ends when dropped.
#[derive(Debug)]
pub(in crate::signer) struct InFlight {
    signer: Arc<Signer>,
    begun: Instant,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut in_flight = lock(&self.signer.in_flight);
        if let Some(index) = in_flight.iter().position(|begun| *begun == self.begun) {
            in_flight.swap_remove(index);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Signer {
    pub(super) fn new(
        index: usize,
        settings: SignerSettings,
        tasks: &Tasks,
        outside: &Outside,
        now: Timestamp,
    ) -> Self {
        let paths = settings
            .paths
            .iter()
            .enumerate()
            .map(|(index, path)| Arc::new(Path::new(index, path.clone(), tasks, outside, now)))
            .collect();
        let queue = Arc::new(DeviceQueue::new(
            settings.capacity,
            settings.shared_watermark,
        ));
        let current = Current {
            state: SignerState::Unknown,
            entered: Instant::now(),
            since: now,
            was_down: false,
        };
        Self {
            index,
            settings,
            paths,
            queue,
            latency: Mutex::default(),
            served: Mutex::default(),
            in_flight: Mutex::default(),
            current: Mutex::new(current),
            draining: Mutex::new(None),
            blame: Mutex::default(),
            knows_version_2_only: AtomicBool::new(false),
            new_demand: AtomicBool::new(false),
            has_spoken: AtomicBool::new(false),
            demands: AtomicBool::new(false),
        }
    }

    /// Its position in the configuration.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its name: a label.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &SignerSettings {
        &self.settings
    }

    /// Its paths in the order of the configuration.
    #[must_use]
    pub fn paths(&self) -> &[Arc<Path>] {
        &self.paths
    }

    /// Its paths in the order in which they are to be used: the best state first.
    #[must_use]
    pub fn paths_in_order(&self) -> Vec<&Arc<Path>> {
        let mut paths: Vec<_> = self.paths.iter().collect();
        paths.sort_by_key(|path| path.state());
        paths
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> SignerState {
        lock(&self.current).state
    }

    /// When its state began.
    #[must_use]
    pub fn entered(&self) -> Timestamp {
        lock(&self.current).since
    }

    /// Since when it is drained.
    #[must_use]
    pub fn draining(&self) -> Option<Timestamp> {
        *lock(&self.draining)
    }

    /// Whether it has shown `key`.
    #[must_use]
    pub fn serves(&self, key: PublicKeyHash) -> Served {
        lock(&self.served)
            .get(&key)
            .copied()
            .unwrap_or(Served::Unknown)
    }

    /// Whether signatures are under way and none takes much longer than usual: then a missed probe may only
    /// mean a busy device.
    #[must_use]
    pub fn is_signing(&self) -> bool {
        let usual = self.usual_latency();
        let half_more = usual
            .checked_div(2)
            .map_or(usual, |half| usual.saturating_add(half));
        let young = half_more.max(LEAST_EXCUSE);
        let in_flight = lock(&self.in_flight);
        !in_flight.is_empty() && in_flight.iter().all(|begun| begun.elapsed() < young)
    }

    /// How long a signature may take before its silence means something.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.usual_latency().saturating_mul(3).max(LEAST_PATIENCE)
    }

    /// The usual time of a signature: its 95th percentile, at least 50 ms; before the first 400 ms, or
    /// 1.5 s for a device that refuses repeats or has one watermark.
    #[must_use]
    pub fn usual_latency(&self) -> Duration {
        let device = self.settings.shared_watermark || self.settings.repeat == Repeat::Refuse;
        lock(&self.latency).usual(if device { COLD_DEVICE } else { COLD })
    }

    /// What is wrong, in words, and since when.
    #[must_use]
    pub fn cause(&self) -> Option<(String, Timestamp)> {
        if let Some(since) = self.draining() {
            return Some(("drained by the operator".to_owned(), since));
        }
        if let Some((cause, last)) = lock(&self.blame).cause() {
            return Some((cause.to_string(), last));
        }
        let best = self
            .paths
            .iter()
            .map(|path| path.health())
            .min_by_key(PathHealth::state)?;
        best.trouble()
            .map(|(cause, since)| (cause.to_string(), *since))
    }

    /// Whether it answered 400 to signature version 3: then it gets version 2, which means the same.
    #[must_use]
    pub fn knows_version_2_only(&self) -> bool {
        self.knows_version_2_only.load(Ordering::Acquire)
    }

    /// Whether it has ever said if it demands authentication. Until then it gets no sign request: an
    /// unauthenticated one could move a floor that the signer protects.
    #[must_use]
    pub fn has_spoken(&self) -> bool {
        self.has_spoken.load(Ordering::Acquire)
    }

    /// Whether it demands authentication, as far as it has said.
    #[must_use]
    pub fn demands(&self) -> bool {
        self.demands.load(Ordering::Acquire)
    }

    /// Notes what it said; true if that is news.
    pub(super) fn set_spoken(&self, demands: bool) -> bool {
        let changed = self.demands.swap(demands, Ordering::AcqRel) != demands;
        !self.has_spoken.swap(true, Ordering::AcqRel) || changed
    }

    /// Denials of keys count for one life of the signer: it may come back with others.
    pub(super) fn forget_denials(&self) {
        lock(&self.served).retain(|_, served| *served != Served::Denied);
    }

    /// Whether it has refused for want of authentication since this was last asked.
    #[must_use]
    pub fn take_demand(&self) -> bool {
        self.new_demand.swap(false, Ordering::AcqRel)
    }

    pub(in crate::signer) fn note_demand(&self) {
        self.demands.store(true, Ordering::Release);
        self.new_demand.store(true, Ordering::Release);
    }

    /// True if that is news.
    pub(in crate::signer) fn learn_version_2_only(&self) -> bool {
        !self.knows_version_2_only.swap(true, Ordering::AcqRel)
    }

    pub(in crate::signer) fn queue(&self) -> &Arc<DeviceQueue> {
        &self.queue
    }

    pub(in crate::signer) fn begin_signing(self: &Arc<Self>) -> InFlight {
        let begun = Instant::now();
        lock(&self.in_flight).push(begun);
        InFlight {
            signer: Arc::clone(self),
            begun,
        }
    }

    pub(in crate::signer) fn add_latency(&self, sample: Duration) {
        lock(&self.latency).add(sample);
    }

    pub(super) fn set_served(&self, key: PublicKeyHash, served: Served) -> bool {
        lock(&self.served).insert(key, served) != Some(served)
    }

    pub(super) fn set_draining(&self, since: Option<Timestamp>) {
        *lock(&self.draining) = since;
    }

    /// See [`Blame::add`].
    pub(super) fn blame(&self, path: &Path, cause: Cause) -> bool {
        let (at, now) = (Instant::now(), crate::time::now());
        lock(&self.blame).add(path.index(), cause, at, now)
    }

    /// See [`Blame::forgive`].
    pub(super) fn forgive(&self) -> bool {
        lock(&self.blame).forgive()
    }

    /// See [`Blame::forgive_silence`].
    pub(super) fn forgive_silence(&self) {
        lock(&self.blame).forgive_silence();
    }

    pub(super) fn is_blamed(&self, now: Instant) -> bool {
        lock(&self.blame).stands(now, HOLD_DOWN)
    }

    /// Computes the state anew; gives (from, to, when the old one began) if it changed.
    pub(super) fn refresh(&self, now: Timestamp) -> Option<(SignerState, SignerState, Timestamp)> {
        let at = Instant::now();
        let best = self
            .paths
            .iter()
            .map(|path| path.state())
            .min()
            .unwrap_or(PathState::Down);
        let state = match best {
            _ if self.draining().is_some() => SignerState::Draining,
            PathState::Up | PathState::Suspect if self.is_blamed(at) => SignerState::Suspect,
            PathState::Up => SignerState::Up,
            PathState::Suspect => SignerState::Suspect,
            PathState::Unknown => SignerState::Unknown,
            PathState::Down => SignerState::Down,
        };
        let mut current = lock(&self.current);
        if current.state == state {
            return None;
        }
        let from = std::mem::replace(&mut current.state, state);
        let since_before = std::mem::replace(&mut current.since, now);
        current.entered = at;
        current.was_down |= state == SignerState::Down;
        Some((from, state, since_before))
    }

    pub(super) fn view(&self, key: PublicKeyHash, now: Instant) -> View {
        // Blame ends by time; the state is computed anew where it is used.
        let current = lock(&self.current);
        let was_blamed = current.state == SignerState::Suspect && self.any_path_up();
        let state = if was_blamed && !self.is_blamed(now) {
            SignerState::Up
        } else {
            current.state
        };
        View {
            index: self.index,
            priority: self.settings.priority,
            state,
            entered: current.entered,
            was_down: current.was_down,
            served: self.serves(key),
        }
    }

    fn any_path_up(&self) -> bool {
        self.paths.iter().any(|path| path.state() == PathState::Up)
    }
}
