//! The members of a real etcd, each on a machine of its own.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::http;
use crate::harness::process::{Order, Process};
use crate::harness::scene::Scene;
use crate::harness::wait::until;

use super::network::{MACHINES, Net, on};

const CLIENTS: u16 = 2379;
const PEERS: u16 = 2380;

/// A healthy member answers sooner, also on a busy machine.
const SILENCE: Duration = Duration::from_secs(2);

/// One member; its data outlives its process.
#[derive(Debug)]
pub(super) struct Member {
    machine: usize,
    data: PathBuf,
    /// Whether it joins a cluster that is there.
    joins: bool,
    process: Option<Process>,
}

impl Member {
    /// Not started yet.
    pub(super) fn new(scene: &Scene, machine: usize) -> Self {
        Self {
            machine,
            data: scene.file(&format!("m{machine}")),
            joins: false,
            process: None,
        }
    }

    pub(super) const fn data(&self) -> &PathBuf {
        &self.data
    }

    /// Starts it as `docs/replicas.md` says.
    pub(super) fn start(&mut self) {
        let all = (0..MACHINES).map(|machine| format!("m{machine}={}", peer(machine)));
        let client = format!("http://{}:{CLIENTS}", Net::Test.address(self.machine));
        let peer = peer(self.machine);
        let state = if self.joins { "existing" } else { "new" };
        let mut command = on(self.machine, "etcd");
        command
            .args(["--name", &format!("m{}", self.machine), "--data-dir"])
            .arg(&self.data)
            .args(["--initial-cluster", &all.collect::<Vec<_>>().join(",")])
            .args(["--initial-cluster-state", state])
            .args(["--listen-client-urls", &format!("http://0.0.0.0:{CLIENTS}")])
            .args(["--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer])
            .args(["--initial-advertise-peer-urls", &peer])
            .args(["--heartbeat-interval", "50", "--election-timeout", "500"])
            .args(["--pre-vote", "--logger", "zap", "--log-level", "error"]);
        self.process = Some(Process::start("etcd", &mut command));
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    pub(super) fn order(&self, order: Order) {
        self.process.as_ref().expect("it runs").order(order);
    }

    /// Starts it if it does not run, and waits until it answers out of a quorum.
    pub(super) async fn until_healthy(&mut self) {
        until("a member to be healthy", async || {
            // One that finds nobody to join ends.
            if self
                .process
                .as_mut()
                .is_none_or(|one| one.ended().is_some())
            {
                self.start();
            }
            is_healthy(self.machine).await.then_some(())
        })
        .await;
    }

    /// Its disk is lost: it is taken out of the cluster and comes back as a new member without data.
    pub(super) async fn replace(&mut self) {
        self.kill();
        std::fs::remove_dir_all(&self.data).unwrap();
        until(
            "a lost member to be taken out and let in again",
            async || {
                for other in (0..MACHINES).filter(|other| *other != self.machine) {
                    if is_healthy(other).await
                        && is_expected(other, self.machine).await == Some(true)
                    {
                        return Some(());
                    }
                }
                None
            },
        )
        .await;
        self.joins = true;
    }
}

fn peer(machine: usize) -> String {
    format!("http://{}:{PEERS}", Net::Peers.address(machine))
}

/// Takes one step towards a cluster that waits for a new member on `machine`; true if it does. To be repeated, because
/// what was asked may not have been done.
async fn is_expected(asked: usize, machine: usize) -> Option<bool> {
    let listed = call(asked, "/v3/cluster/member/list", &json!({})).await?;
    let members = listed["members"].as_array()?;
    let old = members
        .iter()
        .find(|member| member["peerURLs"][0] == peer(machine));
    match old {
        // One that has not started yet has no name.
        Some(new) if new["name"].is_null() => return Some(true),
        Some(old) => {
            let which = json!({"ID": old["ID"]});
            call(asked, "/v3/cluster/member/remove", &which).await?;
        }
        None => {
            let new = json!({"peerURLs": [peer(machine)]});
            call(asked, "/v3/cluster/member/add", &new).await?;
        }
    }
    Some(false)
}

/// The machine whose member leads, as itself sees it, if there is one.
pub(super) async fn leader() -> Option<usize> {
    let mut leader = None;
    for machine in 0..MACHINES {
        let Some(status) = call(machine, "/v3/maintenance/status", &json!({})).await else {
            continue;
        };
        let term = status["raftTerm"].as_str().unwrap().parse::<u64>().unwrap();
        // One that was cut off may still believe that it leads, in an older term.
        if status["leader"] == status["header"]["member_id"]
            && leader.is_none_or(|(before, _)| before < term)
        {
            leader = Some((term, machine));
        }
    }
    leader.map(|(_, machine)| machine)
}

/// Whether it answers what only a quorum knows.
async fn is_healthy(machine: usize) -> bool {
    let address = format!("{}:{CLIENTS}", Net::Test.address(machine));
    let answer = timeout(SILENCE, http::get(&address, "/health")).await;
    matches!(answer, Ok(Ok(answer)) if answer.status == 200)
}

/// What a member answers, if it does.
async fn call(machine: usize, path: &str, body: &Value) -> Option<Value> {
    let address = format!("{}:{CLIENTS}", Net::Test.address(machine));
    let request = http::sized_post(&address, path, &body.to_string());
    let answer = timeout(SILENCE, http::exchange(&address, &request)).await;
    let answer = answer.ok()?.ok()?;
    (answer.status == 200).then(|| answer.json())
}

/// The revision of the whole store, as the first member knows it.
pub(super) async fn revision() -> Option<i64> {
    let status = call(0, "/v3/maintenance/status", &json!({})).await?;
    status["header"]["revision"].as_str()?.parse().ok()
}

/// Writes under a key that is none of a proxy's.
pub(super) async fn write_noise() {
    let noise = json!({"key": "bm9pc2U=", "value": "bm9pc2U="});
    call(0, "/v3/kv/put", &noise).await;
}
