//! Attempts at signers that are in this process: real sockets, real signatures, real faults.

mod answers;
mod copies;
mod delays;
mod failover;
mod fair;
mod foreign;
mod held;
mod limits;
mod panic;
mod repeat;
mod scripted;
mod tally;
mod versions;
mod withdrawn;

use std::net::SocketAddr;

use crate::dev_signer::{Faults, Listen, Options, Running as DevSigner, keys_from_seed, start};
use crate::fixture::{BookStore, at, second};
use crate::guard::{Candidate, Claim, Raise, SigningGuard, Slot, Stream, WatermarkStore as _};
use crate::settings::{Path as PathSettings, Repeat, Signer as SignerSettings, SignerUrl};
use crate::signer::health::{Observation, PathState, SignerState};
use crate::signer::queue::Place;
use crate::signer::roster::{Roster, Served, Signer, Turn};
use crate::signer::{Cause, FailureClass};
use crate::task::Tasks;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::label;
use crate::tezos::{ConsensusKind, Curve, Payload, Position, PublicKey, Scheme, digest};

use tokio::sync::{mpsc, watch};

use super::exchange::Blame;
use super::*;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Nobody hangs up.
fn wanted() -> std::future::Pending<()> {
    std::future::pending()
}

/// A signer in this process.
struct Device {
    running: DevSigner,
    tasks: Tasks,
}

impl Device {
    async fn start(faults: Faults) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), faults).await
    }

    async fn start_at(address: SocketAddr, faults: Faults) -> Self {
        let options = Options {
            listen: Listen::Tcp(address),
            faults,
            ..Options::loopback(keys())
        };
        let tasks = Tasks::new();
        let running = start(options, &tasks).await.unwrap();
        Self { running, tasks }
    }

    fn address(&self) -> SocketAddr {
        match &self.running.address {
            Listen::Tcp(address) => *address,
            Listen::Unix(path) => panic!("{}", path.display()),
        }
    }

    /// Sign requests that reached it.
    fn asked(&self) -> u64 {
        self.running.counts().sign
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.tasks.begin_shutdown();
    }
}

fn keys() -> Vec<crate::tezos::SecretKey> {
    keys_from_seed("attempts", &[Curve::Ed25519, Curve::P256, Curve::Bls])
}

fn public_key(curve: Curve) -> PublicKey {
    let mut keys = keys().into_iter().map(|key| key.public_key().clone());
    keys.find(|key| key.curve() == curve).unwrap()
}

/// An address of this machine where nobody listens.
async fn closed_port() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// A signer of the configuration, with a path for each address.
fn signer(name: &str, paths: &[SocketAddr]) -> SignerSettings {
    let path = |(nth, address): (usize, &SocketAddr)| PathSettings {
        name: nth.to_string(),
        url: SignerUrl::Http {
            host: address.ip().to_string(),
            port: address.port(),
        },
        prefix: String::new(),
        max_connections: 4,
        tls: crate::settings::PathTls::default(),
    };
    SignerSettings {
        name: name.to_owned(),
        priority: 1,
        capacity: 1,
        repeat: Repeat::Replay,
        shared_watermark: false,
        deep_probe: None,
        auth_key: None,
        paths: paths.iter().enumerate().map(path).collect(),
    }
}

/// Keeps what signers say late.
#[derive(Debug)]
struct Watcher {
    store: Arc<BookStore>,
    late: mpsc::UnboundedSender<Sighting>,
}

impl Lookout for Watcher {
    fn may_be_ours(&self, slot: &Slot) -> bool {
        self.store.has_sibling(slot)
    }

    fn seen_late(&self, sighting: Sighting) {
        self.late.send(sighting).unwrap();
    }
}

/// Attempts over some signers, and a guard that gives permits for them.
struct World {
    attempts: Attempts,
    guard: SigningGuard,
    late: mpsc::UnboundedReceiver<Sighting>,
    tasks: Tasks,
}

impl World {
    async fn new(signers: &[SignerSettings]) -> Self {
        let world = Self::unheard(signers).await;
        for signer in world.attempts.roster.signers() {
            world.attempts.roster.spoken(signer, false);
        }
        world
    }

    /// No signer has said yet whether it demands authentication.
    async fn unheard(signers: &[SignerSettings]) -> Self {
        let tasks = Tasks::new();
        let metrics = Arc::new(Metrics::new());
        let roster = Arc::new(Roster::new(signers, &tasks, Arc::clone(&metrics)));
        let store = Arc::new(BookStore::default());
        let (told, late) = mpsc::unbounded_channel();
        let lookout = Arc::new(Watcher {
            store: Arc::clone(&store),
            late: told,
        });
        let (_, node) = watch::channel(None);
        let guard = SigningGuard::new(store, Vec::new(), 1_000, node);
        let mut raises = Vec::new();
        for key in keys() {
            for kind in ConsensusKind::ALL {
                let stream = Stream {
                    key: key.public_key().hash(),
                    ..crate::fixture::stream(kind)
                };
                let floor = at(100, 0);
                raises.push(Raise { stream, floor });
            }
        }
        guard.raise(raises, second(1_000)).await.unwrap();
        Self {
            attempts: Attempts::new(roster, metrics, Tasks::new(), lookout),
            guard,
            late,
            tasks,
        }
    }

