//! Which attempt of an operation starts next, and when.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::client::Gate;
use super::super::health::PathState;
use super::super::roster::{Path, Signer, Turn, leave_out_denials};
use super::operation::{MAX_FORWARDS, Operation};
use super::running::{Part, Running, Start, leave_dead_paths};
use super::tally::{Budget, Next};
use super::timing::{self, Companion};

/// Pause between looks at an overdue attempt.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// No request lives this long.
const NEVER: Duration = Duration::from_hours(1);

impl Operation<'_> {
    /// Starts the next attempt if it is time; gives when to look again.
    pub(super) fn start_due(&mut self) -> Instant {
        let now = Instant::now();
        let far = now.checked_add(NEVER).unwrap_or(now);
        let candidates = self.candidates();
        self.withdraw_dead(&candidates);
        let exhausted = self.spent() >= MAX_FORWARDS;
        if self.own_sends() > 0 && (exhausted || self.once) {
            // Nothing more is sent with these turns, so none of them can bring a position down.
            leave_dead_paths(&self.alive);
            return far;
        }
        if self.once && !self.alive.is_empty() {
            return far;
        }
        // When all is spent, a path that has come back since gets one more.
        let spent_at = self.before.map(|before| before.at).filter(|_| exhausted);
        let busy = |signer: &Arc<Signer>, path: &Arc<Path>| {
            self.is_busy(signer, path, now)
                || spent_at.is_some_and(|at| !path.recovered_since(at))
                || !self.is_affordable(signer, &candidates)
        };
        // A path that is down gets a try when nothing else is under way, or when there are no others;
        // else never a companion's part.
        // A signer that failed at signing is none to wait for, however well its paths are.
        let no_other = candidates
            .iter()
            .all(|signer| all_down(signer) || signer.is_blamed());
        let desperate = self.alive.is_empty() || no_other;
        let left = MAX_FORWARDS.saturating_sub(self.spent());
        let budget = Budget::new(now, self.deadline, left).panicking(no_other);
        let (signer, path) = match self.tally.next(&candidates, busy, desperate, &budget) {
            Next::Nothing => return self.overdue_at(now).unwrap_or(far),
            Next::NotBefore(at) => return self.overdue_at(now).map_or(at, |first| first.min(at)),
            Next::Ready(signer, path) => (signer, path),
        };
        let (due, part) = self.due(&signer, &path, now);
        if due > now {
            return due;
        }
        self.start(signer, path, part, now);
        // The one just started sets the delay of the one after it.
        now
    }

    /// Ends attempts that wait for their turn at a signer that was drained meanwhile, on a path that is found to
    /// lead elsewhere, or on one that has died if the signer has a better one. A drained signer that ends the
    /// round it has begun is among `candidates` still, and keeps its attempt.
    fn withdraw_dead(&mut self, candidates: &[Arc<Signer>]) {
        let is_drained = |running: &Running| {
            let of_signer = |signer: &Arc<Signer>| Arc::ptr_eq(signer, &running.signer);
            running.signer.draining().is_some() && !candidates.iter().any(of_signer)
        };
        let withdrawn: Vec<_> = self
            .alive
            .extract_if(.., |_, running| {
                let dead = running.path_has_died() && !all_down(&running.signer);
                let forbidden = is_drained(running) || running.path.is_barred();
                (dead || forbidden) && running.withdraw()
            })
            .collect();
        // The turn at a drained device is kept for nobody; at any other it goes on over another path.
        for (_, running) in withdrawn.iter().filter(|(_, running)| is_drained(running)) {
            self.leave_device(running);
        }
    }

    /// Signers that may be asked, best first.
    pub(super) fn candidates(&self) -> Vec<Arc<Signer>> {
        self.fit(self.attempts.roster.candidates(self.key, self.position))
    }

    /// Those of `all` that this operation may ask.
    pub(super) fn fit(&self, mut all: Vec<Arc<Signer>>) -> Vec<Arc<Signer>> {
        all.retain(|signer| self.authenticated || !signer.demands());
        leave_out_denials(self.key, &mut all);
        all
    }

    /// Whether `signer` may be asked once more: each of the others that has not been asked is left a request, and
    /// those that are down one together.
    fn is_affordable(&self, signer: &Signer, candidates: &[Arc<Signer>]) -> bool {
        if !self.was_asked(signer) {
            return true;
        }
        let is_owed = |other: &&Arc<Signer>| {
            other.index() != signer.index()
                && !self.was_asked(other)
                && !self.tally.is_refused(other)
        };
        let (down, up): (Vec<_>, Vec<_>) = candidates
            .iter()
            .filter(is_owed)
            .partition(|other| all_down(other));
        let owed = up.len().saturating_add(down.len().min(1));
        self.spent().saturating_add(owed) < MAX_FORWARDS
    }

    /// Whether a request may have reached the signer.
    fn was_asked(&self, signer: &Signer) -> bool {
        let is_asked =
            |running: &Running| running.signer.index() == signer.index() && running.gate.is_sent();
        self.tally.forwards_to(signer) > 0 || self.alive.values().any(is_asked)
    }

    /// Whether another attempt on `path` would be of no use: it has one, or all wait for the device and not for a
    /// path. One that was swallowed is asked again, as often as the six allow.
    fn is_busy(&self, signer: &Arc<Signer>, path: &Arc<Path>, now: Instant) -> bool {
        let in_queue =
            |running: &Running| Arc::ptr_eq(&running.signer, signer) && running.turn.is_awaited();
        if self.alive.values().any(in_queue) {
            return true;
        }
        let mut mine = self
            .alive
            .values()
            .filter(|running| Arc::ptr_eq(&running.path, path));
        mine.any(|running| !running.was_swallowed(now))
    }

    /// When to see whether an overdue attempt was swallowed.
    fn overdue_at(&self, now: Instant) -> Option<Instant> {
        let first = self.alive.values().map(Running::overdue).min()?;
        // Answers to others are no change of state: look now and then.
        Some(if first > now {
            first
        } else {
            now.checked_add(LOOK_AGAIN)?
        })
    }

    /// When an attempt at `signer` may start: at once if nothing is alive, or only on paths that have been
    /// found unwell since, or only in a queue beyond the deadline; else after the delay of the newest
    /// attempt.
    fn due(&self, signer: &Arc<Signer>, path: &Path, now: Instant) -> (Instant, Part) {
        if self.alive.is_empty() {
            return (now, Part::Attempt);
        }
        let sent = self.alive.values().any(|running| running.gate.is_sent());
        let patient = self.block_delay && sent;
        // What was tried on a path that is down, for want of a better one, keeps nobody from one that has come back.
        let is_better = path.state() != PathState::Down;
        let is_hope = |running: &Running| {
            running.is_well() && !(is_better && running.path.state() == PathState::Down)
        };
        if !patient && !self.alive.values().any(is_hope) {
            return (now, Part::Attempt);
        }
        let of_signer = |running: &Running| Arc::ptr_eq(&running.signer, signer);
        let another = !self.alive.values().any(of_signer);
        let too_late = |running: &Running| running.waits_beyond(self.deadline);
        if another && signer.queue().is_idle() && self.alive.values().all(too_late) {
            return (now, Part::Spill);
        }
        let companion = Companion {
            after_delay: self.next_start,
            first_begun: self.alive.values().map(|running| running.begun).min(),
            block_delay: another && patient,
            deadline: self.deadline,
            usual: signer.usual_latency(),
        };
        (companion.start(), Part::Attempt)
    }

    fn start(&mut self, signer: Arc<Signer>, path: Arc<Path>, part: Part, now: Instant) {
        if !self.alive.is_empty() {
            self.attempts.metrics.hedges.inc();
        }
        // Behind others, at the device or in its queue, their signatures are part of what is usual.
        let (usual, queue) = (signer.usual_latency(), signer.queue());
        // Its own turn is nobody's before it.
        let turns = if self.turns.contains_key(&signer.index()) {
            0
        } else {
            queue.turns_before(self.place)
        };
        let wait = timing::wait(usual, turns);
        let delay = timing::delay(usual, wait);
        self.next_start = now.checked_add(delay).unwrap_or(now);
        let answered_in = usual.saturating_add(wait);
        let turn = self.turns.entry(signer.index()).or_insert_with(|| {
            let deadline = self.deadline;
            Turn::at(signer.queue(), self.place, deadline)
        });
        let start = Start {
            turn: turn.clone(),
            gate: Gate::within(&self.allowance, self.deadline),
            part,
            queued_until: now.checked_add(answered_in).filter(|_| turns > 0),
            signer,
            path,
        };
        self.spawn(start, now, delay);
    }

    /// Starts an attempt; one turn at the device serves all paths of this operation to it.
    pub(super) fn spawn(&mut self, start: Start, now: Instant, delay: Duration) {
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        tracing::debug!(
            signer = start.signer.name(), path = start.path.name(),
            attempt = id, part = ?start.part, "attempt started"
        );
        start.turn.used_by(&start.gate);
        // A signer that lost a request over a fresh connection is not sent two at a time any more.
        let again = !self.was_asked(&start.signer);
        let (exchange, turned) = (Arc::clone(&self.exchange), Arc::clone(&self.turned));
        let (signer, path) = (Arc::clone(&start.signer), Arc::clone(&start.path));
        let (turn, gate) = (start.turn.clone(), start.gate.clone());
        let task = self.running.spawn(async move {
            if let Err(why) = turn.wait().await {
                return (id, Err(why.into()));
            }
            turned.notify_one();
            (id, exchange.run(&signer, &path, &gate, again).await)
        });
        let running = Running::new(start, task, now, delay);
        self.alive.insert(id, running);
    }
}

/// Whether no path of the signer takes work.
fn all_down(signer: &Arc<Signer>) -> bool {
    let mut paths = signer.paths().iter();
    paths.all(|path| path.state() == PathState::Down)
}
