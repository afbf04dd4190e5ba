//! The queue in front of one device: so many signatures at a time, in an order that serves the chain.
//!
//! Consensus goes before anything else. A device with one position over all kinds (a Ledger) must never
//! see positions fall: lowest level and round first, then block, preattestation, attestation, and nothing
//! below what it was sent before. Others get the newest first, because after an outage only the newest is
//! still of use. Who is past its deadline gets no turn, and only so many may wait.
//!
//! Deliberately knows no clock of its own, no requests and no connections.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::tezos::{ChainId, ConsensusKind, Position, PublicKeyHash};

/// Requests that may wait for one device; one more turns the last in order away.
const MOST_WAITING: usize = 128;

/// Whose position a request raises.
type Account = (ChainId, PublicKeyHash);

/// A position of a device: level, round, and the order of the kind within the round.
type Mark = (Position, i64);

/// What a request asks the device for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A consensus payload.
    Consensus {
        /// The chain and the key whose position it is.
        account: (ChainId, PublicKeyHash),
        /// Its level and round.
        position: Position,
        /// Its kind.
        kind: ConsensusKind,
    },
    /// Anything else.
    Other,
}

impl Place {
    fn mark(self) -> Option<(Account, Mark)> {
        match self {
            Self::Consensus {
                account,
                position,
                kind,
            } => Some((account, (position, i64::from(kind.order_in_round())))),
            Self::Other => None,
        }
    }
}

/// Why a request got no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    /// The device has been sent a higher position of the same key already.
    Behind,
    /// Too many wait.
    Full,
    /// Its time was over.
    Late,
}

type Turn = Result<Ticket, Turned>;

/// The queue. Share by `Arc`.
#[derive(Debug)]
pub(super) struct DeviceQueue {
    capacity: usize,
    positions_must_not_fall: bool,
    clock: fn() -> Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Turns that are given, the abandoned ones among them.
    busy: usize,
    /// Turns whose requests nobody waits for, though the device may still work on them.
    abandoned: usize,
    arrivals: u64,
    waiting: Vec<Waiting>,
    /// No turn is given before: those who were held come together first.
    closed_until: Option<Instant>,
    /// The highest position that each account was sent.
    sent: BTreeMap<Account, Mark>,
}

impl State {
    /// Whether a turn is free. Where abandoned requests have taken all, one at a time is tried still.
    fn is_free(&self, capacity: usize) -> bool {
        self.busy < capacity || self.busy == self.abandoned
    }

    fn is_closed(&self, now: Instant) -> bool {
        self.closed_until.is_some_and(|until| now < until)
    }
}

#[derive(Debug)]
struct Waiting {
    arrival: u64,
    place: Place,
    not_after: Instant,
    turn: oneshot::Sender<Turn>,
}

/// The right to use the device; ends when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    queue: Arc<DeviceQueue>,
    place: Place,
    /// The account's position before this turn.
    before: Option<Mark>,
    arrived: bool,
    abandoned: bool,
}

impl Ticket {
    /// Nothing that was done with this turn can have reached the device: its position is what it was.
    pub(super) fn nothing_arrived(&mut self) {
        self.arrived = false;
    }

    /// Nobody waits for the device's answer any more, though it may still work on it. The turn is not free
    /// again, but no longer keeps everybody else away.
    pub(super) fn abandon(&mut self) {
        if !std::mem::replace(&mut self.abandoned, true) {
            let mut state = self.queue.lock();
            state.abandoned = state.abandoned.saturating_add(1);
            drop(state);
            self.queue.dispatch();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.busy = state.busy.saturating_sub(1);
        state.abandoned = state.abandoned.saturating_sub(usize::from(self.abandoned));
        if let Some((account, mark)) = self.place.mark().filter(|_| !self.arrived)
            && state.sent.get(&account) == Some(&mark)
        {
            match self.before {
                Some(before) => state.sent.insert(account, before),
                None => state.sent.remove(&account),
            };
        }
        drop(state);
        self.queue.dispatch();
    }
}

impl DeviceQueue {
    /// A free device with `capacity` turns; `clock` says what time it is.
    pub(super) fn new(
        capacity: usize,
        positions_must_not_fall: bool,
        clock: fn() -> Instant,
    ) -> Self {
        Self {
            capacity,
            positions_must_not_fall,
            clock,
            state: Mutex::default(),
        }
    }

    /// Waits for a turn, which is not given after `not_after`. While the queue gathers, somebody has to call
    /// [`Self::open`] in time. Cancel-safe: who stops waiting leaves the queue.
    ///
    /// # Errors
    /// [`Turned`]: there is no turn for this request.
    pub(super) async fn acquire(self: &Arc<Self>, place: Place, not_after: Instant) -> Turn {
        let (turn, mine) = oneshot::channel();
        let mut last = None;
        {
            let mut state = self.lock();
            state.waiting.retain(|waiting| !waiting.turn.is_closed());
            let arrival = state.arrivals;
            state.arrivals = arrival.saturating_add(1);
            state.waiting.push(Waiting {
                arrival,
                place,
                not_after,
                turn,
            });
            if state.waiting.len() > MOST_WAITING {
                last = self
                    .last(&state.waiting)
                    .map(|index| state.waiting.swap_remove(index));
            }
        }
        if let Some(last) = last {
            drop(last.turn.send(Err(Turned::Full)));
        }
        self.dispatch();
        mine.await.unwrap_or(Err(Turned::Late))
    }

