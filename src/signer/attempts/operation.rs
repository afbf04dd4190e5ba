//! One signing operation: which attempt starts when, and what its end means.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::guard::{Permit, Scope};
use crate::tezos::{ConsensusKind, Position, PublicKeyHash, Signature};

use super::super::cause::Cause;
use super::super::client::{FailureClass, Gate};
use super::super::health::Observation;
use super::super::queue::{Place, Ticket};
use super::super::roster::{Path, Served, Signer};
use super::exchange::{Blame, Exchange, Failure};
use super::foreign::{Sighting, Tripwire};
use super::running::{Held, Running};
use super::tally::{Budget, Next, Tally};
use super::timing;
use super::{Ask, AttemptError, Attempts, Signed};

/// Requests of one slot that may have reached a signer, at most.
const MAX_FORWARDS: usize = 6;
/// Pause between looks at an overdue attempt.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// No request lives this long.
const NEVER: Duration = Duration::from_hours(1);

/// One signing operation under way.
pub(super) struct Operation<'a> {
    pub(super) attempts: &'a Attempts,
    exchange: Arc<Exchange>,
    pub(super) key: PublicKeyHash,
    place: Place,
    position: Option<Position>,
    /// Bytes outside consensus may be signed once only: no second try after one may have left.
    once: bool,
    /// Whether the baker's authentication goes along: without it a signer that demands it is not asked.
    authenticated: bool,
    deadline: Instant,
    block_delay: bool,
    pub(super) begun: Instant,
    pub(super) running: JoinSet<(usize, Result<Signature, Failure>)>,
    pub(super) alive: BTreeMap<usize, Running>,
    pub(super) tickets: BTreeMap<usize, Arc<OnceCell<Ticket>>>,
    pub(super) tally: Tally,
    pub(super) tripwire: Tripwire,
    /// A signer signed other bytes: nobody is to sign these.
    foreign: Option<Sighting>,
    next_id: usize,
    next_start: Instant,
}

impl<'a> Operation<'a> {
    pub(super) fn new(attempts: &'a Attempts, permit: &Permit, ask: &Ask) -> Self {
        let (place, position, once, block) = match permit.scope() {
            Scope::Slot(candidate) => {
                let (position, stream) = (candidate.slot.position, candidate.slot.stream);
                let kind = stream.kind;
                let block = matches!(kind, ConsensusKind::Block | ConsensusKind::LegacyBlock);
                let place = Place::Consensus {
                    account: (stream.chain, stream.key),
                    position,
                    kind,
                };
                (place, Some(position), false, block)
            }
            Scope::Unslotted { .. } => (Place::Other, None, true, false),
        };
        Self {
            attempts,
            exchange: Arc::new(Exchange::new(permit.key(), permit.scheme(), !once, ask)),
            key: permit.key(),
            place,
            position,
            once,
            authenticated: ask.authentication.is_some(),
            deadline: ask.deadline,
            block_delay: block && !ask.deterministic,
            begun: Instant::now(),
            running: JoinSet::new(),
            alive: BTreeMap::new(),
            tickets: BTreeMap::new(),
            tally: Tally::default(),
            tripwire: Tripwire::new(permit, Arc::clone(&attempts.lookout)),
            foreign: None,
            next_id: 0,
            next_start: Instant::now(),
        }
    }

    pub(super) async fn run(
        &mut self,
        deadline: Instant,
        unwanted: impl Future<Output = ()>,
    ) -> Result<Signed, AttemptError> {
        tokio::pin!(unwanted);
        let mut board = self.attempts.roster.board();
        let mut unwanted_seen = false;
        loop {
            board.borrow_and_update();
            let wake = self.start_due();
            let held = self.alive.is_empty();
            if held && self.is_final() {
                return Err(self.failure());
            }
            let _held = held.then(|| Held::new(&self.attempts.metrics));
            tokio::select! {
                biased;
                Some(joined) = self.running.join_next() => {
                    // An attempt that panicked is one without an answer; its path is still listed alive.
                    let Ok((id, result)) = joined else { continue };
                    if let Some(signed) = self.take_in(id, result) {
                        return Ok(signed);
                    }
                    if let Some(sighting) = self.foreign.take() {
                        return Err(AttemptError::Foreign(Box::new(sighting)));
                    }
                }
                () = &mut unwanted, if !unwanted_seen => {
                    unwanted_seen = true;
                    if self.tally.forwards() == 0 && !self.alive.values().any(|a| a.gate.is_sent()) {
                        return Err(AttemptError::Dropped);
                    }
                }
                changed = board.changed() => {
                    if changed.is_err() {
                        return Err(self.failure());
                    }
                }
                () = tokio::time::sleep_until(wake.min(deadline)) => {
                    if Instant::now() >= deadline {
                        return Err(self.failure());
                    }
                }
            }
        }
    }

