//! How each fault is made and lifted, and what the model is told of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use signer_proxy::dev_signer::log::Event;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::harness::wait::{lasts, until};

use super::field::{Field, KINDS};
use super::plan::{Fault, Strike};
use super::timeline::Place;
use super::verdict::PATHS;

/// Half a turn of a tunnel that flaps.
const FLAP: Duration = Duration::from_secs(1);

/// How much slower a slow device is.
const SLOWER: u64 = 10;

/// All places at which something goes wrong.
pub(super) fn places() -> Vec<Place> {
    let of_signer = |signer| {
        let paths = (0..PATHS).map(move |path| Place::Path(signer, path));
        paths.chain([Place::Device(signer)])
    };
    let all = (0..KINDS.len()).flat_map(of_signer);
    all.chain([Place::Server]).collect()
}

/// Lets `strikes` happen at a place, `after` the beginning; everything is lifted when it returns. To be run
/// in a `LocalSet`.
pub(super) async fn suffer(field: Arc<Field>, place: Place, strikes: Vec<Strike>, after: Duration) {
    for strike in strikes {
        lasts(field.at(after), strike.at).await;
        field.timeline().note(strike.fault);
        match place {
            Place::Device(signer) => field.trouble_device(signer, strike).await,
            Place::Path(signer, path) => field.trouble_path(signer, path, strike).await,
            Place::Server => field.restart_server(strike).await,
        }
    }
}

impl Field {
    fn ill(&self, place: Place, fault: Fault) -> usize {
        let now = self.now();
        self.timeline().begin(place, fault, now)
    }

    fn healed(&self, number: usize) {
        let now = self.now();
        self.timeline().end(number, now);
    }

    async fn trouble_path(&self, signer: usize, path: usize, strike: Strike) {
        let mut tunnel = self.tunnels[signer][path].lock().await;
        let number = self.ill(Place::Path(signer, path), strike.fault);
        let begun = Instant::now();
        match strike.fault {
            Fault::Flapping => {
                while begun.elapsed() < strike.lasts {
                    tunnel.kill();
                    lasts(Instant::now(), FLAP).await;
                    tunnel.open().await;
                    lasts(Instant::now(), FLAP).await;
                }
            }
            Fault::Stalled => {
                tunnel.stall();
                lasts(begun, strike.lasts).await;
                tunnel.resume();
                tunnel.open().await;
            }
            Fault::StaleListener => {
                tunnel.stall();
                let mut stale = tunnel.leave();
                // It may be in vain for long: while something knocks at the port, sshd does not look
                // whether the client is alive.
                tokio::select! {
                    () = tunnel.open() => {}
                    () = lasts(begun, strike.lasts) => {}
                }
                stale.kill();
                tunnel.open().await;
            }
            Fault::Rebound => {
                tunnel.stall();
                let mut stale = tunnel.leave();
                tunnel.open().await;
                self.healed(number);
                lasts(begun, strike.lasts).await;
                stale.kill();
                return;
            }
            Fault::Killed
            | Fault::Slow
            | Fault::Status500
            | Fault::Garbage
            | Fault::WrongSignature
            | Fault::SignThenReset
            | Fault::Hung
            | Fault::Drained
            | Fault::Restarted => {
                tunnel.kill();
                lasts(begun, strike.lasts).await;
                tunnel.open().await;
            }
        }
        self.healed(number);
    }

    async fn trouble_device(&self, signer: usize, strike: Strike) {
        let (device, kind) = (&self.signers[signer], KINDS[signer]);
        let number = self.ill(Place::Device(signer), strike.fault);
        let (begun, logged) = (Instant::now(), device.log().metadata().unwrap().len());
        if strike.fault == Fault::Drained {
            self.proxy.command(&["drain", kind.name], &[]).await.ok();
            lasts(begun, strike.lasts).await;
            self.proxy.command(&["undrain", kind.name], &[]).await.ok();
        } else {
            device
                .faults(&switches(strike.fault, kind.latency_ms))
                .await;
            lasts(begun, strike.lasts).await;
            device.faults(&well(kind.latency_ms)).await;
        }
        if strike.fault == Fault::Slow {
            self.until_idle(signer, logged).await;
        }
        self.healed(number);
    }

    /// Waits until a device has finished all that has reached it since the byte `from` of its log.
    async fn until_idle(&self, signer: usize, from: u64) {
        until("a slow device to be idle", async || {
            let mut open: HashMap<String, i32> = HashMap::new();
            for entry in self.entries(signer, from) {
                *open.entry(entry.digest).or_default() += match entry.event {
                    Event::Received => 1,
                    Event::Refused | Event::Replayed | Event::Signed => -1,
                };
            }
            open.values().all(|open| *open <= 0).then_some(())
        })
        .await;
    }

    /// All tunnels end; homes open them again as soon as they can.
    async fn restart_server(self: &Arc<Self>, strike: Strike) {
        let mut sshd = self.sshd.lock().await;
        let paths = (0..KINDS.len()).flat_map(|signer| (0..PATHS).map(move |path| (signer, path)));
        let ill: Vec<_> = paths
            .map(|(signer, path)| {
                let number = self.ill(Place::Path(signer, path), strike.fault);
                (signer, path, number)
            })
            .collect();
        let begun = Instant::now();
        sshd.stop();
        lasts(begun, strike.lasts).await;
        sshd.start_again().await;
        let mut again = JoinSet::new();
        for (signer, path, number) in ill {
            let field = Arc::clone(self);
            again.spawn_local(async move {
                field.tunnels[signer][path].lock().await.open().await;
                field.healed(number);
            });
        }
        again.join_all().await;
    }
}

/// A device without faults.
fn well(latency_ms: u64) -> Value {
    json!({
        "latency_ms": latency_ms, "status500": false, "garbage": false, "wrong_signature": false,
        "sign_then_reset": false, "stall": "none"
    })
}

fn switches(fault: Fault, latency_ms: u64) -> Value {
    match fault {
        Fault::Slow => json!({"latency_ms": latency_ms * SLOWER}),
        Fault::Status500 => json!({"status500": true}),
        Fault::Garbage => json!({"garbage": true}),
        Fault::WrongSignature => json!({"wrong_signature": true}),
        Fault::SignThenReset => json!({"sign_then_reset": true}),
        Fault::Hung => json!({"stall": "sign"}),
        Fault::Killed
        | Fault::Stalled
        | Fault::Flapping
        | Fault::StaleListener
        | Fault::Rebound
        | Fault::Drained
        | Fault::Restarted => panic!("{fault:?} has no switch"),
    }
}
