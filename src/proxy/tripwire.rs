//! Halts a key when a signer shows that somebody else signs with it.
//!
//! One sighting is enough: the other bytes may be on the chain already, and one more signature of ours
//! beside them can cost the stake. Only an operator resumes the key.

use tokio::sync::mpsc;

use crate::guard::StoreError;
use crate::signer::Sighting;
use crate::task::Tasks;

use super::Proxy;

/// Halts the key of `sighting`, durably, and says so. Returns once nothing more can be claimed for it.
pub(super) async fn halt(proxy: &Proxy, sighting: &Sighting) -> Result<(), StoreError> {
    let stream = sighting.slot.stream;
    let halted = proxy
        .guard
        .halt(stream.into(), sighting.to_string(), sighting.at)
        .await;
    proxy.metrics.foreign_signatures.inc();
    let (key, chain) = (stream.key, stream.chain);
    match &halted {
        Ok(()) => {
            tracing::error!(%key, %chain, signer = sighting.signer, reason = %sighting, "key halted, somebody else signs with it");
        }
        Err(error) => {
            tracing::error!(%key, %chain, reason = %sighting, %error, "somebody else signs with this key, and it cannot be halted");
        }
    }
    halted
}

/// Halts keys on what signers said after their operation had its signature already. Until shutdown.
pub async fn watch(
    proxy: std::sync::Arc<Proxy>,
    mut sightings: mpsc::Receiver<Sighting>,
    tasks: Tasks,
) {
    let shutdown = tasks.shutdown();
    loop {
        let sighting = tokio::select! {
            () = shutdown.cancelled() => return,
            sighting = sightings.recv() => sighting,
        };
        let Some(sighting) = sighting else { return };
        let account = proxy.guard.store().account(sighting.slot.stream.into());
        if account.halt.is_none() {
            // Said in the log; a store that cannot be written signs nothing anyway.
            drop(halt(&proxy, &sighting).await);
        }
    }
}
