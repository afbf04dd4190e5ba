//! One way to reach a signer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::settings::{Path as PathSettings, SignerUrl};
use crate::task::Tasks;
use crate::time::clock_text;

use super::super::cause::Cause;
use super::super::client::Client;
use super::super::flaps::Flaps;
use super::super::health::{Observation, PathHealth, PathState, Transition};
use super::super::outside::Outside;
use super::Signer;

/// How long a path that was down must have been up to go before a steady one; doubles with each time that it
/// was down within ten minutes.
const HOLD_DOWN: Duration = Duration::from_secs(5);
/// The longest time.
const HOLD_DOWN_MOST: Duration = Duration::from_mins(1);

/// How steady a path is.
#[derive(Debug)]
struct Steadiness {
    flaps: Flaps,
    /// Since when it is up; of no use if it is not.
    up_since: Instant,
}

/// When a path last answered, and last did not.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    answer: Option<Instant>,
    miss: Option<Instant>,
}

/// A path with its health and connections.
#[derive(Debug)]
pub struct Path {
    index: usize,
    settings: PathSettings,
    client: Client,
    health: Mutex<PathHealth>,
    round_trip: Mutex<Option<Duration>>,
    revivals: AtomicU64,
    seen: Mutex<Seen>,
    steadiness: Mutex<Steadiness>,
    /// Whether it is down and a probe went unanswered meanwhile.
    is_dead: AtomicBool,
    /// Whether it is left alone: see [`Path::begin_vigil`].
    is_left_alone: AtomicBool,
}

/// A time in which nobody connects over a path; ends when dropped.
#[derive(Debug)]
pub(in crate::signer) struct Vigil<'a>(&'a Path);

impl Drop for Vigil<'_> {
    fn drop(&mut self) {
        self.0.is_left_alone.store(false, Ordering::Release);
    }
}

impl Path {
    pub(super) fn new(
        index: usize,
        settings: PathSettings,
        tasks: &Tasks,
        outside: &Outside,
        now: Timestamp,
    ) -> Self {
        Self {
            index,
            client: Client::over(&settings, tasks.clone(), Arc::clone(&outside.connector)),
            settings,
            health: Mutex::new(PathHealth::new(now)),
            round_trip: Mutex::new(None),
            revivals: AtomicU64::new(0),
            seen: Mutex::default(),
            steadiness: Mutex::new(Steadiness {
                flaps: Flaps::new(HOLD_DOWN, HOLD_DOWN_MOST),
                up_since: Instant::now(),
            }),
            is_dead: AtomicBool::new(false),
            is_left_alone: AtomicBool::new(false),
        }
    }

    /// Begins a time in which nobody is to connect over it, because who connects keeps it as it is.
    pub(in crate::signer) fn begin_vigil(&self) -> Vigil<'_> {
        self.is_left_alone.store(true, Ordering::Release);
        Vigil(self)
    }

    /// Whether nobody is to connect over it now, however desperate; its end is watched for.
    pub(in crate::signer) fn is_left_alone(&self) -> bool {
        self.is_left_alone.load(Ordering::Acquire)
    }

    /// Its position among the paths of its signer.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its name: a label.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Where it leads.
    #[must_use]
    pub fn url(&self) -> &SignerUrl {
        &self.settings.url
    }

    /// Its connections.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> PathState {
        self.health().state()
    }

    /// A copy of its health.
    #[must_use]
    pub fn health(&self) -> PathHealth {
        self.health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How often it has come back from being down: a new number makes it worth another try.
    #[must_use]
    pub fn revivals(&self) -> u64 {
        self.revivals.load(Ordering::Acquire)
    }

    /// Whether it must not carry a request even when nothing else is left: it leads elsewhere.
    #[must_use]
    pub fn is_barred(&self) -> bool {
        self.health().leads_elsewhere()
    }

    /// Whether it missed something after `instant` and has answered since: what was under way at
    /// `instant` went down with its session.
    #[must_use]
    pub fn recovered_since(&self, instant: Instant) -> bool {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match (seen.miss, seen.answer) {
            (Some(miss), Some(answer)) => miss > instant && answer > miss,
            (None, _) | (_, None) => false,
        }
    }

    /// Whether anything was answered on it after `instant`.
    #[must_use]
    pub fn answered_since(&self, instant: Instant) -> bool {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.answer.is_some_and(|answer| answer > instant)
    }

    /// Whether it may go before others: it was never down, or has been up for long enough since.
    pub(super) fn is_proven(&self, now: Instant) -> bool {
        let steadiness = self
            .steadiness
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let up_for = now.saturating_duration_since(steadiness.up_since);
        up_for >= steadiness.flaps.hold_down(now)
    }

    /// Whether probes have found it dead: what was asked over it says nothing about its signer.
    pub(super) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Acquire)
    }

    /// Takes in that a probe went unanswered; true if the path is found dead by it.
    pub(super) fn probe_missed(&self) -> bool {
        let is_down = self.state() == PathState::Down;
        self.is_dead.store(is_down, Ordering::Release);
        is_down
    }

    /// Notes a probe without an answer, whether or not it counts against the path.
    pub fn note_miss(&self) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .miss = Some(Instant::now());
    }

    /// Smoothed round trip of probes.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        *self
            .round_trip
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a probe's round trip into the smoothed one: with weight 1/8, or 1/2 if it is longer, so that a
    /// path that has become far is not ejected for it.
    pub fn add_round_trip(&self, sample: Duration) {
        let mut smoothed = self
            .round_trip
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *smoothed = Some(match *smoothed {
            Some(old) => {
                let (kept, parts) = if sample > old { (1, 2) } else { (7, 8) };
                let weighted = old.saturating_mul(kept).saturating_add(sample);
                weighted.checked_div(parts).unwrap_or(sample)
            }
            None => sample,
        });
    }

    pub(super) fn observe(&self, observation: Observation, now: Timestamp) -> Option<Transition> {
        match &observation {
            Observation::Hit => {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.answer = Some(Instant::now());
            }
            Observation::Miss(_) | Observation::Eject(_) => self.note_miss(),
        }
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let transition = health.observe(observation, now)?;
        drop(health);
        let mut steadiness = self
            .steadiness
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match transition.to {
            PathState::Down => {
                steadiness.flaps.out(Instant::now());
                self.client.forget_idle();
            }
            PathState::Up => steadiness.up_since = Instant::now(),
            PathState::Suspect | PathState::Unknown => {}
        }
        drop(steadiness);
        if transition.from == PathState::Down {
            self.is_dead.store(false, Ordering::Release);
            self.revivals.fetch_add(1, Ordering::AcqRel);
        }
        Some(transition)
    }

    /// `home-a (http://127.0.0.1:8443) connection refused since 05:23:58`
    #[must_use]
    pub fn explain(&self, signer: &Signer) -> String {
        let health = self.health();
        if let Some((cause, since)) = health.trouble() {
            return self.sentence(signer, cause, *since);
        }
        let (state, since) = (health.state().name(), clock_text(health.entered()));
        format!(
            "{} ({}) is {state} since {since}",
            signer.name(),
            self.url()
        )
    }

    /// A cause in the words of an error to the baker.
    #[must_use]
    pub fn sentence(&self, signer: &Signer, cause: &Cause, since: Timestamp) -> String {
        format!(
            "{} ({}) {cause} since {}",
            signer.name(),
            self.url(),
            clock_text(since)
        )
    }
}
