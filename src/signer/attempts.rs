//! Staggered attempts: one mechanism for failover, retry and hedging.
//!
//! An attempt that has not answered after its delay gets a companion with the same bytes on the next
//! path, then the next signer; it stays alive itself, because its signature may be the only one that the
//! device gives. A definite failure starts the next at once. The first signature that verifies wins and
//! the others are dropped unseen. When nothing is left to try, the request waits for a change of state.
//!
//! Plain code that holds the permit; no generic retry layer lies here. Which bytes may be repeated is
//! settled before: the permit stands for a durable claim, so repeating them is always safe.

mod exchange;
mod tally;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::guard::{Permit, Scope};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::label;
use crate::tezos::{ConsensusKind, Position, PublicKey, PublicKeyHash, Scheme, Signature};

use super::client::{Cause, FailureClass, Sent};
use super::health::{Observation, PathState};
use super::queue::{Place, Ticket};
use super::roster::{Path, Roster, Served, Signer, SignerState};

use exchange::{Blame, Exchange, Failure};
use tally::{Next, Tally};

/// Requests of one slot that may have reached a signer, at most.
const MAX_FORWARDS: usize = 6;
/// No attempt is overdue before this; in general before twice its delay.
const OVERDUE: Duration = Duration::from_millis(500);
/// Pause between looks at an overdue attempt.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// No request lives this long.
const NEVER: Duration = Duration::from_hours(1);
/// Before another *signer* is asked for a block whose key does not sign deterministically: a second
/// signature over the same block may come to exist, which is safe but not wanted.
const BLOCK_SIGNER_DELAY: Duration = Duration::from_millis(1_500);

/// What signers are asked, besides the permit.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The key's public key: every signature is verified with it.
    pub public_key: PublicKey,
    /// The bytes to sign, exactly as received.
    pub bytes: Bytes,
    /// The baker's own authentication, passed on in its base58 form.
    pub authentication: Option<String>,
    /// The signature version that the baker asked.
    pub version: Option<u8>,
    /// Whether the key signs deterministically.
    pub deterministic: bool,
    /// When the answer is of no more use.
    pub deadline: Instant,
}

/// A verified signature.
#[derive(Debug)]
pub struct Signed {
    /// The signature.
    pub signature: Signature,
    /// The signer that gave it.
    pub signer: String,
}

/// Why there is no signature.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AttemptError {
    /// Nobody waits any more and nothing was sent.
    #[error("the baker hung up before anything was sent")]
    Dropped,
    /// No path gave one before the deadline.
    #[error("no signature within {:.1}s: {causes}", .waited.as_secs_f64())]
    NoSigner {
        /// How long was tried.
        waited: Duration,
        /// What is wrong with each path.
        causes: String,
    },
    /// A signer demands authentication that the baker did not give or that it does not accept.
    #[error("{causes}")]
    Unauthenticated {
        /// Signer and its words.
        causes: String,
    },
}

/// Makes attempts. Shared by all requests.
#[derive(Debug)]
pub struct Attempts {
    roster: Arc<Roster>,
    metrics: Arc<Metrics>,
}

/// One signing operation under way.
struct Operation<'a> {
    attempts: &'a Attempts,
    exchange: Arc<Exchange>,
    key: PublicKeyHash,
    place: Place,
    position: Option<Position>,
    /// Bytes outside consensus may be signed once only: no second try after one may have left.
    once: bool,
    block_delay: bool,
    begun: Instant,
    running: JoinSet<(usize, Result<Signature, Failure>)>,
    alive: HashMap<usize, Running>,
    tickets: HashMap<usize, Arc<OnceCell<Ticket>>>,
    tally: Tally,
    next_id: usize,
    next_start: Instant,
}

struct Running {
    signer: Arc<Signer>,
    path: Arc<Path>,
    sent: Sent,
    begun: Instant,
    /// From then on it may have been swallowed.
    overdue: Instant,
    path_at_start: PathState,
    signer_at_start: SignerState,
}

impl Attempts {
    /// Attempts over the signers of `roster`.
    #[must_use]
    pub fn new(roster: Arc<Roster>, metrics: Arc<Metrics>) -> Self {
        Self { roster, metrics }
    }

