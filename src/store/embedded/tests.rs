//! The store on a disk that lies, breaks and loses power, and on files that others wrote.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "the numbers of these tests are small, and an overflow would fail them"
)]

mod account;
mod damage;
mod device;
mod full;
mod group;
mod identity;
mod lives;
mod machine;
mod migration;
mod outage;
mod power;
mod recovery;
mod reference;
mod replace;
mod stalls;
mod twins;
mod unusable;
mod witness;

use std::time::Duration;

use redb::Database;
use tokio::time::Instant;

use crate::fixture::{at, raise, second};
use crate::guard::{
    Answer, Book, Candidate, Change, Condition, Raise, Record, StreamState, WatermarkStore, decide,
};
use crate::tezos::ConsensusKind;

use super::super::ailment::Ailment;
use super::super::tables;
use super::super::witness::Hand;
use super::disk::{Loaded, read_database};
use super::*;
use device::Device;

const KINDS: [ConsensusKind; 3] = [
    ConsensusKind::Attestation,
    ConsensusKind::Block,
    ConsensusKind::Preattestation,
];

/// Longer than anything healthy takes on a busy machine; only a hang reaches it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Does `step` until `is_reached`, at most [`PATIENCE`].
async fn until(what: &str, mut is_reached: impl FnMut() -> bool, mut step: impl AsyncFnMut()) {
    let begun = Instant::now();
    while !is_reached() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        step().await;
    }
}

/// A store in a folder.
fn open(folder: &tempfile::TempDir) -> EmbeddedStore {
    let lock = DirectoryLock::acquire(folder.path()).unwrap();
    EmbeddedStore::open(lock, None, |_| ())
}

/// A store over a database that is not in the folder; only its lock is.
fn open_over(folder: &tempfile::TempDir, database: Database) -> EmbeddedStore {
    open_over_with(folder, database, || Err(still_full()))
}

fn still_full() -> Ailment {
    Ailment {
        reason: "still full".to_owned(),
        cure: Cure::Space,
    }
}

/// The same; `reopen` is asked after the disk was full.
fn open_over_with(
    folder: &tempfile::TempDir,
    database: Database,
    reopen: impl Fn() -> Result<Loaded, Ailment> + Send + 'static,
) -> EmbeddedStore {
    let store = open(folder);
    begin(
        &store,
        read_database(database, |_, _| Ok(())).unwrap(),
        reopen,
    );
    store
}

/// Lets the store, which has none, work with a database.
fn begin(
    store: &EmbeddedStore,
    loaded: Loaded,
    reopen: impl Fn() -> Result<Loaded, Ailment> + Send + 'static,
) {
    *write(&store.shared.lineage) = Some(loaded.lineage.clone());
    *write(&store.shared.memory) = loaded.contents.clone();
    *store.shared.committer() = Some(
        store
            .shared
            .start_committer(
                loaded,
                Hand::new("writer".to_owned(), None),
                Box::new(reopen),
            )
            .unwrap(),
    );
}

/// What a database holds.
fn book_on(database: Database) -> Book {
    read_database(database, |_, _| Ok(()))
        .unwrap()
        .contents
        .book
}

fn database_on(device: &Device) -> Result<Database, redb::DatabaseError> {
    Database::builder()
        .set_cache_size(1 << 20)
        .create_with_backend(device.clone())
}

/// A device with an empty store on it, closed in good order.
fn device_with_store() -> Device {
    let device = Device::default();
    let database = database_on(&device).unwrap();
    tables::initialise(&database, "lineage").unwrap();
    drop(database);
    device
}

/// Floors at level 100 for all kinds.
async fn raise_all(store: &EmbeddedStore) {
    let raises = KINDS.map(|kind| raise(kind, at(100, 0)));
    store.raise(raises.to_vec(), second(1_000)).await.unwrap();
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Whether `candidate` could still be signed in this state.
fn is_allowed(state: Option<&StreamState>, candidate: &Candidate) -> bool {
    use crate::guard::Verdict;
    match decide(None, state, candidate) {
        Verdict::Again { .. } | Verdict::Fresh | Verdict::Recorded(_) => true,
        Verdict::Refused(_) => false,
    }
}
