//! Look-ups of public keys that no signer has shown yet, on behalf of requests.
//!
//! Requests can name any key, so what they cause at the signers is bounded: one look-up of a key at a
//! time, few at once, and a key that every signer has just denied is not asked for again for a moment.
//! A look-up ends at once when a probe brings the key. Decides nothing about policies or statuses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::signer::Seek;
use crate::tezos::{PublicKey, PublicKeyHash};

use super::Proxy;

/// Look-ups at once.
const AT_ONCE: usize = 4;
/// How long it is remembered that every signer denied a key.
const DENIED: Duration = Duration::from_secs(1);
/// Keys whose denial is remembered, at most.
const DENIALS: usize = 256;

/// Look-ups under way and what came of the last ones. One per process.
#[derive(Debug)]
pub struct Lookups {
    turns: Semaphore,
    gates: Mutex<BTreeMap<PublicKeyHash, Gate>>,
    denied: Mutex<BTreeMap<PublicKeyHash, Instant>>,
}

/// Lets one request of a key through at a time.
#[derive(Debug)]
struct Gate {
    lock: Arc<tokio::sync::Mutex<()>>,
    /// Requests that have or want the lock.
    requests: usize,
}

impl Default for Lookups {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(AT_ONCE),
            gates: Mutex::default(),
            denied: Mutex::default(),
        }
    }
}

impl Lookups {
    fn enter(&self, key: PublicKeyHash) -> Entered<'_> {
        let mut gates = whole(&self.gates);
        let gate = gates.entry(key).or_insert_with(|| Gate {
            lock: Arc::default(),
            requests: 0,
        });
        gate.requests = gate.requests.saturating_add(1);
        Entered {
            lookups: self,
            key,
            lock: Arc::clone(&gate.lock),
        }
    }

    fn was_denied(&self, key: PublicKeyHash) -> bool {
        let denied = whole(&self.denied);
        denied.get(&key).is_some_and(|at| at.elapsed() < DENIED)
    }

    fn note_denied(&self, key: PublicKeyHash) {
        let mut denied = whole(&self.denied);
        denied.retain(|_, at| at.elapsed() < DENIED);
        if denied.len() < DENIALS {
            denied.insert(key, Instant::now());
        }
    }
}

/// A request at the gate of its key; the gate goes with the last one.
struct Entered<'a> {
    lookups: &'a Lookups,
    key: PublicKeyHash,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut gates = whole(&self.lookups.gates);
        if let Some(gate) = gates.get_mut(&self.key) {
            gate.requests = gate.requests.saturating_sub(1);
            if gate.requests == 0 {
                gates.remove(&self.key);
            }
        }
    }
}

/// Makes probes ask for a key as well, for as long as its look-up lasts.
struct Wanted<'a> {
    proxy: &'a Proxy,
    key: PublicKeyHash,
}

impl<'a> Wanted<'a> {
    fn new(proxy: &'a Proxy, key: PublicKeyHash) -> Self {
        proxy.cache.want(key);
        Self { proxy, key }
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.proxy.cache.unwant(self.key);
    }
}

/// The public key of `key`: from the copy, or from the signers until `until`. Cancel-safe: when a
/// request is dropped in the middle of its look-up, the next one of the key takes it over.
pub(super) async fn public_key(proxy: &Proxy, key: PublicKeyHash, until: Instant) -> Seek {
    tokio::select! {
        biased;
        public_key = shown(proxy, key) => Seek::Found(public_key),
        seek = in_turn(proxy, key, until) => seek,
    }
}

/// Waits until the copy has the key.
async fn shown(proxy: &Proxy, key: PublicKeyHash) -> PublicKey {
    let mut news = proxy.cache.news();
    loop {
        news.borrow_and_update();
        if let Some(public_key) = proxy.cache.public_key(key) {
            return public_key;
        }
        if news.changed().await.is_err() {
            // The copy lives as long as the proxy.
            std::future::pending::<()>().await;
        }
    }
}

async fn in_turn(proxy: &Proxy, key: PublicKeyHash, until: Instant) -> Seek {
    let lookups = &proxy.lookups;
    if lookups.was_denied(key) {
        return Seek::Denied { by_all: true };
    }
    let entered = lookups.enter(key);
    let Ok(_first) = tokio::time::timeout_at(until, entered.lock.lock()).await else {
        return Seek::Unanswered;
    };
    // The one before may have found out.
    if lookups.was_denied(key) {
        return Seek::Denied { by_all: true };
    }
    let Ok(Ok(_turn)) = tokio::time::timeout_at(until, lookups.turns.acquire()).await else {
        return Seek::Unanswered;
    };
    let _wanted = Wanted::new(proxy, key);
    let seek = proxy.prober.seek(key, until).await;
    if matches!(seek, Seek::Denied { by_all: true }) {
        lookups.note_denied(key);
    }
    seek
}

/// Locks a map whose changes are single calls, so that a panic cannot have left one half done.
fn whole<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}
