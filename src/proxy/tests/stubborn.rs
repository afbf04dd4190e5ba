//! A proxy over a store that does not do at once what it is told, for tests of what happens meanwhile.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::fixture::{at, attestation, secret};
use crate::guard::{
    Account, AccountReport, AccountState, Answer, Candidate, Change, Head, Raise, Record, Row,
    Slot, StoreError, StoreFuture, StoreReport, Stream, StreamReport,
};
use crate::settings::{Path, Repeat, Signer, SignerUrl};
use crate::signer::{Served, Sighting};
use crate::tezos::{Curve, Position, PublicKeyHash};
use crate::time::now;

use super::super::error::ProxyError;
use super::super::sign::{SignRequest, sign};
use super::*;

/// A store that cannot be changed by operators or evidence for a while, or takes its time over claims; the rest
/// of it works.
#[derive(Debug)]
pub(super) struct Stubborn {
    store: EmbeddedStore,
    refuses: AtomicBool,
    /// Whether claims, which are durable by then, are not answered.
    slow: watch::Sender<bool>,
    /// Something was done.
    done: watch::Sender<()>,
}

impl WatermarkStore for Stubborn {
    fn claim(&self, candidate: Candidate, now: Timestamp) -> StoreFuture<'_, Answer> {
        Box::pin(async move {
            let answer = self.store.claim(candidate, now).await;
            self.done.send_replace(());
            let mut slow = self.slow.subscribe();
            drop(slow.wait_for(|slow| !slow).await.unwrap());
            answer
        })
    }
    fn record(&self, candidate: Candidate, record: Record) -> StoreFuture<'_, Record> {
        self.store.record(candidate, record)
    }
    fn amend(&self, changes: Vec<Change>, now: Timestamp) -> StoreFuture<'_, ()> {
        if self.refuses.load(Ordering::Acquire) {
            let full = StoreError::Unavailable("the disk is full".to_owned());
            return Box::pin(std::future::ready(Err(full)));
        }
        Box::pin(async move {
            let amended = self.store.amend(changes, now).await;
            self.done.send_replace(());
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
pub(super) const NOBODY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9));

/// A proxy that has two keys and one signer.
pub(super) struct Scene {
    pub(super) store: Arc<Stubborn>,
    pub(super) proxy: Arc<Proxy>,
    _folder: tempfile::TempDir,
}

pub(super) fn key_of(nth: u8) -> PublicKeyHash {
    secret(Curve::Ed25519, nth).public_key().hash()
}

pub(super) fn slot(nth: u8, kind: ConsensusKind, position: Position) -> Slot {
    let stream = Stream {
        chain: ChainId::MAINNET,
        key: key_of(nth),
        kind,
    };
    Slot { stream, position }
}

pub(super) fn sighting(slot: Slot, words: &str) -> Sighting {
    Sighting {
        slot,
        signer: "home-a".to_owned(),
        words: words.to_owned(),
        at: now(),
    }
}

impl Scene {
    pub(super) async fn new(signer: SocketAddr) -> Self {
        let folder = crate::fixture::folder();
        let lock = DirectoryLock::acquire(folder.path()).unwrap();
        let store = Arc::new(Stubborn {
            store: EmbeddedStore::open(lock, None, |_| ()),
            refuses: AtomicBool::new(false),
            slow: watch::Sender::new(false),
            done: watch::Sender::new(()),
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
            deep_probe: None,
            auth_key: None,
            paths: vec![Path {
                name: "1".to_owned(),
                url: SignerUrl::Http {
                    host: signer.ip().to_string(),
                    port: signer.port(),
                },
                prefix: String::new(),
                max_connections: 1,
                tls: crate::settings::PathTls::default(),
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

    /// Claims are not answered, or are.
    pub(super) fn set_slow(&self, slow: bool) {
        self.store.slow.send_replace(slow);
    }

    /// The disk is full, or not any more.
    pub(super) fn set_stubborn(&self, stubborn: bool) {
        self.store.refuses.store(stubborn, Ordering::Release);
    }

    /// Asks for an attestation that does not come; whether it was claimed shows in the error.
    pub(super) async fn ask(&self, nth: u8, level: u32) -> ProxyError {
        self.sign(nth, level).await.unwrap_err()
    }

    pub(super) async fn sign(&self, nth: u8, level: u32) -> Result<String, ProxyError> {
        self.sign_bytes(nth, level, 1).await
    }

    /// The same for the bytes called `name`.
    pub(super) async fn sign_bytes(
        &self,
        nth: u8,
        level: u32,
        name: u8,
    ) -> Result<String, ProxyError> {
        let bytes = attestation(Curve::Ed25519, at(level, 0), name);
        let request = SignRequest {
            key: key_of(nth),
            bytes: Bytes::from(bytes),
            authentication: None,
            version: None,
            requester: "192.0.2.7:4711".to_owned(),
            certified: None,
            patience: None,
            arrived: tokio::time::Instant::now(),
        };
        sign(&self.proxy, request).await
    }

    pub(super) fn halt(&self, nth: u8) -> Option<String> {
        let slot = slot(nth, ConsensusKind::Block, at(1, 0));
        let state = self.store.account(slot.stream.into());
        state.halt.map(|halt| halt.reason)
    }

    /// Waits until something of the store is as it must be.
    pub(super) async fn until(&self, what: impl Fn(&Self) -> bool) {
        let mut done = self.store.done.subscribe();
        let waiting = done.wait_for(|()| what(self));
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        drop(waited.unwrap().unwrap());
    }

    pub(super) fn is_claimed(&self, slot: Slot) -> bool {
        self.store.lookup(&slot).is_some()
    }
}
