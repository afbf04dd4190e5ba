//! One signing operation: what it knows, what wakes it, and when it ends.
//!
//! Which attempt starts when is in `start`, what the end of one means in `ended`.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::guard::{Permit, Scope, Slot};
use crate::tezos::{ConsensusKind, Digest, Position, PublicKeyHash, Signature};

use super::super::client::Allowance;
use super::super::queue::Place;
use super::super::roster::{Signer, Turn};
use super::exchange::{Exchange, Failure};
use super::foreign::{Sighting, Tripwire};
use super::known::Known;
use super::running::{Held, Running};
use super::spent::Spent;
use super::tally::Tally;
use super::{Ask, AttemptError, Attempts, Signed};

/// Requests of one slot that may have reached a signer, at most.
pub(super) const MAX_FORWARDS: usize = 6;
/// A turn that is free comes within this time.
const AT_ONCE: Duration = Duration::from_millis(50);

/// One signing operation under way.
pub(super) struct Operation<'a> {
    pub(super) attempts: &'a Attempts,
    pub(super) exchange: Arc<Exchange>,
    pub(super) key: PublicKeyHash,
    pub(super) place: Place,
    pub(super) position: Option<Position>,
    /// The slot and its bytes, for all but bytes outside consensus.
    pub(super) slot: Option<(Slot, Digest)>,
    /// Bytes outside consensus may be signed once only: no second try after one may have left.
    pub(super) once: bool,
    /// Whether the baker's authentication goes along: without it a signer that demands it is not asked.
    pub(super) authenticated: bool,
    pub(super) deadline: Instant,
    pub(super) block_delay: bool,
    pub(super) begun: Instant,
    pub(super) running: JoinSet<(usize, Result<Signature, Failure>)>,
    pub(super) alive: BTreeMap<usize, Running>,
    pub(super) turns: BTreeMap<usize, Turn>,
    /// Told when an attempt has its turn.
    pub(super) turned: Arc<Notify>,
    pub(super) tally: Tally,
    /// What may leave of it at all, whichever of those that wait comes first.
    pub(super) allowance: Allowance,
    /// What earlier operations over the same bytes have spent.
    pub(super) before: Option<Spent>,
    pub(super) known: Known,
    /// Signers that had no room even to wait.
    pub(super) full: BTreeSet<usize>,
    pub(super) tripwire: Tripwire,
    /// A signer signed other bytes: nobody is to sign these.
    pub(super) foreign: Option<Sighting>,
    /// Who gave the signature.
    pub(super) winner: Option<usize>,
    pub(super) next_id: usize,
    pub(super) next_start: Instant,
}