    /// Starts the next attempt if it is time; gives when to look again.
    fn start_due(&mut self) -> Instant {
        let now = Instant::now();
        let far = now.checked_add(NEVER).unwrap_or(now);
        let sent = self
            .alive
            .values()
            .filter(|running| running.gate.is_sent())
            .count();
        if self.tally.forwards().saturating_add(sent) >= MAX_FORWARDS {
            return far;
        }
        if self.once && (self.tally.forwards() > 0 || !self.alive.is_empty()) {
            return far;
        }
        let candidates = self.candidates();
        let busy = |path: &Arc<Path>| self.is_busy(path, now);
        // A path that is down gets a try when nothing else is under way, never a companion's part.
        let desperate = self.alive.is_empty();
        let left = MAX_FORWARDS.saturating_sub(self.tally.forwards().saturating_add(sent));
        let budget = Budget::new(now, self.deadline, left);
        let (signer, path) = match self.tally.next(&candidates, busy, desperate, &budget) {
            Next::Nothing => return self.overdue_at(now).unwrap_or(far),
            Next::NotBefore(at) => return at,
            Next::Ready(signer, path) => (signer, path),
        };
        let due = self.due(&signer, now);
        if due > now {
            return due;
        }
        self.start(signer, path, now);
        // The one just started sets the delay of the one after it.
        now
    }

    /// Signers that may be asked, best first.
    fn candidates(&self) -> Vec<Arc<Signer>> {
        self.fit(self.attempts.roster.candidates(self.key, self.position))
    }

    /// Those of `all` that this operation may ask.
    fn fit(&self, mut all: Vec<Arc<Signer>>) -> Vec<Arc<Signer>> {
        all.retain(|signer| self.authenticated || !signer.demands());
        // Who said that it lacks the key is asked only when everybody did.
        let has_it = |signer: &Arc<Signer>| signer.serves(self.key) != Served::Denied;
        if all.iter().any(has_it) {
            all.retain(has_it);
        }
        all
    }

    /// Whether another attempt on `path` would be of no use. One that was swallowed is asked again, once.
    fn is_busy(&self, path: &Arc<Path>, now: Instant) -> bool {
        let mut mine = self
            .alive
            .values()
            .filter(|running| Arc::ptr_eq(&running.path, path));
        match (mine.next(), mine.next()) {
            (None, _) => false,
            (Some(only), None) => !only.was_swallowed(now),
            (Some(_), Some(_)) => true,
        }
    }

    /// When to see whether an overdue attempt was swallowed.
    fn overdue_at(&self, now: Instant) -> Option<Instant> {
        let first = self.alive.values().map(|running| running.overdue).min()?;
        // Answers to others are no change of state: look now and then.
        Some(if first > now {
            first
        } else {
            now.checked_add(LOOK_AGAIN)?
        })
    }

    /// When an attempt at `signer` may start: at once if nothing is alive, or only on paths that have been
    /// found unwell since; else after the delay of the newest attempt.
    fn due(&self, signer: &Arc<Signer>, now: Instant) -> Instant {
        if self.alive.is_empty() {
            return now;
        }
        if !self.block_delay && !self.alive.values().any(Running::is_well) {
            return now;
        }
        let another = !self
            .alive
            .values()
            .any(|running| Arc::ptr_eq(&running.signer, signer));
        let first = self.alive.values().map(|running| running.begun).min();
        timing::start_of_next(self.next_start, first, another && self.block_delay)
    }

