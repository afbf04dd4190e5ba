//! What one operation has tried so far, and what it may try next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::super::cause::Cause;
use super::super::client::FailureClass;
use super::super::health::PathState;
use super::super::roster::{Path, Signer};
use super::exchange::{Blame, Failure};

/// First pause before a path is tried again; doubles with each try.
const BACK_OFF: Duration = Duration::from_millis(100);
/// The longest pause.
const BACK_OFF_MOST: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Tries {
    count: u32,
    last: Instant,
    revivals: u64,
    /// Requests that may have reached the signer.
    forwarded: u32,
    /// Whether the signer answered the last one, though with a refusal.
    rejected: bool,
    /// Whether the last one showed that it is the signer that fails, whatever the path.
    spoilt: bool,
    cause: Cause,
    since: Timestamp,
    sentence: String,
}

/// What may be tried next.
#[derive(Debug)]
pub(super) enum Next {
    /// Everything is tried, busy or refused.
    Nothing,
    /// Only what failed a moment ago, not before then.
    NotBefore(Instant),
    /// This path of this signer.
    Ready(Arc<Signer>, Arc<Path>),
}

/// The tries of one operation.
#[derive(Debug, Default)]
pub(super) struct Tally {
    paths: BTreeMap<(usize, String), Tries>,
    refused: Vec<usize>,
    forwards: usize,
    forwards_to: BTreeMap<usize, usize>,
    unauthenticated: bool,
}

impl Tally {
    /// Whether a signer refused for want of authentication.
    pub(super) fn is_unauthenticated(&self) -> bool {
        self.unauthenticated
    }

    /// Requests that may have reached a signer.
    pub(super) fn forwards(&self) -> usize {
        self.forwards
    }

    /// Requests that may have reached this signer, by attempts that are over.
    pub(super) fn forwards_to(&self, signer: &Signer) -> usize {
        let forwards = self.forwards_to.get(&signer.index());
        forwards.copied().unwrap_or_default()
    }

    /// Counts requests that may have reached this signer.
    pub(super) fn sent(&mut self, signer: &Signer, times: usize) {
        self.forwards = self.forwards.saturating_add(times);
        let forwards = self.forwards_to.entry(signer.index()).or_default();
        *forwards = forwards.saturating_add(times);
    }

    /// Whether this signer was tried and failed.
    pub(super) fn has_failed(&self, signer: &Signer) -> bool {
        self.paths.keys().any(|(index, _)| *index == signer.index())
    }

    pub(super) fn is_refused(&self, signer: &Signer) -> bool {
        self.refused.contains(&signer.index())
    }