    /// Gets a signature over the permitted bytes. `unwanted` resolves when nobody waits for it any more;
    /// then the work ends, unless something may have been sent.
    ///
    /// Not to be cancelled once something was sent: run it in a task.
    ///
    /// # Errors
    /// [`AttemptError`]; the claim stands whatever happens.
    pub async fn sign(
        &self,
        permit: &Permit,
        ask: &Ask,
        unwanted: impl Future<Output = ()>,
    ) -> Result<Signed, AttemptError> {
        let mut operation = Operation::new(self, permit, ask);
        let outcome = operation.run(ask.deadline, unwanted).await;
        operation.settle(outcome.is_ok());
        outcome
    }
}

impl<'a> Operation<'a> {
    fn new(attempts: &'a Attempts, permit: &Permit, ask: &Ask) -> Self {
        let (place, position, once, block) = match permit.scope() {
            Scope::Slot(candidate) => {
                let (position, kind) = (candidate.slot.position, candidate.slot.stream.kind);
                let block = matches!(kind, ConsensusKind::Block | ConsensusKind::LegacyBlock);
                (
                    Place::Consensus(position, kind),
                    Some(position),
                    false,
                    block,
                )
            }
            Scope::Unslotted { .. } => (Place::Other, None, true, false),
        };
        let scheme: Scheme = permit.scheme();
        Self {
            attempts,
            exchange: Arc::new(Exchange::new(permit.key(), scheme, ask)),
            key: permit.key(),
            place,
            position,
            once,
            block_delay: block && !ask.deterministic,
            begun: Instant::now(),
            running: JoinSet::new(),
            alive: HashMap::new(),
            tickets: HashMap::new(),
            tally: Tally::default(),
            next_id: 0,
            next_start: Instant::now(),
        }
    }

