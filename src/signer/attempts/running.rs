//! An attempt under way, and when its silence means something.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::settings::Repeat;
use crate::telemetry::Metrics;

use super::super::client::Gate;
use super::super::health::PathState;
use super::super::health::SignerState;
use super::super::roster::{Path, Signer, Turn};
use super::timing;

/// No attempt is overdue before this; in general before twice its delay.
const OVERDUE: Duration = Duration::from_millis(500);
/// Nor lost before this; in general before four times its delay.
const LOST: Duration = Duration::from_secs(2);

/// What an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It is to give the signature.
    Attempt,
    /// The same, at a signer that is asked because the first is merely busy.
    Spill,
    /// It shows whether the signer signs again; the signature is there already.
    Copy,
}

/// An attempt that has not ended.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) signer: Arc<Signer>,
    pub(super) path: Arc<Path>,
    pub(super) gate: Gate,
    pub(super) turn: Turn,
    pub(super) part: Part,
    task: AbortHandle,
    pub(super) begun: Instant,
    /// How long it is left alone, its place in the queue included.
    delay: Duration,
    /// When it is expected to be answered, if it has to wait for its turn.
    pub(super) queued_until: Option<Instant>,
    /// How long it is left alone once it has its turn.
    alone: Duration,
    /// When the signer's patience was over, if it was.
    pub(super) abandoned: Option<Instant>,
    path_at_start: PathState,
    signer_at_start: SignerState,
    revivals_at_start: u64,
}

/// What an attempt is made with.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) signer: Arc<Signer>,
    pub(super) path: Arc<Path>,
    pub(super) gate: Gate,
    pub(super) turn: Turn,
    pub(super) part: Part,
    pub(super) queued_until: Option<Instant>,
}

impl Running {
    /// An attempt that begins now in `task`; its answer is expected within `delay`.
    pub(super) fn new(start: Start, task: AbortHandle, now: Instant, delay: Duration) -> Self {
        Self {
            path_at_start: start.path.state(),
            signer_at_start: start.signer.health(),
            revivals_at_start: start.path.revivals(),
            alone: timing::delay(start.signer.usual_latency(), Duration::ZERO),
            signer: start.signer,
            path: start.path,
            gate: start.gate,
            turn: start.turn,
            part: start.part,
            task,
            begun: now,
            delay,
            queued_until: start.queued_until,
            abandoned: None,
        }
    }

    /// Ends it, if nothing of it has left; true if so.
    pub(super) fn withdraw(&self) -> bool {
        let withdrawn = self.gate.withdraw();
        if withdrawn {
            self.task.abort();
        }
        withdrawn
    }

    /// Lets nothing more leave; true if nothing ever did, and then it ends.
    pub(super) fn close(&self) -> bool {
        let never_left = self.gate.close();
        if never_left {
            self.task.abort();
        }
        never_left
    }

    /// Ends it whatever has left.
    pub(super) fn cut(&self) {
        self.task.abort();
    }

    /// Whether it waits for a turn behind others that would come after `deadline`.
    pub(super) fn waits_beyond(&self, deadline: Instant) -> bool {
        self.turn.is_awaited() && self.queued_until.is_some_and(|until| until > deadline)
    }

    /// When the signer's silence means something.
    pub(super) fn patience_ends(&self) -> Instant {
        self.after(self.signer.patience())
    }

    /// From then on a path that missed something and answered since shows that it was swallowed.
    pub(super) fn overdue(&self) -> Instant {
        self.after(self.expected().saturating_mul(2).max(OVERDUE))
    }

    /// From then on a path that merely answers others shows it.
    fn lost(&self) -> Instant {
        self.after(self.expected().saturating_mul(4).max(LOST))
    }

    /// How long it is to take from [`Self::after`] on.
    fn expected(&self) -> Duration {
        if self.turn.is_awaited() {
            self.delay
        } else {
            self.alone
        }
    }

    /// So long after it had its turn, because waiting in a queue is no silence; after it began if it has none yet.
    fn after(&self, length: Duration) -> Instant {
        let from = self.turn.came_at().unwrap_or(self.begun).max(self.begun);
        from.checked_add(length).unwrap_or(from)
    }

    /// When it has been left alone for long enough; nothing while it waits for its turn.
    pub(super) fn alone_until(&self) -> Option<Instant> {
        (!self.turn.is_awaited()).then(|| self.after(self.alone))
    }

    /// Whether its path went down since it began; one that was down then was chosen all the same.
    pub(super) fn path_has_died(&self) -> bool {
        self.path.state() == PathState::Down && self.path_at_start != PathState::Down
    }

    /// Whether nothing will be heard of it although its signer can be reached: its path is down, another is not.
    fn is_cut_off(&self) -> bool {
        let is_down = |path: &Arc<Path>| path.state() == PathState::Down;
        self.gate.is_sent() && is_down(&self.path) && !self.signer.paths().iter().all(is_down)
    }

    /// Whether path and signer are no worse than when it began.
    pub(super) fn is_well(&self) -> bool {
        // A drain says nothing of health.
        let (path, signer) = (self.path.state(), self.signer.health());
        path <= self.path_at_start && signer.rank() <= self.signer_at_start.rank()
    }

    /// Whether its request went down with a session: the path was out and is back, or missed something and
    /// answers, or answers others while this one is out of all proportion. The latter is no proof, so a device that does not repeat
    /// itself is left alone.
    pub(super) fn was_swallowed(&self, now: Instant) -> bool {
        let repeats = self.signer.settings().repeat != Repeat::Refuse;
        self.path.revivals() != self.revivals_at_start
            || (now >= self.overdue() && self.path.recovered_since(self.begun))
            || (now >= self.lost() && repeats && self.path.answered_since(self.begun))
    }
}

/// Lets others to devices whose turns are used by nothing but requests that are cut off: whether they arrived is
/// not known, and no answer will tell.
pub(super) fn leave_dead_paths(alive: &BTreeMap<usize, Running>) {
    for running in alive.values().filter(|running| running.is_cut_off()) {
        let mut same_turn = alive
            .values()
            .filter(|other| other.signer.index() == running.signer.index());
        if same_turn.all(Running::is_cut_off) {
            running.turn.abandon();
        }
    }
}

/// Counts a held request while it lives.
pub(super) struct Held<'a>(&'a Metrics);

impl<'a> Held<'a> {
    pub(super) fn new(metrics: &'a Metrics) -> Self {
        metrics.held_requests.inc();
        Self(metrics)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held_requests.dec();
    }
}
