//! Halts a key when a signer shows that somebody else signs with it.
//!
//! One sighting is enough: the other bytes may be on the chain already, and one more signature of ours
//! beside them can cost the stake. Only an operator resumes the key. A halt that the store cannot make durable
//! now is kept in memory, and nothing is claimed for the key until it is durable.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::guard::{Account, StoreError};
use crate::signer::Sighting;
use crate::task::Tasks;

use super::Proxy;

/// Halts that are not durable yet.
#[derive(Debug, Default)]
pub struct DueHalts {
    due: Mutex<HashMap<Account, Sighting>>,
}

impl DueHalts {
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<Account, Sighting>) -> T) -> T {
        change(&mut self.due.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn of(&self, account: Account) -> Option<Sighting> {
        self.with(|due| due.get(&account).cloned())
    }
}

/// Makes a halt of `account` durable that could not be before. Nothing may be claimed for it on an error.
pub(super) async fn settle(proxy: &Proxy, account: Account) -> Result<(), StoreError> {
    match proxy.due_halts.of(account) {
        None => Ok(()),
        Some(sighting) => make(proxy, &sighting).await.map_err(|error| {
            StoreError::Unavailable(format!(
                "somebody else signs with this key, and that cannot be made durable ({error}): {sighting}"
            ))
        }),
    }
}

/// Halts the key of `sighting` and says so. From now on nothing is claimed for it, whether the store can be
/// written or not.
pub(super) async fn halt(proxy: &Proxy, sighting: &Sighting) {
    let stream = sighting.slot.stream;
    proxy
        .due_halts
        .with(|due| due.insert(stream.into(), sighting.clone()));
    proxy.metrics.foreign_signatures.inc();
    let (key, chain) = (stream.key, stream.chain);
    match make(proxy, sighting).await {
        Ok(()) => {
            tracing::error!(%key, %chain, signer = sighting.signer, reason = %sighting, "key halted, somebody else signs with it");
        }
        Err(error) => {
            tracing::error!(%key, %chain, reason = %sighting, %error, "somebody else signs with this key, and the halt is not durable yet");
        }
    }
}

async fn make(proxy: &Proxy, sighting: &Sighting) -> Result<(), StoreError> {
    let reason = sighting.to_string();
    proxy.guard.halt(sighting.slot, reason, sighting.at).await?;
    proxy
        .due_halts
        .with(|due| due.remove(&sighting.slot.stream.into()));
    Ok(())
}

/// Halts keys on what signers said after their operation had its signature already. Until shutdown.
pub async fn watch(proxy: Arc<Proxy>, mut sightings: mpsc::Receiver<Sighting>, tasks: Tasks) {
    let shutdown = tasks.shutdown();
    loop {
        let sighting = tokio::select! {
            () = shutdown.cancelled() => return,
            sighting = sightings.recv() => sighting,
        };
        let Some(sighting) = sighting else { return };
        let account = proxy.guard.store().account(sighting.slot.stream.into());
        if account.halt.is_none() {
            halt(&proxy, &sighting).await;
        }
    }
}