    async fn run(
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
                }
                () = &mut unwanted, if !unwanted_seen => {
                    unwanted_seen = true;
                    if self.tally.forwards() == 0 && !self.alive.values().any(|a| a.sent.get()) {
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
            .filter(|running| running.sent.get())
            .count();
        if self.tally.forwards().saturating_add(sent) >= MAX_FORWARDS {
            return far;
        }
        if self.once && (self.tally.forwards() > 0 || !self.alive.is_empty()) {
            return far;
        }
        let candidates = self.attempts.roster.candidates(self.key, self.position);
        let busy = |path: &Arc<Path>| self.is_busy(path, now);
        // A path that is down gets a try when nothing else is under way, never a companion's part.
        let desperate = self.alive.is_empty();
        let (signer, path) = match self.tally.next(&candidates, busy, desperate, now) {
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

    /// Whether another attempt on `path` would be of no use. One that is overdue while the path answers
    /// others was swallowed, by a session that ended for instance: it is asked again, once.
    fn is_busy(&self, path: &Arc<Path>, now: Instant) -> bool {
        let mut mine = self
            .alive
            .values()
            .filter(|running| Arc::ptr_eq(&running.path, path));
        match (mine.next(), mine.next()) {
            (None, _) => false,
            (Some(only), None) => now < only.overdue || !path.answered_since(only.begun),
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
        let well = |running: &Running| {
            let (path, signer) = (running.path.state(), running.signer.state());
            path <= running.path_at_start && signer.rank() <= running.signer_at_start.rank()
        };
        if !self.block_delay && !self.alive.values().any(well) {
            return now;
        }
        let another = !self
            .alive
            .values()
            .any(|running| Arc::ptr_eq(&running.signer, signer));
        if another && self.block_delay {
            let first = self.alive.values().map(|running| running.begun).min();
            let delayed = first.and_then(|begun| begun.checked_add(BLOCK_SIGNER_DELAY));
            return delayed.map_or(self.next_start, |delayed| delayed.max(self.next_start));
        }
        self.next_start
    }

    fn start(&mut self, signer: Arc<Signer>, path: Arc<Path>, now: Instant) {
        if !self.alive.is_empty() {
            self.attempts.metrics.hedges.inc();
        }
        // Behind others in the queue, their signatures are part of what is usual.
        let turns = u32::try_from(signer.queue().waiting())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let delay = signer.usual_latency().saturating_mul(turns);
        self.next_start = now.checked_add(delay).unwrap_or(now);
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        let sent = Sent::default();
        let ticket = Arc::clone(self.tickets.entry(signer.index()).or_default());
        let exchange = Arc::clone(&self.exchange);
        let place = self.place;
        tracing::debug!(
            signer = signer.name(),
            path = path.name(),
            attempt = id,
            "attempt started"
        );
        let running = Running {
            path_at_start: path.state(),
            signer_at_start: signer.state(),
            signer: Arc::clone(&signer),
            path: Arc::clone(&path),
            sent: sent.clone(),
            begun: now,
            overdue: now
                .checked_add(delay.saturating_mul(2).max(OVERDUE))
                .unwrap_or(now),
        };
        self.alive.insert(id, running);
        self.running.spawn(async move {
            // One turn at the device serves all paths of this operation to it.
            let queue = Arc::clone(signer.queue());
            let turn = || async move { queue.acquire(place).await.ok_or(()) };
            if ticket.get_or_try_init(turn).await.is_err() {
                return (id, Err(Failure::not_sent(Cause::Closed)));
            }
            (id, exchange.run(&signer, &path, &sent).await)
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
                // The next one need not wait for the delay of one that is over.
                self.next_start = Instant::now();
                if failure.blame == Blame::UnknownKey {
                    roster.served(&running.signer, self.key, Served::Denied);
                }
                if failure.blame == Blame::Path {
                    let miss = Observation::Miss(failure.cause.clone());
                    roster.observe(&running.signer, &running.path, miss);
                }
                if failure.blame == Blame::Unauthenticated {
                    running.signer.note_demand();
                }
                self.tally.failed(&running.signer, &running.path, failure);
                None
            }
        }
    }

    /// Whether no change of state can help any more.
    fn is_final(&self) -> bool {
        let forwards = self.tally.forwards();
        if forwards >= MAX_FORWARDS || (self.once && forwards > 0) {
            return true;
        }
        let candidates = self.attempts.roster.candidates(self.key, self.position);
        !candidates.is_empty()
            && candidates
                .iter()
                .all(|signer| self.tally.is_refused(signer))
    }

    fn failure(&self) -> AttemptError {
        let mut parts = self.tally.sentences();
        if self.tally.is_unauthenticated() && self.is_final() {
            return AttemptError::Unauthenticated {
                causes: parts.join("; "),
            };
        }
        let now = crate::time::now();
        for running in self.alive.values() {
            let Running {
                signer,
                path,
                sent,
                begun,
                ..
            } = running;
            let ago = jiff::SignedDuration::try_from(begun.elapsed()).unwrap_or_default();
            let started = now.checked_sub(ago).unwrap_or(now);
            parts.push(if sent.get() {
                path.sentence(signer, &Cause::Silent, started)
            } else {
                format!(
                    "{} ({}) is busy with other signatures",
                    signer.name(),
                    path.url()
                )
            });
        }
        let known: Vec<_> = self.attempts.roster.explain(Some(self.key));
        for sentence in known {
            let about = sentence
                .split_once(')')
                .map_or(sentence.as_str(), |(about, _)| about);
            if !parts.iter().any(|part| part.starts_with(about)) {
                parts.push(sentence);
            }
        }
        parts.sort();
        AttemptError::NoSigner {
            waited: self.begun.elapsed(),
            causes: parts.join("; "),
        }
    }

    /// Ends what is still alive. Each loser was too slow: that is a miss of its path.
    fn settle(&mut self, signed: bool) {
        let roster = Arc::clone(&self.attempts.roster);
        for (_, running) in self.alive.drain() {
            if !running.sent.get() {
                continue;
            }
            self.attempts.metrics.unreleased_signatures.inc();
            let labels = label::Attempt {
                signer: running.signer.name().to_owned(),
                class: "abandoned".to_owned(),
            };
            self.attempts.metrics.attempts.get_or_create(&labels).inc();
            if running.begun.elapsed() >= running.signer.usual_latency() || !signed {
                roster.observe(
                    &running.signer,
                    &running.path,
                    Observation::Miss(Cause::Silent),
                );
                roster.abandoned(&running.signer);
            }
        }
        self.running.abort_all();
        self.tickets.clear();
    }

    fn count(&self, signer: &Signer, class: &str) {
        let labels = label::Attempt {
            signer: signer.name().to_owned(),
            class: class.to_owned(),
        };
        self.attempts.metrics.attempts.get_or_create(&labels).inc();
    }
}

/// Counts a held request while it lives.
struct Held<'a>(&'a Metrics);

impl<'a> Held<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.held_requests.inc();
        Self(metrics)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held_requests.dec();
    }
}

/// Classes that mean bytes may have reached the device.
fn reached(class: FailureClass) -> bool {
    match class {
        FailureClass::Malformed | FailureClass::MaybeSent | FailureClass::Rejected => true,
        FailureClass::NotSent => false,
    }
}