    /// Every signer answers and shows the keys.
    async fn healthy(signers: &[SignerSettings]) -> Self {
        let world = Self::new(signers).await;
        for (signer, path) in world.attempts.roster.paths() {
            world
                .attempts
                .roster
                .observe(signer, path, Observation::Hit);
        }
        world
    }

    /// A permit for exactly these bytes.
    async fn permit(&self, curve: Curve, bytes: &[u8]) -> Permit {
        let key = public_key(curve).hash();
        let scheme = Scheme::for_request(curve, None).unwrap();
        let payload = Payload::decode(curve, bytes).unwrap();
        let Payload::Consensus(slot) = payload else {
            let permit = self.guard.unslotted(&payload, key, digest(bytes), scheme);
            return permit.unwrap();
        };
        let stream = Stream {
            chain: slot.chain,
            key,
            kind: slot.kind,
        };
        let candidate = Candidate {
            slot: Slot {
                stream,
                position: slot.position,
            },
            digest: digest(bytes),
            scheme,
        };
        match self.guard.claim(candidate, second(1_000)).await.unwrap() {
            Claim::Permitted(permit) => permit,
            Claim::Recorded(record) => panic!("{record:?}"),
        }
    }

    /// Asks for an attestation of the tz1 key.
    async fn attest(&self, level: u32, limit: Duration) -> Result<Signed, AttemptError> {
        let bytes = crate::fixture::attestation(Curve::Ed25519, at(level, 0), 1);
        self.sign(Curve::Ed25519, &bytes, limit).await
    }

    async fn sign(
        &self,
        curve: Curve,
        bytes: &[u8],
        limit: Duration,
    ) -> Result<Signed, AttemptError> {
        let permit = self.permit(curve, bytes).await;
        self.attempts
            .sign(&permit, &ask(curve, bytes, limit), wanted())
            .await
    }

    fn signer(&self, name: &str) -> &Arc<Signer> {
        let mut signers = self.attempts.roster.signers().iter();
        signers.find(|signer| signer.name() == name).unwrap()
    }

    /// The device of `name` for other work, once it is free, until dropped.
    async fn turn_at(&self, name: &str) -> Turn {
        let time = Instant::now().checked_add(PATIENCE).unwrap();
        let turn = Turn::at(self.signer(name).queue(), Place::Other, time);
        turn.wait().await.unwrap();
        turn
    }

    fn counted(&self, signer: &str, class: &str) -> u64 {
        let labels = label::Attempt {
            signer: signer.to_owned(),
            class: class.to_owned(),
        };
        self.attempts.metrics.attempts.get_or_create(&labels).get()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.begin_shutdown();
    }
}

fn ask(curve: Curve, bytes: &[u8], limit: Duration) -> Ask {
    Ask {
        public_key: public_key(curve),
        bytes: Bytes::copy_from_slice(bytes),
        authentication: None,
        version: None,
        deterministic: curve.is_deterministic_by_default(),
        deadline: Instant::now().checked_add(limit).unwrap(),
    }
}

/// The preattestation that goes with an attestation of the same name.
fn preattestation(position: Position, name: u8) -> Vec<u8> {
    let mut bytes = crate::fixture::attestation(Curve::Ed25519, position, name);
    (bytes[0], bytes[37]) = (0x12, 0x14);
    bytes
}

fn causes(result: Result<Signed, AttemptError>) -> String {
    match result {
        Err(AttemptError::NoSigner { causes, .. }) => causes,
        other => panic!("{other:?}"),
    }
}

/// A signer that hangs when it has to sign, and one that signs, by these names.
async fn hung_and_good(names: [&str; 2]) -> (Device, Device, World) {
    let hangs = Faults {
        stall: crate::dev_signer::Scope::Sign,
        ..Faults::default()
    };
    faulty_and_good(names, hangs).await
}

/// A signer that takes so long for a signature, and one that does not, called "a" and "b".
async fn slow_and_good(latency_ms: u64) -> (Device, Device, World) {
    let slow = Faults {
        latency_ms,
        ..Faults::default()
    };
    faulty_and_good(["a", "b"], slow).await
}

/// A signer with these faults and one that is well, by these names.
async fn faulty_and_good(names: [&str; 2], troubles: Faults) -> (Device, Device, World) {
    let (bad, good) = (
        Device::start(troubles).await,
        Device::start(Faults::default()).await,
    );
    let signers = [
        signer(names[0], &[bad.address()]),
        signer(names[1], &[good.address()]),
    ];
    let world = World::healthy(&signers).await;
    (bad, good, world)
}

/// Polls until `is_so`; every wait is for I/O that is under way.
async fn until(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it never came to be");
        tokio::task::yield_now().await;
    }
}
