//! A trace, sorted by requests and by what was sent for them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::tezos::Digest;

use super::super::trace::{End, Entry, Event, Outcome, Reason, Slot, Work};

/// A request of a baker.
#[derive(Clone, Debug)]
pub(in crate::signer::simulation) struct Ask {
    pub(super) at: Duration,
    pub(super) slot: Slot,
    pub(super) digest: Digest,
    pub(super) deadline: Duration,
    pub(super) reason: Reason,
    pub(super) deterministic: bool,
    pub(super) hung_up: bool,
    pub(super) answered: Option<(Duration, Outcome)>,
}

/// One request over one path.
#[derive(Clone, Debug)]
pub(in crate::signer::simulation) struct Job {
    pub(super) left: Duration,
    pub(super) signer: usize,
    pub(super) path: usize,
    pub(super) slot: Slot,
    pub(super) digest: Digest,
    pub(super) arrived: Option<Duration>,
    pub(super) worked: Option<(Duration, Work)>,
    pub(super) ended: Option<(Duration, End)>,
}

impl Job {
    /// Whether the proxy waits for its answer at `at`.
    pub(super) fn is_open(&self, at: Duration) -> bool {
        self.left <= at && self.ended.is_none_or(|(ended, _)| ended > at)
    }

    /// Whether a definite refusal had come back by `at`.
    pub(super) fn was_refused(&self, at: Duration) -> bool {
        matches!(self.ended, Some((ended, End::Refused)) if ended <= at)
    }
}

/// Everything that happened to requests.
#[derive(Debug, Default)]
pub(in crate::signer::simulation) struct History {
    pub(super) asks: Vec<Ask>,
    /// In the order in which they left.
    pub(super) jobs: Vec<Job>,
    /// What was found broken on the way.
    pub(super) broken: Vec<String>,
}

impl History {
    pub(super) fn of(entries: &[Entry]) -> Self {
        let (mut history, mut asks) = (Self::default(), BTreeMap::new());
        let mut jobs = BTreeMap::new();
        for Entry { at, event } in entries {
            history.add(*at, event, &mut asks, &mut jobs);
        }
        history
    }

    fn add(
        &mut self,
        at: Duration,
        event: &Event,
        asks: &mut BTreeMap<usize, usize>,
        jobs: &mut BTreeMap<usize, usize>,
    ) {
        match event {
            Event::Asked {
                ask,
                slot,
                digest,
                deadline,
                reason,
                deterministic,
            } => {
                asks.insert(*ask, self.asks.len());
                self.asks.push(Ask {
                    at,
                    slot: *slot,
                    digest: *digest,
                    deadline: *deadline,
                    reason: *reason,
                    deterministic: *deterministic,
                    hung_up: false,
                    answered: None,
                });
            }
            Event::HungUp { ask } => self.asks[asks[ask]].hung_up = true,
            Event::Answered { ask, outcome } => {
                self.asks[asks[ask]].answered = Some((at, *outcome));
            }
            Event::Left {
                job,
                signer,
                path,
                slot,
                digest,
            } => {
                jobs.insert(*job, self.jobs.len());
                self.jobs.push(Job {
                    left: at,
                    signer: *signer,
                    path: *path,
                    slot: *slot,
                    digest: *digest,
                    arrived: None,
                    worked: None,
                    ended: None,
                });
            }
            Event::Arrived { job } => self.jobs[jobs[job]].arrived = Some(at),
            Event::Worked { job, work } => self.jobs[jobs[job]].worked = Some((at, *work)),
            Event::Ended { job, end } => self.jobs[jobs[job]].ended = Some((at, *end)),
            Event::Broken(what) => {
                let seconds = at.as_secs_f64();
                self.broken.push(format!("{seconds:.3} {what}"));
            }
            Event::Path { .. } | Event::Signer { .. } | Event::Fault { .. } => {}
        }
    }

    /// The requests for exactly these bytes that were made by `at`.
    pub(super) fn asks_for(&self, digest: Digest, at: Duration) -> impl Iterator<Item = &Ask> {
        let is_it = move |ask: &&Ask| ask.digest == digest && ask.at <= at;
        self.asks.iter().filter(is_it)
    }

    /// When the first right signature over these bytes came back.
    pub(super) fn signed_at(&self, digest: Digest) -> Option<Duration> {
        let jobs = self.jobs.iter().filter(|job| job.digest == digest);
        let ends = jobs.filter_map(|job| job.ended);
        let signed = ends.filter(|(_, end)| *end == End::Signed);
        signed.map(|(at, _)| at).min()
    }
}
