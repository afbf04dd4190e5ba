//! Three members of etcd, three proxies on them, HAProxy before these, and behind them three signers at the ends of
//! real tunnels. The signers sign anything at any time: all that stands between them and a second signature are the
//! proxies.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use signer_proxy::tezos::{Curve, PublicKey};
use tokio::time::Instant;

use crate::harness::config::Config;
use crate::harness::direct::FLOOR;
use crate::harness::haproxy::Haproxy;
use crate::harness::http;
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;
use crate::harness::sshd::Sshd;
use crate::harness::tunnel::Tunnel;
use crate::harness::wait::until;

use super::history::{Ask, LIMIT};
use super::members::Member;
use super::network::{MACHINES, Net, PROXIES};
use super::timeline::{SIGNERS, Timeline};

/// Two keys of each curve: those of the first belong to the runner, the others to the two bakers.
const ARGUMENTS: &[&str] = &[
    "--no-watermark",
    "--random-nonce",
    "--curve",
    "tz1,tz2,tz3,tz4",
    "--keys-per-curve",
    "2",
];

const NAMES: [&str; SIGNERS] = ["home-a", "home-b", "home-c"];

/// What faults happen to.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) balancer: Haproxy,
    pub(super) proxies: Vec<tokio::sync::Mutex<Proxy>>,
    pub(super) members: Vec<tokio::sync::Mutex<Member>>,
    pub(super) tunnels: Vec<tokio::sync::Mutex<Tunnel>>,
    pub(super) signers: Vec<Signer>,
    timeline: Mutex<Timeline>,
    history: Mutex<Vec<Ask>>,
    leaders: AtomicUsize,
    begun: Instant,
    // Named for Drop alone; the folders last, because they outlive what writes into them.
    _sshd: Sshd,
    _scenes: Vec<Scene>,
}

impl Field {
    /// Everything is up when this has been made.
    pub(super) async fn start() -> Arc<Self> {
        let scene = Scene::new();
        let mut members: Vec<_> = (0..MACHINES).map(|m| Member::new(&scene, m)).collect();
        members.iter_mut().for_each(Member::start);
        for member in &mut members {
            member.until_healthy().await;
        }
        let sshd = Sshd::start(&scene).await;
        let (mut signers, mut tunnels) = (Vec::new(), Vec::new());
        for name in NAMES {
            let signer = Signer::with_keys(&scene, name, ARGUMENTS).await;
            let socket = scene.socket(&format!("{name}.sock"));
            let mut tunnel = Tunnel::unix(&sshd, name, socket, signer.port());
            tunnel.open().await;
            signers.push(signer);
            tunnels.push(tunnel);
        }
        let mut scenes: Vec<_> = (0..PROXIES).map(|_| Scene::new()).collect();
        let mut proxies = Vec::new();
        for (nth, scene) in scenes.iter().enumerate() {
            let mut config = Config::new(scene).table(&tables(nth));
            config = config.keys(signers[0].keys());
            for ((tunnel, name), priority) in tunnels.iter().zip(NAMES).zip(1..) {
                config = config.signer(name, priority, "", &[tunnel.url()]);
            }
            std::fs::create_dir_all(&config.state).unwrap();
            proxies.push(Proxy::new(config));
        }
        proxies[0].init(signers[0].keys(), FLOOR).await;
        for proxy in &mut proxies {
            proxy.start().await;
            proxy.until_signers(&NAMES, "up").await;
        }
        let balancer = Haproxy::before(&scene, &proxies).await;
        scenes.push(scene);
        Arc::new(Self {
            balancer,
            proxies: proxies.into_iter().map(tokio::sync::Mutex::new).collect(),
            members: members.into_iter().map(tokio::sync::Mutex::new).collect(),
            tunnels: tunnels.into_iter().map(tokio::sync::Mutex::new).collect(),
            signers,
            timeline: Mutex::default(),
            history: Mutex::default(),
            leaders: AtomicUsize::new(0),
            begun: Instant::now(),
            _sshd: sshd,
            _scenes: scenes,
        })
    }

    /// The time since the beginning.
    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The point in time `after` the beginning.
    pub(super) fn at(&self, after: Duration) -> Instant {
        self.begun + after
    }

    pub(super) fn timeline(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap()
    }

    /// All that was asked and answered.
    pub(super) fn history(&self) -> MutexGuard<'_, Vec<Ask>> {
        self.history.lock().unwrap()
    }

    /// A fault strikes the leader.
    pub(super) fn count_leader(&self) {
        self.leaders.fetch_add(1, Ordering::Relaxed);
    }

    /// How many faults struck the leader.
    pub(super) fn leaders(&self) -> usize {
        self.leaders.load(Ordering::Relaxed)
    }

    /// What the signers wrote down.
    pub(super) fn logs(&self) -> Vec<PathBuf> {
        let signers = self.signers.iter();
        signers.map(|signer| signer.log().to_owned()).collect()
    }

    /// The keys of the runner.
    pub(super) fn keys_to_run(&self) -> Vec<PublicKey> {
        self.keys(|curve| curve == Curve::Ed25519)
    }

    /// The keys that two bakers have.
    pub(super) fn keys_to_bake(&self) -> Vec<PublicKey> {
        self.keys(|curve| curve != Curve::Ed25519)
    }

    fn keys(&self, of: impl Fn(Curve) -> bool) -> Vec<PublicKey> {
        let keys = self.signers[0].keys().iter();
        keys.filter(|key| of(key.curve())).cloned().collect()
    }

    /// Waits until a proxy is ready, reaches the store, and is asked by the balancer.
    pub(super) async fn until_serving(&self, nth: usize, proxy: &Proxy) {
        let admin = proxy.admin();
        until("a proxy to serve", async || {
            let ready = http::get(&admin, "/readyz").await.ok()?;
            let status = http::get(&admin, "/status").await.ok()?.json();
            let is_well = ready.status == 200 && status["store"]["cause"] == Value::Null;
            is_well.then_some(())
        })
        .await;
        self.balancer.until_up(&format!("p{nth}")).await;
    }
}

/// What proxies have in their files beside keys and signers, as `docs/replicas.md` says.
fn tables(proxy: usize) -> String {
    let mut endpoints = String::new();
    for machine in 0..MACHINES {
        let address = Net::Proxy(proxy).address(machine);
        write!(endpoints, "\"http://{address}:2379\", ").unwrap();
    }
    format!(
        "[store]\nkind = \"etcd\"\nendpoints = [{endpoints}]\ntimeout = \"500ms\"\n\n[guard]\ntwo-bakers = true\n\n\
         [deadline]\nconsensus = \"{}s\"",
        LIMIT.as_secs()
    )
}