    fn start(&mut self, signer: Arc<Signer>, path: Arc<Path>, now: Instant) {
        if !self.alive.is_empty() {
            self.attempts.metrics.hedges.inc();
        }
        // Behind others in the queue, their signatures are part of what is usual.
        let usual = signer.usual_latency();
        let delay = timing::delay(usual, timing::wait(usual, signer.queue().waiting()));
        self.next_start = now.checked_add(delay).unwrap_or(now);
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        let gate = Gate::open();
        let ticket = Arc::clone(self.tickets.entry(signer.index()).or_default());
        let exchange = Arc::clone(&self.exchange);
        let place = self.place;
        tracing::debug!(
            signer = signer.name(),
            path = path.name(),
            attempt = id,
            "attempt started"
        );
        let running = Running::new(&signer, &path, &gate, now, delay);
        self.alive.insert(id, running);
        self.running.spawn(async move {
            // One turn at the device serves all paths of this operation to it.
            let queue = Arc::clone(signer.queue());
            let turn = || async move { queue.acquire(place).await.ok_or(()) };
            if ticket.get_or_try_init(turn).await.is_err() {
                return (id, Err(Failure::not_sent(Cause::Closed)));
            }
            (id, exchange.run(&signer, &path, &gate).await)
        });
    }

    /// Takes the end of an attempt in; `Some` when it gave the signature.
    fn take_in(&mut self, id: usize, result: Result<Signature, Failure>) -> Option<Signed> {
        let running = self.alive.remove(&id)?;
        if !self
            .alive
            .values()
            .any(|other| Arc::ptr_eq(&other.signer, &running.signer))
        {
            self.tickets.remove(&running.signer.index());
        }
        let roster = &self.attempts.roster;
        let class = match &result {
            Ok(_) => "signed",
            Err(failure) => failure.class.name(),
        };
        self.count(&running.signer, class);
        match result {
            Ok(signature) => {
                roster.observe(&running.signer, &running.path, Observation::Hit);
                roster.signed(&running.signer, self.key, self.position);
                Some(Signed {
                    signature,
                    signer: running.signer.name().to_owned(),
                })
            }
            Err(failure) => {
                tracing::debug!(
                    signer = running.signer.name(), path = running.path.name(),
                    cause = %failure.cause, "attempt failed"
                );
                if failure.class == FailureClass::MaybeSent {
                    self.attempts.metrics.unreleased_signatures.inc();
                }
                let metrics = &self.attempts.metrics;
                self.foreign = self
                    .tripwire
                    .sighting(running.signer.name(), &failure, metrics);
                // The next one need not wait for the delay of one that is over.
                self.next_start = Instant::now();
                let cause = failure.cause.clone();
                match failure.blame {
                    Blame::Nobody | Blame::Refusal => {}
                    Blame::Path => {
                        let miss = Observation::Miss(cause.clone());
                        roster.observe(&running.signer, &running.path, miss);
                        // Its other answers may be well: then it is the signing that fails.
                        if failure.class == FailureClass::MaybeSent {
                            roster.signing_failed(&running.signer, &running.path, cause);
                        }
                    }
                    Blame::Signer => roster.signing_failed(&running.signer, &running.path, cause),
                    Blame::Unauthenticated => running.signer.note_demand(),
                    Blame::UnknownKey => roster.served(&running.signer, self.key, Served::Denied),
                }
                self.tally.failed(&running.signer, &running.path, failure);
                None
            }
        }
    }

    /// Whether no change of state can help any more.
    pub(super) fn is_final(&self) -> bool {
        let forwards = self.tally.forwards();
        if forwards >= MAX_FORWARDS || (self.once && forwards > 0) {
            return true;
        }
        let candidates = self.fit(self.attempts.roster.could_serve(self.key));
        if candidates.is_empty() && self.tally.is_unauthenticated() {
            return true;
        }
        !candidates.is_empty()
            && candidates
                .iter()
                .all(|signer| self.tally.is_refused(signer))
    }
}
