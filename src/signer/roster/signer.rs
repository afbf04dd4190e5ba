//! One device: its paths, queue, latency and state.

mod judged;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
use super::super::selection::Served;
use super::Path;
use super::blame::Blame;
use super::deep::DeepView;
use super::standing::Standing;
use super::trial::Trials;
use super::under_way::{InFlight, UnderWay, patience, young};

/// A signer.
#[derive(Debug)]
pub struct Signer {
    index: usize,
    settings: SignerSettings,
    paths: Vec<Arc<Path>>,
    queue: Arc<DeviceQueue>,
    latency: Mutex<Latency>,
    served: Mutex<HashMap<PublicKeyHash, Served>>,
    under_way: Arc<UnderWay>,
    standing: Mutex<Standing>,
    draining: Mutex<Option<Timestamp>>,
    blame: Mutex<Blame>,
    trials: Mutex<Trials>,
    last_signed: Mutex<Option<Timestamp>>,
    /// Health and wellness as they were last counted.
    counted: Mutex<Option<(SignerState, bool)>>,
    knows_version_2_only: AtomicBool,
    new_demand: AtomicBool,
    has_spoken: AtomicBool,
    demands: AtomicBool,
    deep: Mutex<Option<DeepView>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
            Instant::now,
        ));
        Self {
            index,
            settings,
            paths,
            queue,
            latency: Mutex::default(),
            served: Mutex::default(),
            under_way: Arc::default(),
            standing: Mutex::new(Standing::new(Instant::now(), now)),
            draining: Mutex::new(None),
            blame: Mutex::default(),
            trials: Mutex::default(),
            last_signed: Mutex::default(),
            counted: Mutex::default(),
            knows_version_2_only: AtomicBool::new(false),
            new_demand: AtomicBool::new(false),
            has_spoken: AtomicBool::new(false),
            demands: AtomicBool::new(false),
            deep: Mutex::default(),
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

    /// Its paths in the order in which they are to be used: the best state first, then those that have been
    /// good for long enough, in the order of the configuration.
    #[must_use]
    pub fn paths_in_order(&self) -> Vec<&Arc<Path>> {
        let now = Instant::now();
        let mut paths: Vec<_> = self.paths.iter().collect();
        paths.sort_by_cached_key(|path| (path.state(), !path.is_proven(now)));
        paths
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> SignerState {
        lock(&self.standing).shown()
    }

    /// What its paths and its signatures say, whether or not it is drained.
    pub(in crate::signer) fn health(&self) -> SignerState {
        lock(&self.standing).health()
    }

    /// How long it has been up.
    pub(super) fn good_for(&self) -> Duration {
        lock(&self.standing).good_for(Instant::now())
    }

    /// Whether it could sign now, as far as is known: it answers, has signed when it was asked last, has said
    /// whether it demands authentication, and is not drained. A single missed probe makes no difference.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.has_spoken() && self.draining().is_none() && !self.is_blamed() && self.has_good_path()
    }

    /// Whether a path is up, or has just missed once.
    fn has_good_path(&self) -> bool {
        let good = |path: &Arc<Path>| {
            let health = path.health();
            health.state() == PathState::Up || health.has_missed_once()
        };
        self.paths.iter().any(good)
    }

    /// When it last gave a signature that verified, since the start.
    #[must_use]
    pub fn last_signed(&self) -> Option<Timestamp> {
        *lock(&self.last_signed)
    }

    /// When its state began.
    #[must_use]
    pub fn entered(&self) -> Timestamp {
        lock(&self.standing).since()
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

    /// The keys that it has shown.
    #[must_use]
    pub fn shown_keys(&self) -> Vec<PublicKeyHash> {
        let served = lock(&self.served);
        let shown = served.iter().filter(|(_, it)| **it == Served::Proved);
        shown.map(|(key, _)| *key).collect()
    }

    /// Whether signatures are under way and none takes much longer than usual: then a missed probe may only
    /// mean a busy device.
    #[must_use]
    pub fn is_signing(&self) -> bool {
        self.under_way.are_young(self.usual_latency())
    }

    /// Whether a signature that had not taken much longer than usual ended after `instant`.
    #[must_use]
    pub fn signed_since(&self, instant: Instant) -> bool {
        self.under_way.ended_since(instant)
    }

    /// How many signatures are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.count()
    }

    /// How long a signature may take before it excuses nothing any more.
    #[must_use]
    pub fn excuse(&self) -> Duration {
        young(self.usual_latency())
    }

    /// How long a signature may take before its silence means something.
    #[must_use]
    pub fn patience(&self) -> Duration {
        patience(self.usual_latency())
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
            let words = match self.under_way() {
                0 => "drained by the operator".to_owned(),
                1 => {
                    "drained by the operator, takes no new round; 1 signature under way".to_owned()
                }
                more => format!(
                    "drained by the operator, takes no new round; {more} signatures under way"
                ),
            };
            return Some((words, since));
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

    pub(in crate::signer) fn begin_signing(&self) -> InFlight {
        self.under_way.begin(self.usual_latency())
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

    /// Holds a signature that failed over `path` against it.
    pub(super) fn blame(&self, path: &Path, cause: Cause) {
        lock(&self.blame).add(path.index(), cause, crate::time::now());
    }

    /// A signature came: see [`Blame::forgive`].
    pub(super) fn forgive(&self) {
        lock(&self.blame).forgive();
        *self.trials() = Trials::default();
        *lock(&self.last_signed) = Some(crate::time::now());
    }

    /// See [`Blame::forgive_silence`].
    pub(super) fn forgive_silence(&self, path: &Path) {
        lock(&self.blame).forgive_silence(path.index());
    }

    /// Trials that failed since its last signature.
    #[cfg(test)]
    pub(in crate::signer) fn failed_trials(&self) -> u32 {
        self.trials().failed
    }

    pub(super) fn trials(&self) -> MutexGuard<'_, Trials> {
        lock(&self.trials)
    }

    /// What deep probes show of it, if there are any.
    #[must_use]
    pub fn deep_view(&self) -> Option<DeepView> {
        self.deep().clone()
    }

    pub(super) fn deep(&self) -> MutexGuard<'_, Option<DeepView>> {
        lock(&self.deep)
    }

    /// Whether it failed at signing and has not signed since.
    pub(in crate::signer) fn is_blamed(&self) -> bool {
        lock(&self.blame).stands()
    }
}
