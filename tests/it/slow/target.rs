//! The proxy that is held up, with the door of each protocol, and what it uses of its machine.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use signer_proxy::tezos::PublicKey;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::harness::baker::Baker;
use crate::harness::checker;
use crate::harness::config::Config;
use crate::harness::direct::FLOOR;
use crate::harness::frames::Door;
use crate::harness::payload::attestation;
use crate::harness::ports;
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;
use crate::harness::wait::until;

/// The machine of whoever holds the proxy up: `slowhttptest` cannot choose another.
pub(crate) const THEIRS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Another machine.
const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Which protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Through {
    Http,
    Tcp,
}

/// From where the baker asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Neighbour {
    OtherAddress,
    SameAddress,
}

/// What a process uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    pub(crate) files: usize,
    /// KiB of memory now.
    pub(crate) resident: u64,
    /// The most of it since [`Target::forget_peak`].
    pub(crate) peak: u64,
    /// Hundredths of a second that it has computed.
    pub(crate) ticks: u64,
}

/// How long each signature took, or what came instead.
pub(crate) type Outcomes = Vec<(Duration, Result<(), String>)>;

/// A proxy before one signer.
#[derive(Debug)]
pub(crate) struct Target {
    proxy: Proxy,
    signer: Signer,
    tcp: String,
    /// Open files while nobody asks.
    idle: usize,
    // Last, so that it outlives what writes into it.
    scene: Scene,
}

impl Target {
    pub(crate) async fn start() -> Self {
        let scene = Scene::new();
        let signer = Signer::start(&scene, "home-a", &[]).await;
        let tcp = format!("127.0.0.1:{}", ports::free());
        let url = format!("http://{}", signer.address());
        let config = Config::new(&scene)
            .listen(&format!("tcp = \"{tcp}\""))
            .keys(signer.keys())
            .signer("home-a", 1, "", &[url]);
        let mut proxy = Proxy::new(config);
        proxy.init(signer.keys(), FLOOR).await;
        proxy.start_with_few_files().await;
        proxy.until_signers(&["home-a"], "up").await;
        let mut target = Self {
            proxy,
            signer,
            tcp,
            idle: 0,
            scene,
        };
        target.idle = target.footprint().files;
        target
    }

    pub(crate) const fn idle_files(&self) -> usize {
        self.idle
    }

    pub(crate) fn address(&self, through: Through) -> String {
        match through {
            Through::Http => self.proxy.address(),
            Through::Tcp => self.tcp.clone(),
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.scene.file(name)
    }

    /// Where signatures of a key are asked for over HTTP.
    pub(crate) fn sign_path(&self) -> String {
        format!("/keys/{}", self.signer.keys()[0].hash())
    }

    /// Asks for `each` attestations of every key above `floor`, one at a time per key, on new connections.
    pub(crate) async fn ask(
        &self,
        (through, neighbour): (Through, Neighbour),
        floor: u32,
        each: u32,
        period: Duration,
    ) -> Outcomes {
        let source = match neighbour {
            Neighbour::OtherAddress => OURS,
            Neighbour::SameAddress => THEIRS,
        };
        let address = self.address(through);
        let mut keys = JoinSet::new();
        for key in self.signer.keys().to_vec() {
            let baker = Baker::new(&address, self.signer.keys()).at(source);
            let door = Door::TcpFrom(source, address.clone());
            keys.spawn(async move {
                let mut ticks = interval(period);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
                let mut outcomes = Outcomes::new();
                for nth in 1..=each {
                    ticks.tick().await;
                    let begun = Instant::now();
                    let came = match through {
                        Through::Http => over_http(&baker, &key, floor + nth).await,
                        Through::Tcp => {
                            let bytes = attestation(floor + nth).bytes(key.curve(), 1);
                            door.sign(&key, &bytes, None).await.map(drop)
                        }
                    };
                    outcomes.push((begun.elapsed(), came));
                }
                outcomes
            });
        }
        keys.join_all().await.concat()
    }

    pub(crate) fn footprint(&self) -> Footprint {
        let folder = format!("/proc/{}", self.proxy.id());
        let status = std::fs::read_to_string(format!("{folder}/status")).unwrap();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.split_whitespace().nth(1));
            number.unwrap().parse().unwrap()
        };
        let stat = std::fs::read_to_string(format!("{folder}/stat")).unwrap();
        // The name between the brackets may contain anything; the state follows it.
        let (_, rest) = stat.rsplit_once(')').unwrap();
        let spent = rest.split_whitespace().skip(11).take(2);
        let ticks = spent.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Footprint {
            files: std::fs::read_dir(format!("{folder}/fd")).unwrap().count(),
            resident: kib("VmRSS"),
            peak: kib("VmHWM"),
            ticks,
        }
    }

    /// From here on the peak is that of what follows.
    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.proxy.id()), "5").unwrap();
    }

    /// Waits until its open files are as `wanted`.
    pub(crate) async fn until_files(&self, what: &str, wanted: impl Fn(usize) -> bool) {
        until(what, async || wanted(self.footprint().files).then_some(())).await;
    }

    /// See [`checker::assert_clean`].
    pub(crate) fn assert_clean(&self, signed: usize) {
        checker::assert_clean(&[&self.signer], signed);
    }
}

async fn over_http(baker: &Baker, key: &PublicKey, level: u32) -> Result<(), String> {
    let bytes = attestation(level).bytes(key.curve(), 1);
    let outcome = baker.sign(key, &bytes).await;
    outcome.get?;
    outcome.signature.map(drop)
}
