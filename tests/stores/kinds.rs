//! The battery, for each kind of store.

use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use signer_proxy::guard::{
    Account, AccountReport, AccountState, Answer, Book, Candidate, Change, Condition, Head, Record,
    Row, Slot, StoreError, StoreFuture, StoreReport, StreamReport, Touched, WatermarkStore,
};
use signer_proxy::store::{DirectoryLock, EmbeddedStore};
use signer_proxy::tezos::{ChainId, PublicKeyHash};
use tempfile::TempDir;

use super::battery::{Shop, holds_for};
use super::cluster::{Cluster, Replica};

/// A file in a folder of its own.
struct Embedded {
    folder: TempDir,
}

impl Embedded {
    fn open(&self) -> Arc<dyn WatermarkStore> {
        let lock = DirectoryLock::acquire(self.folder.path()).unwrap();
        Arc::new(EmbeddedStore::open(lock, None, |_| {}))
    }
}

impl Shop for Embedded {
    async fn fresh(&mut self) -> Arc<dyn WatermarkStore> {
        self.folder = tempfile::tempdir().unwrap();
        self.open()
    }

    async fn again(&mut self) -> Arc<dyn WatermarkStore> {
        self.open()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_battery_holds_for_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    holds_for(&mut Embedded { folder }).await;
}

/// A book and nothing else.
#[derive(Clone, Debug, Default)]
struct InMemory(Arc<Mutex<Option<Book>>>);

impl InMemory {
    fn book(&self) -> MutexGuard<'_, Option<Book>> {
        self.0.lock().unwrap()
    }

    fn seen<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(self.book().as_ref().unwrap_or(&Book::default()))
    }
}

fn none() -> StoreError {
    StoreError::Unavailable("there is no store".to_owned())
}

impl WatermarkStore for InMemory {
    fn claim(&self, candidate: Candidate, now: Timestamp) -> StoreFuture<'_, Answer> {
        let mut book = self.book();
        let claimed = book.as_mut().ok_or_else(none);
        let claimed = claimed.and_then(|book| book.claim(&candidate, now, &mut Touched::default()));
        Box::pin(std::future::ready(claimed))
    }

    fn record(&self, candidate: Candidate, record: Record) -> StoreFuture<'_, Record> {
        let mut book = self.book();
        let recorded = book.as_mut().ok_or_else(none);
        let recorded =
            recorded.and_then(|book| book.record(&candidate, record, &mut Touched::default()));
        Box::pin(std::future::ready(recorded))
    }

    fn amend(&self, changes: Vec<Change>, now: Timestamp) -> StoreFuture<'_, ()> {
        let mut book = self.book();
        let creates = changes
            .iter()
            .any(|change| matches!(change, Change::Raise(_)));
        if book.is_none() && !creates {
            return Box::pin(std::future::ready(Err(none())));
        }
        let book = book.get_or_insert_default();
        for change in changes {
            book.amend(change, now, &mut Touched::default());
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn lookup(&self, slot: &Slot) -> Option<Row> {
        self.seen(|book| book.row(slot).cloned())
    }

    fn head(&self, chain: ChainId, key: PublicKeyHash) -> Option<Head> {
        self.seen(|book| book.head(chain, key))
    }

    fn report(&self) -> StoreReport {
        let is_there = self.book().is_some();
        let sealed = self.seen(|book| book.sealed);
        StoreReport {
            kind: "memory",
            condition: match (is_there, sealed) {
                (false, _) => Condition::Absent,
                (true, None) => Condition::Ready,
                (true, Some(_)) => Condition::Refusing,
            },
            reason: self.seen(Book::seal_sentence),
            lineage: is_there.then(|| "memory".to_owned()),
            sealed,
            silent_for: None,
        }
    }

    fn streams(&self) -> Vec<StreamReport> {
        self.seen(Book::stream_reports)
    }

    fn account(&self, account: Account) -> AccountState {
        self.seen(|book| book.account(account))
    }

    fn accounts(&self) -> Vec<AccountReport> {
        self.seen(Book::account_reports)
    }
}

impl Shop for InMemory {
    async fn fresh(&mut self) -> Arc<dyn WatermarkStore> {
        *self = Self::default();
        Arc::new(self.clone())
    }

    async fn again(&mut self) -> Arc<dyn WatermarkStore> {
        Arc::new(self.clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_battery_holds_for_a_store_in_memory() {
    holds_for(&mut InMemory::default()).await;
}

/// Prefixes of one cluster.
struct Etcd {
    cluster: Cluster,
    nth: u32,
    replica: Option<Replica>,
}

impl Etcd {
    async fn open(&mut self) -> Arc<dyn WatermarkStore> {
        let replica = self.cluster.replica(&format!("/battery/{}", self.nth));
        replica.store.connect().await.unwrap();
        let store = Arc::clone(&replica.store);
        self.replica = Some(replica);
        store
    }
}

impl Shop for Etcd {
    async fn fresh(&mut self) -> Arc<dyn WatermarkStore> {
        self.nth += 1;
        self.open().await
    }

    /// As another replica finds it.
    async fn again(&mut self) -> Arc<dyn WatermarkStore> {
        self.open().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_battery_holds_for_a_store_in_etcd() {
    let mut etcd = Etcd {
        cluster: Cluster::start(1).await,
        nth: 0,
        replica: None,
    };
    holds_for(&mut etcd).await;
}