    /// What was seen, one sentence part for each path tried.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut sentences: Vec<_> = self
            .paths
            .values()
            .map(|tries| tries.sentence.clone())
            .collect();
        sentences.sort();
        sentences
    }

    pub(super) fn failed(&mut self, signer: &Signer, path: &Path, failure: Failure) {
        if reached(failure.class) {
            self.sent(signer, 1);
        }
        self.unauthenticated |= failure.blame == Blame::Unauthenticated;
        if failure.blame.is_refusal() {
            self.refused.push(signer.index());
        }
        let now = crate::time::now();
        // Health knows since when if it saw the same.
        let since = match path.health().trouble() {
            Some((cause, since)) if *cause == failure.cause => *since,
            Some(_) | None => now,
        };
        let tries = self
            .paths
            .entry((signer.index(), path.name().to_owned()))
            .or_insert(Tries {
                count: 0,
                last: Instant::now(),
                revivals: 0,
                forwarded: 0,
                rejected: false,
                spoilt: false,
                cause: failure.cause.clone(),
                since,
                sentence: String::new(),
            });
        if tries.cause != failure.cause {
            tries.since = since;
        }
        tries.since = tries.since.min(since);
        tries.count = tries.count.saturating_add(1);
        tries.last = Instant::now();
        tries.revivals = path.revivals();
        tries.forwarded = tries
            .forwarded
            .saturating_add(u32::from(reached(failure.class)));
        tries.rejected = failure.class == FailureClass::Rejected;
        tries.spoilt = failure.blame == Blame::Signer;
        tries.sentence = path.sentence(signer, &failure.cause, tries.since);
        tries.cause = failure.cause;
    }

    /// The next path to try: first those that take work, in order; then the rest, because the best of
    /// the bad is better than none. Of those that lost a request, the signer that lost the fewest.
    pub(super) fn next(
        &self,
        candidates: &[Arc<Signer>],
        busy: impl Fn(&Arc<Signer>, &Arc<Path>) -> bool,
        desperate: bool,
        budget: &Budget,
    ) -> Next {
        let mut up: Option<(usize, _)> = None;
        let mut down = None;
        let mut retry_at: Option<Instant> = None;
        for signer in candidates.iter().filter(|signer| !self.is_refused(signer)) {
            for path in signer.paths_in_order() {
                if busy(signer, path) || path.is_barred() {
                    continue;
                }
                let is_down = path.state() == PathState::Down;
                let Some(ready_at) = self.ready_at(signer, path, is_down, budget) else {
                    continue;
                };
                // One that is left alone is tried by the probe that waits on it.
                if is_down && (!desperate || path.is_left_alone()) {
                    continue;
                }
                if ready_at > budget.now {
                    retry_at = Some(retry_at.map_or(ready_at, |at| at.min(ready_at)));
                } else if !is_down {
                    let lost = if self.has_lost(signer, path) {
                        self.forwards_to(signer)
                    } else {
                        0
                    };
                    if up.as_ref().is_none_or(|(fewest, _)| lost < *fewest) {
                        up = Some((lost, (Arc::clone(signer), Arc::clone(path))));
                    }
                } else if down.is_none() {
                    down = Some((Arc::clone(signer), Arc::clone(path)));
                }
            }
        }
        match (up.map(|(_, ready)| ready).or(down), retry_at) {
            (Some((signer, path)), _) => Next::Ready(signer, path),
            (None, Some(at)) => Next::NotBefore(at),
            (None, None) => Next::Nothing,
        }
    }

    /// Whether a request over this path may have reached the signer.
    fn has_lost(&self, signer: &Signer, path: &Path) -> bool {
        let tries = self.paths.get(&(signer.index(), path.name().to_owned()));
        tries.is_some_and(|tries| tries.forwarded > 0)
    }

    /// When a path may be tried (again); `None` is not before it has come back.
    fn ready_at(
        &self,
        signer: &Signer,
        path: &Path,
        is_down: bool,
        budget: &Budget,
    ) -> Option<Instant> {
        let now = budget.now;
        // Another path is no cure for a signer that fails by itself.
        let of_signer = self
            .paths
            .iter()
            .filter(|((index, _), tries)| *index == signer.index() && tries.spoilt);
        let spoilt = of_signer.filter_map(|(_, tries)| tries.again_at(budget));
        let first = spoilt.max().unwrap_or(now).max(now);
        let Some(tries) = self.paths.get(&(signer.index(), path.name().to_owned())) else {
            return Some(first);
        };
        // A path that has come back since is as good as untried, once: one that answers probes and
        // swallows requests comes back with every probe.
        let came_back = path.revivals() != tries.revivals;
        if came_back && tries.forwarded <= 1 {
            return Some(now);
        }
        // The tries of a slot are few: none is spent on a path that swallowed one and is known to be down,
        // unless they all are.
        if is_down && tries.forwarded > 0 && !budget.panics {
            return None;
        }
        Some(tries.again_at(budget)?.max(first))
    }
}

impl Tries {
    /// When the pause after the last one is over.
    fn again_at(&self, budget: &Budget) -> Option<Instant> {
        let doubled = 1_u32
            .checked_shl(self.count.saturating_sub(1).min(16))
            .unwrap_or(u32::MAX);
        let back_off = BACK_OFF.saturating_mul(doubled).min(BACK_OFF_MOST);
        let pause = if self.forwarded > 0 {
            back_off.max(budget.share())
        } else if self.rejected {
            back_off.max(budget.share().min(BACK_OFF_MOST))
        } else {
            back_off
        };
        self.last.checked_add(pause)
    }
}

/// The tries that are left, and the time to spread them over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    now: Instant,
    deadline: Instant,
    left: usize,
    panics: bool,
}

impl Budget {
    pub(super) fn new(now: Instant, deadline: Instant, left: usize) -> Self {
        Self {
            now,
            deadline,
            left,
            panics: false,
        }
    }

    /// With every path down, those that swallowed a request are asked again as well.
    pub(super) fn panicking(self, panics: bool) -> Self {
        Self { panics, ..self }
    }

    /// An even share of the time that is left: the last try comes shortly before the deadline, not
    /// when the first trouble has eaten all.
    fn share(&self) -> Duration {
        let left = u32::try_from(self.left)
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let time = self.deadline.saturating_duration_since(self.now);
        time.checked_div(left).unwrap_or(time)
    }
}

/// Classes after which a signature may exist somewhere.
pub(super) fn reached(class: FailureClass) -> bool {
    match class {
        FailureClass::Malformed | FailureClass::MaybeSent => true,
        // A refusal is definite: nothing was signed.
        FailureClass::NotSent | FailureClass::Rejected => false,
    }
}