    /// Gives no turn before `until`, if nobody uses the device or waits for it: everybody who was held
    /// because of it comes first, and is put in order.
    pub(super) fn gather(&self, until: Instant) {
        let mut state = self.lock();
        state.waiting.retain(|waiting| !waiting.turn.is_closed());
        if state.waiting.is_empty() && state.busy == state.abandoned {
            state.closed_until = Some(until);
        }
    }

    /// Until when it gathers, if it does.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        self.lock().closed_until
    }

    /// Gives turns again if the time to gather is over.
    pub(super) fn open(self: &Arc<Self>) {
        self.dispatch();
    }

    /// How many wait for a turn.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        let state = self.lock();
        let waits = |waiting: &&Waiting| !waiting.turn.is_closed();
        state.waiting.iter().filter(waits).count()
    }

    /// How many turns are given.
    #[cfg(test)]
    pub(super) fn busy(&self) -> usize {
        self.lock().busy
    }

    /// How many of those who wait would have their turn before one who came now for `place`.
    fn ahead_of(&self, place: Place) -> usize {
        let state = self.lock();
        let mine = self.order(place);
        let ahead =
            |waiting: &&Waiting| !waiting.turn.is_closed() && self.order(waiting.place) <= mine;
        state.waiting.iter().filter(ahead).count()
    }

    /// How many turns pass before one who came now for `place` has its own; 0 if one is free.
    pub(super) fn turns_before(&self, place: Place) -> usize {
        if self.lock().is_free(self.capacity) {
            return 0;
        }
        let ahead = self.ahead_of(place).saturating_add(1);
        ahead.div_ceil(self.capacity.max(1))
    }

    /// Whether nobody uses the device or waits for it. Abandoned requests do not count.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        let nobody_waits = state.waiting.iter().all(|waiting| waiting.turn.is_closed());
        nobody_waits && state.busy == state.abandoned
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives free turns to those whose turn it is, and turns the late ones away.
    fn dispatch(self: &Arc<Self>) {
        let now = (self.clock)();
        let mut told = Vec::new();
        let mut state = self.lock();
        state.waiting.retain(|waiting| !waiting.turn.is_closed());
        if !state.is_closed(now) {
            state.closed_until = None;
            while state.is_free(self.capacity)
                && let Some(index) = self.next(&state.waiting)
            {
                let waiting = state.waiting.swap_remove(index);
                let turn = self.admit(&mut state, &waiting, now);
                told.push((waiting.turn, turn));
            }
        }
        drop(state);
        for (turn, result) in told {
            // A waiter that left in this very moment gives its turn back, which dispatches anew.
            drop(turn.send(result));
        }
    }

    fn admit(self: &Arc<Self>, state: &mut State, waiting: &Waiting, now: Instant) -> Turn {
        if waiting.not_after <= now {
            return Err(Turned::Late);
        }
        let mut before = None;
        if let Some((account, mark)) = waiting
            .place
            .mark()
            .filter(|_| self.positions_must_not_fall)
        {
            before = state.sent.get(&account).copied();
            // The same position is the same bytes.
            if before.is_some_and(|before| mark < before) {
                return Err(Turned::Behind);
            }
            state.sent.insert(account, mark);
        }
        state.busy = state.busy.saturating_add(1);
        Ok(Ticket {
            queue: Arc::clone(self),
            place: waiting.place,
            before,
            arrived: true,
            abandoned: false,
        })
    }

    /// The index of the one whose turn it is.
    fn next(&self, waiting: &[Waiting]) -> Option<usize> {
        let order = |waiting: &Waiting| (self.order(waiting.place), waiting.arrival);
        let first = waiting
            .iter()
            .enumerate()
            .min_by_key(|(_, waiting)| order(waiting));
        first.map(|(index, _)| index)
    }

    /// The index of the one who can best be spared.
    fn last(&self, waiting: &[Waiting]) -> Option<usize> {
        let order = |waiting: &Waiting| (self.order(waiting.place), waiting.arrival);
        let last = waiting
            .iter()
            .enumerate()
            .max_by_key(|(_, waiting)| order(waiting));
        last.map(|(index, _)| index)
    }

    fn order(&self, place: Place) -> (u8, i64, i64, i64) {
        let Some((_, (position, kind))) = place.mark() else {
            return (1, 0, 0, 0);
        };
        let level = i64::from(position.level.get());
        let round = i64::from(position.round.get());
        if self.positions_must_not_fall {
            (0, level, round, kind)
        } else {
            (0, level.saturating_neg(), round.saturating_neg(), 0)
        }
    }
}

#[cfg(test)]
mod tests;
