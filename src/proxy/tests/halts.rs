//! Halts that the store cannot make durable at once: kept, in force for their key alone, and made durable later.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::dev_signer::{Faults, Listen, Options, start};
use crate::fixture::{at, attestation, secret};
use crate::guard::{
    Account, AccountReport, AccountState, Answer, Candidate, Change, ClaimError, Head, Raise,
    Record, Row, Slot, StoreError, StoreFuture, StoreReport, Stream, StreamReport,
};
use crate::settings::{Path, Repeat, Signer, SignerUrl};
use crate::signer::{Lookout as _, Served, Sighting};
use crate::tezos::{Curve, Position, PublicKeyHash};
use crate::time::now;

use super::super::error::ProxyError;
use super::super::sign::{SignRequest, sign};
use super::super::{respond, tripwire};
use super::*;

/// A store whose keys cannot be halted for a while; the rest of it works.
#[derive(Debug)]
struct Stubborn {
    store: EmbeddedStore,
    stubborn: AtomicBool,
    /// Counts what was done.
    done: watch::Sender<usize>,
}

impl WatermarkStore for Stubborn {
    fn claim(&self, candidate: Candidate, now: Timestamp) -> StoreFuture<'_, Answer> {
        Box::pin(async move {
            let answer = self.store.claim(candidate, now).await;
            self.done.send_modify(|done| *done += 1);
            answer
        })
    }
    fn record(&self, candidate: Candidate, record: Record) -> StoreFuture<'_, Record> {
        self.store.record(candidate, record)
    }
    fn amend(&self, changes: Vec<Change>, now: Timestamp) -> StoreFuture<'_, ()> {
        if self.stubborn.load(Ordering::Acquire) {
            let full = StoreError::Unavailable("the disk is full".to_owned());
            return Box::pin(std::future::ready(Err(full)));
        }
        Box::pin(async move {
            let amended = self.store.amend(changes, now).await;
            self.done.send_modify(|done| *done += 1);
            amended
        })
    }
    fn lookup(&self, slot: &Slot) -> Option<Row> {
        self.store.lookup(slot)
    }
    fn head(&self, chain: ChainId, key: PublicKeyHash) -> Option<Head> {
        self.store.head(chain, key)
    }
    fn report(&self) -> StoreReport {
        self.store.report()
    }
    fn streams(&self) -> Vec<StreamReport> {
        self.store.streams()
    }
    fn account(&self, account: Account) -> AccountState {
        self.store.account(account)
    }
    fn accounts(&self) -> Vec<AccountReport> {
        self.store.accounts()
    }
}

/// Where nobody listens.
const NOBODY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9));

/// A proxy that has two keys and one signer.
struct Scene {
    store: Arc<Stubborn>,
    proxy: Arc<Proxy>,
    _folder: tempfile::TempDir,
}

fn key_of(nth: u8) -> PublicKeyHash {
    secret(Curve::Ed25519, nth).public_key().hash()
}

fn slot(nth: u8, kind: ConsensusKind, position: Position) -> Slot {
    let stream = Stream {
        chain: ChainId::MAINNET,
        key: key_of(nth),
        kind,
    };
    Slot { stream, position }
}

fn sighting(slot: Slot, words: &str) -> Sighting {
    Sighting {
        slot,
        signer: "home-a".to_owned(),
        words: words.to_owned(),
        at: now(),
    }
}

impl Scene {
    async fn new(signer: SocketAddr) -> Self {
        let folder = crate::fixture::folder();
        let lock = DirectoryLock::acquire(folder.path()).unwrap();
        let store = Arc::new(Stubborn {
            store: EmbeddedStore::open(lock, None, |_| ()),
            stubborn: AtomicBool::new(false),
            done: watch::Sender::new(0),
        });
        let keys = [1, 2].map(|nth| Key {
            public_key: Some(secret(Curve::Ed25519, nth).public_key().clone()),
            ..policy_of(key_of(nth), &ConsensusKind::ALL, false, false)
        });
        let signer = Signer {
            name: "home-a".to_owned(),
            priority: 1,
            capacity: 1,
            repeat: Repeat::Replay,
            shared_watermark: false,
            paths: vec![Path {
                name: "1".to_owned(),
                url: SignerUrl::Http {
                    host: signer.ip().to_string(),
                    port: signer.port(),
                },
                prefix: String::new(),
                max_connections: 1,
            }],
        };
        let shared = Arc::<Stubborn>::clone(&store) as _;
        let mut proxy = proxy_with(shared, folder.path(), &[signer], keys.to_vec(), Vec::new());
        proxy.deadline.consensus = Some(Duration::from_millis(700));
        for signer in proxy.roster.signers() {
            proxy.roster.spoken(signer, false);
            for nth in [1, 2] {
                proxy.roster.served(signer, key_of(nth), Served::Proved);
            }
        }
        let mut raises = Vec::new();
        for nth in [1, 2] {
            for kind in ConsensusKind::ALL {
                let Slot { stream, position } = slot(nth, kind, at(100, 0));
                let floor = position;
                raises.push(Raise { stream, floor });
            }
        }
        store.raise(raises, now()).await.unwrap();
        Self {
            store,
            proxy: Arc::new(proxy),
            _folder: folder,
        }
    }

    /// The disk is full, or not any more.
    fn set_stubborn(&self, stubborn: bool) {
        self.store.stubborn.store(stubborn, Ordering::Release);
    }

    /// Asks for an attestation that does not come; whether it was claimed shows in the error.
    async fn ask(&self, nth: u8, level: u32) -> ProxyError {
        self.sign(nth, level).await.unwrap_err()
    }

