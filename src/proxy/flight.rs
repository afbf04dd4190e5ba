//! Equal requests share one operation at the signers.
//!
//! The operation runs in a task of its own: a baker that hangs up does not cancel what was claimed and
//! sent, so that its repeat is a replay. Who asks for other bytes never joins; the guard answers them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

use crate::guard::Record;
use crate::tezos::{Digest, PublicKeyHash, Scheme};

use super::error::ProxyError;

/// What makes two requests equal; authentication was checked for each before.
pub(super) type FlightKey = (PublicKeyHash, Digest, Scheme);
type Outcome = Option<Result<Record, ProxyError>>;
type Open = Arc<Mutex<HashMap<FlightKey, Weak<watch::Sender<Outcome>>>>>;

/// Operations under way.
#[derive(Debug, Default)]
pub struct Flights {
    open: Open,
}

/// The leader's end of an operation; no longer open to others once dropped.
pub(super) struct Flight {
    key: FlightKey,
    open: Open,
    outcome: Arc<watch::Sender<Outcome>>,
}

impl Flight {
    /// Resolves when nobody waits any more. Cancel-safe.
    pub(super) async fn unwanted(&self) {
        self.outcome.closed().await;
    }

    /// Whether nobody waits any more.
    pub(super) fn is_unwanted(&self) -> bool {
        self.outcome.is_closed()
    }

    /// Ends the operation for all who wait.
    pub(super) fn land(self, result: Result<Record, ProxyError>) {
        // Off the table first: a request that comes now finds the record instead.
        self.close();
        self.outcome.send_replace(Some(result));
    }

    fn close(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = Arc::downgrade(&self.outcome);
        if open.get(&self.key).is_some_and(|other| other.ptr_eq(&mine)) {
            open.remove(&self.key);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.close();
    }
}

/// A request's seat in an operation.
pub(super) struct Seat {
    /// Present if this request must run the operation.
    pub(super) lead: Option<Flight>,
    outcome: watch::Receiver<Outcome>,
}

impl Seat {
    /// Waits for the end of the operation; `None` if its task ended without one. Cancel-safe.
    pub(super) async fn outcome(mut self) -> Option<Result<Record, ProxyError>> {
        let outcome = self.outcome.wait_for(Option::is_some).await.ok()?;
        outcome.clone()
    }
}

impl Flights {
    /// Joins the operation over `key`, or opens it.
    pub(super) fn board(&self, key: FlightKey) -> Seat {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = open.get(&key).and_then(Weak::upgrade) {
            return Seat {
                lead: None,
                outcome: running.subscribe(),
            };
        }
        let (outcome, receiver) = watch::channel(None);
        let outcome = Arc::new(outcome);
        open.insert(key, Arc::downgrade(&outcome));
        let flight = Flight {
            key,
            open: Arc::clone(&self.open),
            outcome,
        };
        Seat {
            lead: Some(flight),
            outcome: receiver,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tezos::digest;

    fn key() -> FlightKey {
        let hash = "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb".parse().unwrap();
        (hash, digest(b"bytes"), Scheme::Standard)
    }

    #[tokio::test]
    async fn the_second_equal_request_joins_and_both_get_the_outcome() {
        let flights = Flights::default();
        let mut first = flights.board(key());
        let flight = first.lead.take().unwrap();
        let second = flights.board(key());
        assert!(second.lead.is_none());
        flight.land(Err(ProxyError::Overload));
        assert!(matches!(
            first.outcome().await,
            Some(Err(ProxyError::Overload))
        ));
        assert!(matches!(
            second.outcome().await,
            Some(Err(ProxyError::Overload))
        ));
        assert!(flights.board(key()).lead.is_some());
    }

    #[tokio::test]
    async fn unwanted_resolves_only_after_the_last_one_left() {
        let flights = Flights::default();
        let mut first = flights.board(key());
        let flight = first.lead.take().unwrap();
        let second = flights.board(key());
        drop(first);
        let mut unwanted = Box::pin(flight.unwanted());
        tokio::select! {
            biased;
            () = &mut unwanted => panic!("somebody still waits"),
            () = std::future::ready(()) => {}
        }
        drop(second);
        unwanted.await;
    }

    #[tokio::test]
    async fn an_operation_that_vanishes_is_seen_and_can_be_opened_anew() {
        let flights = Flights::default();
        let mut first = flights.board(key());
        drop(first.lead.take());
        assert!(first.outcome().await.is_none());
        assert!(flights.board(key()).lead.is_some());
    }
}
