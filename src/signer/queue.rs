//! The queue in front of one device: so many signatures at a time, in an order that serves the chain.
//!
//! Consensus goes before anything else. A device with one position over all kinds (a Ledger) must never
//! see positions fall: lowest level and round first, then block, preattestation, attestation. Others get
//! the newest first, because after an outage only the newest is still of use.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::tezos::{ChainId, ConsensusKind, Position, PublicKeyHash};

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

/// The queue. Share by `Arc`.
#[derive(Debug)]
pub(super) struct DeviceQueue {
    capacity: usize,
    positions_must_not_fall: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    busy: usize,
    arrivals: u64,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    arrival: u64,
    place: Place,
    turn: oneshot::Sender<Ticket>,
}

/// The right to use the device; ends when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    queue: Arc<DeviceQueue>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.release();
    }
}

impl DeviceQueue {
    pub(super) fn new(capacity: usize, positions_must_not_fall: bool) -> Self {
        Self {
            capacity,
            positions_must_not_fall,
            state: Mutex::default(),
        }
    }

    /// Waits for a turn. Cancel-safe: who stops waiting leaves the queue.
    pub(super) async fn acquire(self: &Arc<Self>, place: Place) -> Option<Ticket> {
        let turn = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.busy < self.capacity {
                state.busy = state.busy.saturating_add(1);
                return Some(Ticket {
                    queue: Arc::clone(self),
                });
            }
            let (turn, mine) = oneshot::channel();
            let arrival = state.arrivals;
            state.arrivals = arrival.saturating_add(1);
            state.waiting.retain(|waiting| !waiting.turn.is_closed());
            state.waiting.push(Waiting {
                arrival,
                place,
                turn,
            });
            mine
        };
        turn.await.ok()
    }

    /// How many wait for a turn.
    pub(super) fn waiting(&self) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state
            .waiting
            .iter()
            .filter(|waiting| !waiting.turn.is_closed())
            .count()
    }

    fn release(self: &Arc<Self>) {
        let mut ticket = None;
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.waiting.retain(|waiting| !waiting.turn.is_closed());
            let next = next(&state.waiting, self.positions_must_not_fall);
            match next {
                Some(index) => ticket = Some(state.waiting.swap_remove(index).turn),
                None => state.busy = state.busy.saturating_sub(1),
            }
        }
        if let Some(turn) = ticket {
            // A waiter that left in this very moment gives the ticket back, which releases anew.
            drop(turn.send(Ticket {
                queue: Arc::clone(self),
            }));
        }
    }
}

/// The index of the one whose turn it is.
fn next(waiting: &[Waiting], positions_must_not_fall: bool) -> Option<usize> {
    let order = |waiting: &Waiting| match waiting.place {
        Place::Consensus {
            account: _,
            position,
            kind,
        } => {
            let level = i64::from(position.level.get());
            let round = i64::from(position.round.get());
            if positions_must_not_fall {
                (0, level, round, kind.order_in_round())
            } else {
                (0, level.saturating_neg(), round.saturating_neg(), 0)
            }
        }
        Place::Other => (1, 0, 0, 0),
    };
    waiting
        .iter()
        .enumerate()
        .min_by_key(|(_, waiting)| (order(waiting), waiting.arrival))
        .map(|(index, _)| index)
}

#[cfg(test)]
mod tests;
