//! Whose store it is: lineage, format, and who may have it open.

use crate::fixture::{ask, record};
use crate::guard::Answer;
use crate::store::LockError;

use super::*;

fn open_pinned(folder: &tempfile::TempDir, pin: &str) -> EmbeddedStore {
    let lock = DirectoryLock::acquire(folder.path()).unwrap();
    EmbeddedStore::open(lock, Some(pin.to_owned()), |_| ())
}

#[tokio::test]
async fn a_store_open_elsewhere_is_refused() {
    let folder = crate::fixture::folder();
    let _store = open(&folder);
    let second = DirectoryLock::acquire(folder.path());
    assert!(matches!(second, Err(LockError::Held { .. })), "{second:?}");
}

/// Makes a store; its lineage.
async fn made(folder: &tempfile::TempDir) -> String {
    let store = open(folder);
    raise_all(&store).await;
    store.report().lineage.unwrap()
}

#[tokio::test]
async fn without_a_store_a_pin_lets_nobody_make_one() {
    let folder = crate::fixture::folder();
    let store = open_pinned(&folder, "mine");
    let report = store.report();
    assert_eq!(report.condition, Condition::Refusing);
    let reason = report.reason.unwrap();
    for part in [
        "state.lineage pins mine",
        "no watermark store",
        "remove the pin",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    let floor = vec![raise(KINDS[0], at(100, 0))];
    let raised = store.raise(floor, second(1_000)).await;
    assert_eq!(raised, Err(StoreError::Unavailable(reason)));
    drop(store);
    assert!(!folder.path().join(STORE_FILE).exists());
}

#[tokio::test]
async fn each_new_store_draws_its_own_lineage_which_can_then_be_pinned() {
    let pinned = crate::fixture::folder();
    let lineage = made(&pinned).await;
    let report = open_pinned(&pinned, &lineage).report();
    assert_eq!(report.condition, Condition::Ready);
    let mut lineages = Vec::new();
    for _ in 0..2 {
        let folder = crate::fixture::folder();
        let store = open(&folder);
        raise_all(&store).await;
        let lineage = store.report().lineage.unwrap();
        assert_eq!(lineage.len(), 32);
        lineages.push(lineage);
    }
    assert_ne!(lineages[0], lineages[1]);
}

#[tokio::test]
async fn a_store_of_another_lineage_refuses_to_sign_and_says_which_it_is() {
    let folder = crate::fixture::folder();
    let signed = ask(at(101, 0), 1);
    let theirs = made(&folder).await;
    let store = open_pinned(&folder, &theirs);
    assert_eq!(store.claim(signed, second(1_000)).await, Ok(Answer::Permit));
    store.record(signed, record(7)).await.unwrap();
    drop(store);
    let store = open_pinned(&folder, "mine");
    let report = store.report();
    assert_eq!(report.condition, Condition::Refusing);
    assert_eq!(report.lineage.as_deref(), Some(theirs.as_str()));
    let reason = report.reason.unwrap();
    assert!(
        reason.contains(&format!(
            "has lineage {theirs} but state.lineage demands mine"
        )),
        "{reason}"
    );
    for candidate in [signed, ask(at(102, 0), 1)] {
        let claim = store.claim(candidate, second(1_000)).await;
        assert_eq!(claim, Err(StoreError::Unavailable(reason.clone())));
    }
    let raised = store
        .raise(vec![raise(KINDS[0], at(900, 0))], second(1_000))
        .await;
    assert_eq!(raised, Err(StoreError::Unavailable(reason)));
    // What it holds can be looked at, so that the operator sees what was mounted.
    assert_eq!(store.streams().len(), KINDS.len());
    drop(store);
    assert_eq!(open_pinned(&folder, &theirs).streams()[0].floor, at(101, 0));
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_refused_by_name() {
    let folder = crate::fixture::folder();
    let store = open(&folder);
    raise_all(&store).await;
    drop(store);
    let path = folder.path().join(STORE_FILE);
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta: redb::TableDefinition<'_, &str, &str> = redb::TableDefinition::new("meta");
    transaction
        .open_table(meta)
        .unwrap()
        .insert("format", "3")
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let store = open(&folder);
    let report = store.report();
    assert_eq!(report.condition, Condition::Refusing);
    let reason = report.reason.unwrap();
    assert!(
        reason.contains("its format is 3, this program knows format 2 and older ones"),
        "{reason}"
    );
    let claim = store.claim(ask(at(900, 0), 1), second(1_000)).await;
    assert_eq!(claim, Err(StoreError::Unavailable(reason)));
}

#[tokio::test]
async fn a_store_that_came_to_be_after_the_start_is_not_written_over() {
    let (folder, elsewhere) = (crate::fixture::folder(), crate::fixture::folder());
    let theirs = open(&elsewhere);
    raise_all(&theirs).await;
    let lineage = theirs.report().lineage;
    drop(theirs);
    let store = open(&folder);
    assert_eq!(store.report().condition, Condition::Absent);
    // As when its volume is mounted late.
    std::fs::copy(
        elsewhere.path().join(STORE_FILE),
        folder.path().join(STORE_FILE),
    )
    .unwrap();
    let raised = store
        .raise(vec![raise(KINDS[0], at(1, 0))], second(1_000))
        .await;
    assert!(
        matches!(raised, Err(StoreError::Unavailable(_))),
        "{raised:?}"
    );
    drop(store);
    let store = open(&folder);
    assert_eq!(store.report().lineage, lineage);
    assert_eq!(store.streams()[0].floor, at(100, 0));
}

#[tokio::test]
async fn a_creation_that_nobody_waits_for_any_more_is_finished_all_the_same() {
    let folder = crate::fixture::folder();
    let floor = || vec![raise(KINDS[0], at(100, 0))];
    let store = open(&folder);
    tokio::select! {
        biased;
        raised = store.raise(floor(), second(1_000)) => panic!("a file was made without waiting: {raised:?}"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(store.raise(floor(), second(1_000)).await, Ok(()));
    let lineage = store.report().lineage;
    drop(store);
    assert_eq!(open(&folder).report().lineage, lineage);

    // The directory is not free before that.
    let folder = crate::fixture::folder();
    let store = open(&folder);
    tokio::select! {
        biased;
        raised = store.raise(floor(), second(1_000)) => panic!("a file was made without waiting: {raised:?}"),
        () = std::future::ready(()) => {}
    }
    drop(store);
    let lock = loop {
        if let Ok(lock) = DirectoryLock::acquire(folder.path()) {
            break lock;
        }
    };
    let store = EmbeddedStore::open(lock, None, |_| ());
    assert_eq!(store.report().condition, Condition::Ready);
}

#[tokio::test]
async fn a_half_made_store_is_made_anew() {
    let folder = crate::fixture::folder();
    std::fs::write(folder.path().join("watermarks.redb.making"), "torn").unwrap();
    let store = open(&folder);
    assert_eq!(store.report().condition, Condition::Absent);
    raise_all(&store).await;
    assert_eq!(store.report().condition, Condition::Ready);
}

#[tokio::test]
async fn opening_copies_the_file_before_anything_is_read_from_it() {
    use std::os::unix::fs::MetadataExt as _;

    let folder = crate::fixture::folder();
    let store = open(&folder);
    raise_all(&store).await;
    drop(store);
    let path = folder.path().join(STORE_FILE);
    let before = std::fs::File::open(&path).unwrap();
    let store = open(&folder);
    let numbers = [
        before.metadata().unwrap(),
        std::fs::metadata(&path).unwrap(),
    ]
    .map(|m| m.ino());
    assert_ne!(numbers[0], numbers[1]);
    // What it writes goes to the copy.
    let answer = store.claim(ask(at(101, 0), 1), second(1_000)).await;
    assert_eq!(answer, Ok(Answer::Permit));
    drop(store);
    assert!(open(&folder).lookup(&ask(at(101, 0), 1).slot).is_some());
}
