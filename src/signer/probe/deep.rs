//! Deep probes: a slow look at the device behind a signer, as the operator describes it.
//!
//! Advice for people: what it shows is told and decides nothing, because what it asks is another program's
//! opinion. It never goes out while a signature is under way, and it is no sign of life of its path.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::settings::DeepProbe;
use crate::tezos::{PublicKeyHash, wire};

use super::super::cause::Cause;
use super::super::client::{Gate, Outgoing};
use super::super::health::PathState;
use super::super::roster::{Path, Served, Signer};
use super::{Prober, between};

/// An answer is waited for as long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// When the device is busy or out of reach, the next look is due after this.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A signature that begins meanwhile is noticed within this.
const GIVE_WAY: Duration = Duration::from_millis(20);
/// What stands for a key.
const KEY: &str = "{key}";

impl Prober {
    /// Looks at the device behind `signer` for ever.
    pub(super) async fn look_deep(&self, signer: &Arc<Signer>, settings: &DeepProbe) {
        let tenth = settings.period.checked_div(10).unwrap_or_default();
        let (least, most) = (settings.period.saturating_sub(tenth), settings.period);
        let mut turn = 0;
        loop {
            let pause = between(self.roster().chance(), least, most.saturating_add(tenth));
            tokio::time::sleep(pause).await;
            let target = loop {
                if let Some(target) = self.deep_target(signer, &settings.path, turn) {
                    break target;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            };
            turn = turn.wrapping_add(1);
            if let Some(outcome) = ask(signer, target).await {
                self.roster().deep_probed(signer, outcome);
            }
        }
    }

    /// What is asked, if now is a time to ask: the device has nothing to do, and a path to it answers.
    fn deep_target(&self, signer: &Signer, path: &str, turn: usize) -> Option<String> {
        let is_busy = signer.under_way() > 0 || !signer.queue().is_idle();
        let best = best_of_http(signer)?;
        // One is left for signatures and probes.
        let has_room = best.client().free_connections() >= 2;
        if is_busy || best.state() != PathState::Up || !has_room {
            return None;
        }
        if !path.contains(KEY) {
            return Some(path.to_owned());
        }
        let mut keys = self.sink().keys();
        keys.retain(|key| signer.serves(*key) == Served::Proved);
        let key: &PublicKeyHash = keys.get(turn.checked_rem(keys.len())?)?;
        Some(path.replace(KEY, &key.to_string()))
    }
}

/// The path to ask over: the socket protocol has no such question.
fn best_of_http(signer: &Signer) -> Option<&Arc<Path>> {
    let mut paths = signer.paths_in_order().into_iter();
    paths.find(|path| path.url().is_http())
}

/// Resolves soon after a signature has begun.
async fn signing(signer: &Signer) {
    while signer.under_way() == 0 {
        tokio::time::sleep(GIVE_WAY).await;
    }
}

/// Asks once; nothing if what came says more of the path than of the device.
async fn ask(signer: &Signer, target: String) -> Option<Result<(), Cause>> {
    let best = best_of_http(signer)?;
    let (outgoing, gate) = (Outgoing::get(target), Gate::open());
    let begun = Instant::now();
    let asked = tokio::time::timeout(TIMEOUT, best.client().send(&outgoing, &gate));
    let answer = tokio::select! {
        biased;
        answer = asked => answer,
        // The connection ends, and with it whatever the far side does for it.
        () = signing(signer) => return None,
    };
    match answer {
        Ok(Ok(answer)) if answer.status.is_success() => Some(Ok(())),
        Ok(Ok(answer)) => {
            let words = wire::decode_error(&answer.body).unwrap_or_default();
            Some(Err(Cause::Status(answer.status.as_u16(), words)))
        }
        // A path that is gone is seen by its own probes.
        Ok(Err(error)) => {
            tracing::debug!(signer = signer.name(), cause = %error.cause, after = ?begun.elapsed(), "deep probe lost");
            None
        }
        Err(_) => Some(Err(Cause::Silent)),
    }
}
