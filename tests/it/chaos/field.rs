//! Three signers with the same keys, two of them like Ledgers, each behind a forwarded port and a forwarded
//! Unix socket; and the proxy where the tunnels end.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use signer_proxy::dev_signer::log::{Entry, Event};
use tokio::time::Instant;

use crate::harness::baker::Baker;
use crate::harness::config::Config;
use crate::harness::direct::FLOOR;
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;
use crate::harness::sshd::Sshd;
use crate::harness::tunnel::Tunnel;

use super::timeline::Timeline;
use super::verdict::{Lost, PATHS, Part, Well, well_in_time};

/// What is in a home.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Of one signature.
    pub(super) latency_ms: u64,
    /// One position over all kinds and nothing twice.
    pub(super) is_ledger: bool,
}

/// In the order of their priority.
pub(super) const KINDS: [Kind; 3] = [
    Kind {
        name: "ledger-a",
        latency_ms: 200,
        is_ledger: true,
    },
    Kind {
        name: "ledger-b",
        latency_ms: 300,
        is_ledger: true,
    },
    Kind {
        name: "octez",
        latency_ms: 30,
        is_ledger: false,
    },
];

/// What a chaos happens to.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) baker: Baker,
    pub(super) proxy: Proxy,
    pub(super) tunnels: Vec<[tokio::sync::Mutex<Tunnel>; PATHS]>,
    pub(super) signers: Vec<Signer>,
    pub(super) sshd: tokio::sync::Mutex<Sshd>,
    timeline: Mutex<Timeline>,
    begun: Instant,
    begun_at: Timestamp,
    // Last, so that it outlives what writes into it.
    _scene: Scene,
}

impl Field {
    /// Everything is up when this has been made.
    pub(super) async fn start() -> Self {
        let scene = Scene::new();
        let sshd = Sshd::start(&scene).await;
        let (mut signers, mut tunnels) = (Vec::new(), Vec::new());
        let mut config = Config::new(&scene);
        for (kind, priority) in KINDS.iter().zip(1..) {
            let latency = kind.latency_ms.to_string();
            let ledger = ["--shared-watermark", "--refuse-repeats"];
            let arguments = [
                &["--curve", "tz1,tz2,tz3,tz4"][..],
                &["--serial", "--latency-ms", &latency],
                if kind.is_ledger { &ledger[..] } else { &[] },
            ];
            let signer = Signer::with_keys(&scene, kind.name, &arguments.concat()).await;
            let socket = scene.socket(&format!("{}.sock", kind.name));
            let name = |which: &str| format!("{} {which}", kind.name);
            let mut both = [
                Tunnel::tcp(&sshd, &name("port"), signer.port()),
                Tunnel::unix(&sshd, &name("socket"), socket, signer.port()),
            ];
            for tunnel in &mut both {
                tunnel.open().await;
            }
            let settings = if kind.is_ledger {
                "capacity = 1\nrepeat = \"refuse\"\nshared-watermark = true"
            } else {
                ""
            };
            let urls = both.each_ref().map(Tunnel::url);
            config = config.signer(kind.name, priority, settings, &urls);
            signers.push(signer);
            tunnels.push(both.map(tokio::sync::Mutex::new));
        }
        let mut proxy = Proxy::new(config.keys(signers[0].keys()));
        proxy.init(signers[0].keys(), FLOOR).await;
        proxy.start().await;
        let field = Self {
            baker: proxy.baker(signers[0].keys()),
            proxy,
            tunnels,
            signers,
            sshd: tokio::sync::Mutex::new(sshd),
            timeline: Mutex::default(),
            begun: Instant::now(),
            begun_at: Timestamp::now(),
            _scene: scene,
        };
        field.until_all_up().await;
        field
    }

    /// Waits until every signer and every path is up.
    pub(super) async fn until_all_up(&self) {
        let up = |one: &serde_json::Value| one["state"] == "up";
        let all_up = |status: &serde_json::Value| {
            let signers = status["signers"].as_array().unwrap();
            signers
                .iter()
                .all(|signer| up(signer) && signer["paths"].as_array().unwrap().iter().all(up))
        };
        self.proxy.until("every signer to be up", all_up).await;
    }

    /// The time since the beginning.
    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The point in time `after` the beginning.
    pub(super) fn at(&self, after: Duration) -> Instant {
        self.begun + after
    }

    /// A time on the wall clock as one since the beginning.
    pub(super) fn moment(&self, at: Timestamp) -> Duration {
        Duration::try_from(at - self.begun_at).unwrap_or_default()
    }

    pub(super) fn timeline(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap()
    }

    /// The end of the log of a signer, from the byte `from` on.
    pub(super) fn entries(&self, signer: usize, from: u64) -> Vec<Entry> {
        let mut file = std::fs::File::open(self.signers[signer].log()).unwrap();
        file.seek(SeekFrom::Start(from)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let whole = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        whole
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// See [`well_in_time`]; to be asked when the time of the slot is over.
    pub(super) fn well_in_time(&self, lost: &Lost) -> Option<Well> {
        let part = |(signer, kind): (usize, &Kind)| {
            let entries = self.entries(signer, 0).into_iter();
            let mut signed =
                entries.filter(|entry| entry.event == Event::Signed && lost.is_about(entry));
            Part {
                refuses_repeats: kind.is_ledger,
                signed: signed.next().map(|entry| self.moment(entry.at)),
            }
        };
        let parts: Vec<_> = KINDS.iter().enumerate().map(part).collect();
        well_in_time(&self.timeline(), lost, &parts)
    }
}
