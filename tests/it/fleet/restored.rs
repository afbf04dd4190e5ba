//! A whole cluster that is restored from a snapshot before three live proxies, each of which remembers more.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::harness::baker::Baker;
use crate::harness::checker::judge;
use crate::harness::direct::FLOOR;
use crate::harness::payload::attestation;
use crate::harness::process::Order;
use crate::harness::wait::until;

use super::field::Field;
use super::members::{revision, write_noise};
use super::network::{MACHINES, PROXIES};

/// Signed before the snapshot, signed after it, and never signed.
const BEFORE: u32 = FLOOR + 1;
const SINCE: u32 = FLOOR + 2;
const NEVER: u32 = FLOOR + 3;

impl Field {
    /// Stops all members and copies their data, or puts the copies in its place; then starts them again.
    async fn copy(&self, back: bool) {
        for member in &self.members {
            member.lock().await.kill();
        }
        for member in &self.members {
            let data = member.lock().await.data().clone();
            let mut copy = data.clone().into_os_string();
            copy.push(".snapshot");
            let copy = PathBuf::from(copy);
            let (from, to) = if back { (&copy, &data) } else { (&data, &copy) };
            if back {
                std::fs::remove_dir_all(&data).unwrap();
            }
            let copied = Command::new("cp").arg("-a").args([from, to]).status();
            assert!(copied.unwrap().success());
        }
        for member in &self.members {
            member.lock().await.start();
        }
        for machine in 0..MACHINES {
            self.members[machine].lock().await.until_healthy().await;
        }
    }

    /// Everybody asks a proxy, or the balancer, at `address` for the vote of `fill` at `level`, with each key. Gives what
    /// was refused, in words.
    async fn ask_all(&self, address: &str, level: u32, fill: u8) -> Vec<String> {
        let (baker, mut refused) = (Baker::new(address, self.signers[0].keys()), Vec::new());
        for key in self.signers[0].keys() {
            let bytes = attestation(level).bytes(key.curve(), fill);
            if let Err(words) = baker.sign(key, &bytes).await.signature {
                refused.push(words);
            }
        }
        refused
    }

    /// Asks a proxy for what must not be signed any more; all of it is refused for the reason `why`.
    async fn assert_doubts(&self, nth: usize, why: &str) {
        let address = self.proxies[nth].lock().await.address();
        for (level, fill) in [(NEVER, 1), (SINCE, 2), (SINCE, 1)] {
            let refused = self.ask_all(&address, level, fill).await;
            let keys = self.signers[0].keys().len();
            // What was signed is given again by whoever remembers it.
            let may_be_repeated = (level, fill) == (SINCE, 1);
            assert!(may_be_repeated || refused.len() == keys, "{refused:?}");
            for words in refused {
                for part in ["[store] ", "is not believed", why] {
                    assert!(
                        words.contains(part),
                        "no {part:?} from proxy {nth}: {words}"
                    );
                }
            }
        }
        assert_eq!(self.proxies[nth].lock().await.ready().await, 503);
    }

    /// Waits until the witness of a proxy has all that was signed.
    async fn until_witnessed(&self, nth: usize) {
        let file = self.proxies[nth].lock().await.config.state.clone();
        let file = file.join("etcd-witness.json");
        until("the witness to be written", async || {
            let witness: Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
            let floors = witness["floors"].as_array()?.iter();
            let signed = floors.filter(|floor| floor[1] == SINCE).count();
            (signed == self.signers[0].keys().len()).then_some(())
        })
        .await;
    }

    async fn received(&self) -> usize {
        let mut received = 0;
        for signer in &self.signers {
            received += signer.received().await;
        }
        received
    }
}

/// See the test.
pub(super) async fn scenario() {
    let field = Field::start().await;
    let balancer = field.balancer.address();
    assert_eq!(field.ask_all(&balancer, BEFORE, 1).await, [""; 0]);
    field.copy(false).await;
    for nth in 0..PROXIES {
        field
            .until_serving(nth, &*field.proxies[nth].lock().await)
            .await;
    }
    assert_eq!(field.ask_all(&balancer, SINCE, 1).await, [""; 0]);
    let (before, received) = (revision().await.unwrap(), field.received().await);
    // One runs on, one is started anew with nothing but its witness, one stands still until the revision tells nothing.
    let [running, anew, still] = [0, 1, 2];
    for nth in [anew, still] {
        field.until_witnessed(nth).await;
    }
    field.proxies[anew].lock().await.kill9();
    field.proxies[still].lock().await.order(Order::Stop);
    field.copy(true).await;
    until("the one that runs to find it out", async || {
        let ready = field.proxies[running].lock().await.ready().await;
        (ready == 503).then_some(())
    })
    .await;
    field.assert_doubts(running, "restored from a backup").await;
    until("the revision to have caught up", async || {
        write_noise().await;
        (revision().await? > before + 50).then_some(())
    })
    .await;
    field.proxies[anew].lock().await.start_refusing().await;
    field.assert_doubts(anew, "watermark of").await;
    field.proxies[still].lock().await.order(Order::Continue);
    field.assert_doubts(still, "restored from a backup").await;
    let all = field.ask_all(&balancer, NEVER, 2).await;
    assert_eq!(all.len(), field.signers[0].keys().len(), "{all:?}");
    assert_eq!(field.received().await, received);
    let signers: Vec<_> = field.signers.iter().collect();
    judge(&signers).unwrap_or_else(|conflicts| panic!("{conflicts:#?}"));
    println!(
        "all {PROXIES} proxies refuse; {received} payloads at the signers, none since the snapshot came back"
    );
}
