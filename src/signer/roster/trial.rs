//! Signers that failed at signing: who is still worth waiting for, and who may show that it signs again.

use std::sync::Arc;

use tokio::time::Instant;

use crate::tezos::PublicKeyHash;

use super::super::health::SignerState;
use super::{Roster, Served, Signer};

impl Roster {
    /// Signers that may come to sign for `key`, in no order: while one of them has not refused, a request is
    /// worth its wait.
    #[must_use]
    pub fn could_serve(&self, key: PublicKeyHash) -> Vec<Arc<Signer>> {
        self.candidates(key, None)
    }

    /// Signers that are suspect because they failed at signing, though they showed `key` and a path to them
    /// answers, in the order of the configuration. Whether their device is free is for the caller to see.
    #[must_use]
    pub fn on_trial(&self, key: PublicKeyHash) -> Vec<Arc<Signer>> {
        let now = Instant::now();
        self.signers
            .iter()
            .filter(|signer| signer.state() == SignerState::Suspect && signer.is_blamed(now))
            .filter(|signer| signer.serves(key) == Served::Proved && signer.has_spoken())
            .cloned()
            .collect()
    }

    /// Takes in that a signer on trial did not sign: nothing more is held against it or its path. One that
    /// signs is [`Roster::exonerated`].
    pub fn trial_failed(&self, signer: &Signer) {
        tracing::debug!(signer = signer.name(), "trial failed");
    }
}