impl<'a> Operation<'a> {
    pub(super) fn new(attempts: &'a Attempts, permit: &Permit, ask: &Ask) -> Self {
        let slot = match permit.scope() {
            Scope::Slot(candidate) => Some((candidate.slot, candidate.digest)),
            Scope::Unslotted { .. } => None,
        };
        let (place, position, kind) = match slot {
            Some((Slot { stream, position }, _)) => {
                attempts.note_claim(stream, position);
                let place = Place::Consensus {
                    account: (stream.chain, stream.key),
                    position,
                    kind: stream.kind,
                };
                (place, Some(position), Some(stream.kind))
            }
            None => (Place::Other, None, None),
        };
        let block = matches!(
            kind,
            Some(ConsensusKind::Block | ConsensusKind::LegacyBlock)
        );
        let before = slot.and_then(|slot| attempts.spent.before(&slot));
        // Who asks again when all is spent gets one, over a path that has come back.
        let left = MAX_FORWARDS.saturating_sub(before.map_or(0, |before| before.sends));
        let exchange = Exchange::new(permit, slot.is_some(), ask, attempts.credentials.clone());
        Self {
            attempts,
            exchange: Arc::new(exchange),
            key: permit.key(),
            place,
            position,
            slot,
            once: slot.is_none(),
            authenticated: ask.authentication.is_some() || attempts.credentials.is_own(),
            deadline: ask.deadline,
            block_delay: block && !ask.deterministic,
            begun: Instant::now(),
            running: JoinSet::new(),
            alive: BTreeMap::new(),
            turns: BTreeMap::new(),
            turned: Arc::default(),
            tally: Tally::default(),
            allowance: Allowance::new(left.max(1)),
            before,
            known: Known::new(permit.claimed_before().is_some()),
            full: BTreeSet::new(),
            tripwire: Tripwire::new(permit, Arc::clone(&attempts.lookout)),
            foreign: None,
            winner: None,
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
        let mut claims = self.attempts.claims.reader();
        let mut unwanted_seen = false;
        let turned = Arc::clone(&self.turned);
        loop {
            board.catch_up();
            claims.catch_up();
            let mut wake = self.start_due();
            let held = self.alive.is_empty();
            if held && self.is_final() {
                return Err(self.failure());
            }
            if let Some((from, by)) = self.superseded() {
                if Instant::now() < from {
                    wake = wake.min(from);
                } else if self.withdraw_all() {
                    return Err(AttemptError::Superseded { by });
                }
            }
            let _held = held.then(|| Held::new(&self.attempts.metrics));
            tokio::select! {
                biased;
                Some(joined) = self.running.join_next() => {
                    // One that was withdrawn, or panicked: its path is still listed alive then.
                    let Ok((id, result)) = joined else { continue };
                    if let Some(signed) = self.take_in(id, result) {
                        return Ok(signed);
                    }
                    if let Some(sighting) = self.foreign.take() {
                        return Err(AttemptError::Foreign(Box::new(sighting)));
                    }
                }
                () = turned.notified() => self.note_turn(),
                () = &mut unwanted, if !unwanted_seen => {
                    unwanted_seen = true;
                    if self.withdraw_all() {
                        return Err(AttemptError::Dropped);
                    }
                }
                () = board.changed() => {}
                () = claims.changed(), if held || self.is_queued() => {}
                () = tokio::time::sleep_until(wake.min(deadline)) => {
                    if Instant::now() >= deadline {
                        return Err(self.failure());
                    }
                }
            }
        }
    }

    /// The newest attempt may have its turn: its time begins then, not when it was put in the queue.
    fn note_turn(&mut self) {
        let newest = self.alive.last_key_value();
        if let Some(until) = newest.and_then(|(_, running)| running.alone_until()) {
            self.next_start = until;
        }
    }

    /// Withdraws everything, if nothing has left; true if nothing ever will. One that leaves in this very moment
    /// is watched to its end like any other.
    fn withdraw_all(&mut self) -> bool {
        let has_left = |running: &Running| running.gate.is_sent();
        if self.tally.forwards() > 0 || self.alive.values().any(has_left) {
            return false;
        }
        let withdrawn: Vec<_> = self
            .alive
            .extract_if(.., |_, running| running.withdraw())
            .collect();
        for (_, running) in &withdrawn {
            self.leave_device(running);
        }
        self.alive.is_empty()
    }

    /// Whether all it does is wait for turns.
    fn is_queued(&self) -> bool {
        let waits = |running: &Running| !running.gate.is_sent() && running.turn.is_awaited();
        self.alive.values().all(waits)
    }

    /// A newer claim that makes this one useless, and from when on; only while nothing can have reached a
    /// signer and nothing is on its way.
    fn superseded(&self) -> Option<(Instant, String)> {
        let Place::Consensus {
            account,
            position,
            kind,
        } = self.place
        else {
            return None;
        };
        if self.tally.forwards() > 0 || !self.is_queued() {
            return None;
        }
        let claimed = &self.attempts.claimed;
        let claimed = claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let (by, higher) = claimed.above(account, kind, position)?;
        // One that can go at once goes.
        let from = if self.alive.is_empty() {
            self.begun
        } else {
            self.begun.checked_add(AT_ONCE)?
        };
        Some((from, format!("{by} at {higher}")))
    }

    /// Requests of this slot that may have reached a signer, those of earlier operations included.
    pub(super) fn spent(&self) -> usize {
        let before = self.before.map_or(0, |before| before.sends);
        before.saturating_add(self.own_sends())
    }

    /// The same of this operation alone.
    pub(super) fn own_sends(&self) -> usize {
        let alive = self.alive.values();
        alive.fold(self.tally.forwards(), |sum, running| {
            sum.saturating_add(running.gate.sends().into())
        })
    }

    /// Whether no change of state can help any more.
    pub(super) fn is_final(&self) -> bool {
        // Who asks again when everything is spent waits for a path that comes back.
        if self.own_sends() > 0 && (self.spent() >= MAX_FORWARDS || self.once) {
            return true;
        }
        let all = self.fit(self.attempts.roster.could_serve(self.key));
        if all.is_empty() && self.tally.is_unauthenticated() {
            return true;
        }
        let refused = |signer: &Arc<Signer>| self.tally.is_refused(signer);
        (!all.is_empty() && all.iter().all(refused)) || self.is_shed()
    }

    /// Whether everybody who could be asked has as many waiting as may.
    pub(super) fn is_shed(&self) -> bool {
        let candidates = self.candidates();
        let mut asked = candidates
            .iter()
            .filter(|signer| !self.tally.is_refused(signer))
            .peekable();
        asked.peek().is_some() && asked.all(|signer| self.full.contains(&signer.index()))
    }
}
