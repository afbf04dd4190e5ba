//! How often each route was asked and how many connections came. Numbers only ever rise.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Requests by route, and connections, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Connections accepted, reset ones included.
    pub connections: u64,
    /// `GET /authorized_keys`
    pub authorized_keys: u64,
    /// `GET /known_keys`
    pub known_keys: u64,
    /// `GET /keys/<pkh>`
    pub public_key: u64,
    /// `GET /bls_prove_possession/<pkh>`
    pub prove_possession: u64,
    /// `POST /keys/<pkh>`
    pub sign: u64,
    /// Requests that were none of these.
    pub other: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: Counter,
    pub(super) authorized_keys: Counter,
    pub(super) known_keys: Counter,
    pub(super) public_key: Counter,
    pub(super) prove_possession: Counter,
    pub(super) sign: Counter,
    pub(super) other: Counter,
}

impl Counters {
    pub(super) fn read(&self) -> Counts {
        Counts {
            connections: self.connections.get(),
            authorized_keys: self.authorized_keys.get(),
            known_keys: self.known_keys.get(),
            public_key: self.public_key.get(),
            prove_possession: self.prove_possession.get(),
            sign: self.sign.get(),
            other: self.other.get(),
        }
    }
}
