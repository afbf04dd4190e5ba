//! How much one client may ask at a time, so that none keeps others from asking.
//!
//! Votes and blocks are counted apart: who asks for much else at the same address must not cost them their slots.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use governor::clock::DefaultClock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::settings::Limits;

use super::error::ProxyError;
use super::requester::Client;

/// Clients that are remembered before those that have been quiet are forgotten.
const MANY: usize = 4_096;

/// A client, and whether it is its votes and blocks that are counted.
type Counted = (Client, bool);

type Rates = RateLimiter<Counted, HashMapStateStore<Counted>, DefaultClock>;

/// The requests of all clients.
#[derive(Debug)]
pub struct Clients {
    most: usize,
    under_way: Arc<Mutex<HashMap<Counted, usize>>>,
    rates: Option<Rates>,
}

impl Clients {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let quota = limits
            .client_rate
            .map(|rate| Quota::per_second(rate).allow_burst(limits.client_burst));
        Self {
            most: limits.client_concurrency,
            under_way: Arc::default(),
            rates: quota.map(RateLimiter::hashmap),
        }
    }

    /// A place for one request of `client`, given back when dropped.
    pub(super) fn admit(
        &self,
        client: Client,
        is_consensus: bool,
    ) -> Result<ClientPlace, ProxyError> {
        let counted = (client, is_consensus);
        if let Some(rates) = &self.rates {
            if rates.len() > MANY {
                rates.retain_recent();
            }
            if rates.check_key(&counted).is_err() {
                return Err(ProxyError::TooMuch(
                    "this client asks more often than limits.client-rate allows; ask again",
                ));
            }
        }
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mine = under_way.entry(counted).or_default();
        if *mine >= self.most {
            return Err(ProxyError::TooMuch(
                "this client has as many requests under way as limits.client-concurrency allows; ask again",
            ));
        }
        *mine = mine.saturating_add(1);
        Ok(ClientPlace {
            counted,
            under_way: Arc::clone(&self.under_way),
        })
    }
}

/// The place of one request.
#[derive(Debug)]
pub(super) struct ClientPlace {
    counted: Counted,
    under_way: Arc<Mutex<HashMap<Counted, usize>>>,
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = under_way.get_mut(&self.counted) {
            *mine = mine.saturating_sub(1);
            if *mine == 0 {
                under_way.remove(&self.counted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn limits(rate: Option<u32>) -> Limits {
        Limits {
            client_concurrency: 2,
            client_rate: rate.and_then(NonZeroU32::new),
            client_burst: NonZeroU32::new(3).unwrap(),
        }
    }

    #[test]
    fn each_client_has_so_many_places_and_gets_them_back() {
        let clients = Clients::new(&limits(None));
        let (one, other) = (Client::User(1), Client::User(2));
        let first = clients.admit(one, true).unwrap();
        let _second = clients.admit(one, true).unwrap();
        assert!(clients.admit(one, true).is_err());
        let _others = clients.admit(other, true).unwrap();
        drop(first);
        let again = clients.admit(one, true).unwrap();
        assert!(clients.admit(one, true).is_err());
        drop(again);
        drop(clients.admit(one, true).unwrap());
        assert_eq!(clients.under_way.lock().unwrap().len(), 2);
    }

    #[test]
    fn what_else_a_client_asks_takes_nothing_from_its_votes() {
        let clients = Clients::new(&limits(Some(1)));
        let one = Client::User(1);
        let others = [(); 2].map(|()| clients.admit(one, false).unwrap());
        assert!(clients.admit(one, false).is_err());
        let votes = [(); 2].map(|()| clients.admit(one, true).unwrap());
        drop((others, votes));
        // The rate allows three, and one place was refused after it had been counted.
        assert!(clients.admit(one, false).is_err());
        clients.admit(one, true).unwrap();
    }

    #[test]
    fn a_rate_lets_a_burst_through_and_no_more_for_each_client_alone() {
        let clients = Clients::new(&limits(Some(1)));
        let (one, other) = (Client::User(1), Client::User(2));
        for _ in 0..3 {
            clients.admit(one, true).unwrap();
        }
        let error = clients.admit(one, true).unwrap_err().to_string();
        assert!(error.contains("limits.client-rate"), "{error}");
        clients.admit(other, true).unwrap();
    }
}