    async fn sign(&self, nth: u8, level: u32) -> Result<String, ProxyError> {
        let bytes = attestation(Curve::Ed25519, at(level, 0), 1);
        let request = SignRequest {
            key: key_of(nth),
            bytes: Bytes::from(bytes),
            authentication: None,
            version: None,
            requester: "192.0.2.7:4711".to_owned(),
        };
        sign(&self.proxy, request).await
    }

    fn halt(&self, nth: u8) -> Option<String> {
        let slot = slot(nth, ConsensusKind::Block, at(1, 0));
        let state = self.store.account(slot.stream.into());
        state.halt.map(|halt| halt.reason)
    }

    /// Waits until something of the store is as it must be.
    async fn until(&self, what: impl Fn(&Self) -> bool) {
        let mut done = self.store.done.subscribe();
        let waiting = done.wait_for(|_| what(self));
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        drop(waited.unwrap().unwrap());
    }

    fn is_claimed(&self, slot: Slot) -> bool {
        self.store.lookup(&slot).is_some()
    }
}

#[tokio::test]
async fn a_halt_that_is_not_durable_yet_holds_for_its_key_alone_and_becomes_durable_when_the_store_can()
 {
    let scene = Scene::new(NOBODY).await;
    let seen = slot(1, ConsensusKind::Attestation, at(101, 0));
    assert_eq!(respond::outcome(&scene.ask(1, 101).await), "no-signer");
    assert!(scene.is_claimed(seen));
    scene.set_stubborn(true);
    tripwire::halt(&scene.proxy, &sighting(seen, "other bytes at 101")).await;
    assert_eq!(scene.halt(1), None);

    let error = scene.ask(1, 102).await;
    let ProxyError::Claim {
        cause: ClaimError::Store(StoreError::Unavailable(reason)),
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    for part in [
        "somebody else signs",
        "the disk is full",
        "other bytes at 101",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    let next = slot(1, ConsensusKind::Attestation, at(102, 0));
    assert!(!scene.is_claimed(next));
    // Another key is not touched.
    assert_eq!(respond::outcome(&scene.ask(2, 102).await), "no-signer");

    scene.set_stubborn(false);
    let error = scene.ask(1, 102).await;
    assert_eq!(respond::refusal_reason(&error), Some("halted"), "{error:?}");
    assert!(scene.halt(1).unwrap().contains("other bytes at 101"));
    assert_eq!(scene.halt(2), None);
    // The claim of the slot that was seen ended, so resuming the key does not bring it back.
    assert!(!scene.is_claimed(seen));
}

#[tokio::test]
async fn what_is_seen_late_is_kept_at_once_and_made_durable_without_being_asked() {
    let scene = Scene::new(NOBODY).await;
    let tasks = Tasks::new();
    let watching = tripwire::watch(Arc::clone(&scene.proxy), tasks.clone());
    tasks.spawn("tripwire", watching);
    scene.set_stubborn(true);
    // Far more than any queue would hold, of several kinds, and the highest slot not last.
    for level in (1..300).chain([150]) {
        for kind in [ConsensusKind::Attestation, ConsensusKind::Block] {
            let words = format!("late words at {level}");
            let sighting = sighting(slot(1, kind, at(level, 0)), &words);
            scene.proxy.due_halts.seen_late(sighting);
        }
    }
    let error = scene.ask(1, 400).await;
    assert!(matches!(error, ProxyError::Claim { .. }), "{error:?}");
    assert_eq!(scene.halt(1), None);

    scene.set_stubborn(false);
    scene.until(|scene| scene.halt(1).is_some()).await;
    assert!(scene.halt(1).unwrap().contains("late words at 1"));
    for kind in [ConsensusKind::Attestation, ConsensusKind::Block] {
        let streams = scene.store.streams();
        let of_kind = streams
            .iter()
            .find(|report| report.stream == slot(1, kind, at(1, 0)).stream);
        assert_eq!(of_kind.unwrap().floor, at(299, 0), "{kind}");
    }
    tasks.begin_shutdown();
    tasks.finished().await;
}

#[tokio::test]
async fn a_signature_under_way_does_not_leave_while_a_halt_of_its_key_is_not_durable() {
    let tasks = Tasks::new();
    let options = Options {
        listen: Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))),
        faults: Faults {
            latency_ms: 300,
            ..Faults::default()
        },
        ..Options::loopback(vec![secret(Curve::Ed25519, 1), secret(Curve::Ed25519, 2)])
    };
    let device = start(options, &tasks).await.unwrap();
    let Listen::Tcp(address) = device.address else {
        panic!("{:?}", device.address)
    };
    let scene = Scene::new(address).await;
    scene.sign(1, 101).await.unwrap();

    let under_way = slot(1, ConsensusKind::Attestation, at(102, 0));
    let seeing = async {
        scene.until(|scene| scene.is_claimed(under_way)).await;
        scene.set_stubborn(true);
        let earlier = slot(1, ConsensusKind::Attestation, at(101, 0));
        let sighting = sighting(earlier, "other bytes at 101");
        scene.proxy.due_halts.seen_late(sighting);
    };
    let (signed, ()) = tokio::join!(scene.sign(1, 102), seeing);
    let Err(ProxyError::Record(StoreError::Unavailable(reason))) = signed else {
        panic!("{signed:?}")
    };
    assert!(reason.contains("other bytes at 101"), "{reason}");
    assert_eq!(scene.store.lookup(&under_way).unwrap().record, None);
    // Neither does it once the halt is durable.
    scene.set_stubborn(false);
    let error = scene.ask(1, 102).await;
    assert_eq!(respond::refusal_reason(&error), Some("halted"), "{error:?}");
    scene.sign(2, 102).await.unwrap();
    tasks.begin_shutdown();
}
