//! Replacing a store: whole, kept, and at no moment absent or empty.

use jiff::Timestamp;

use crate::fixture::{ask, at, key, raise, record, second, stream};
use crate::guard::{Account, Answer, Halt};
use crate::store::calls::journal::taken_down;
use crate::store::{Found, Replaced};
use crate::tezos::Level;

use super::machine::{Machine, after_cut, file_name};
use super::power::luck;
use super::*;

const KIND: ConsensusKind = ConsensusKind::Attestation;

fn lock(folder: &tempfile::TempDir) -> DirectoryLock {
    DirectoryLock::acquire(folder.path()).unwrap()
}

fn open_store(folder: &tempfile::TempDir) -> EmbeddedStore {
    EmbeddedStore::open(lock(folder), None, |_| ())
}

fn account() -> Account {
    Account {
        chain: stream(KIND).chain,
        key: key(),
    }
}

/// A store with a floor at 1000, a signature at 1001, a claim at 1002, a stop and a halt.
async fn filled() -> tempfile::TempDir {
    let folder = crate::fixture::folder();
    let store = open_store(&folder);
    let floor = Change::Raise(raise(KIND, at(1_000, 0)));
    store.amend(vec![floor], second(1)).await.unwrap();
    for level in [1_001, 1_002] {
        let claim = store.claim(ask(at(level, 0), 1), second(2)).await;
        assert_eq!(claim, Ok(Answer::Permit));
    }
    store.record(ask(at(1_001, 0), 1), record(7)).await.unwrap();
    let changes = vec![
        Change::StopAt {
            account: account(),
            level: Level::new(2_000).unwrap(),
        },
        Change::Halt {
            account: account(),
            halt: Halt::new(second(3), "other bytes".to_owned()),
        },
    ];
    store.amend(changes, second(3)).await.unwrap();
    folder
}

fn whole(folder: &tempfile::TempDir) -> (String, Book) {
    match EmbeddedStore::inspect(&lock(folder)).unwrap() {
        Found::Whole { lineage, book } => (lineage, *book),
        other @ (Found::Absent | Found::Unreadable { .. }) => panic!("{other:?}"),
    }
}

fn replace(folder: &tempfile::TempDir, book: &Book, at: Timestamp) -> Result<Replaced, String> {
    EmbeddedStore::replace(&lock(folder), &Trust::default(), book, at)
}

fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_store_is_looked_at_without_a_trace() {
    let folder = filled().await;
    let file = folder.path().join(STORE_FILE);
    let (before, list) = (std::fs::read(&file).unwrap(), names(&folder));
    let (lineage, book) = whole(&folder);
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!(names(&folder), list);
    let store = open_store(&folder);
    assert_eq!(store.report().lineage, Some(lineage));
    assert_eq!(store.account(account()), book.accounts[&account()]);
    assert_eq!(store.streams().len(), book.streams.len());
}

#[tokio::test]
async fn what_is_no_store_is_found_to_be_none() {
    let folder = crate::fixture::folder();
    assert_eq!(EmbeddedStore::inspect(&lock(&folder)), Ok(Found::Absent));
    let file = folder.path().join(STORE_FILE);
    for bytes in [Vec::new(), b"torn".to_vec(), vec![0xff; 70_000]] {
        std::fs::write(&file, &bytes).unwrap();
        let found = EmbeddedStore::inspect(&lock(&folder)).unwrap();
        assert!(matches!(found, Found::Unreadable { .. }), "{found:?}");
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
    }
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let found = EmbeddedStore::inspect(&lock(&folder)).unwrap();
    assert!(matches!(found, Found::Unreadable { .. }), "{found:?}");
}

#[tokio::test]
async fn the_new_store_holds_everything_under_a_random_id_and_the_old_one_is_kept() {
    let folder = filled().await;
    let old = std::fs::read(folder.path().join(STORE_FILE)).unwrap();
    let (lineage, book) = whole(&folder);
    let replaced = replace(&folder, &book, second(4)).unwrap();
    assert_ne!(replaced.lineage, lineage);
    assert_eq!(whole(&folder), (replaced.lineage.clone(), book));
    assert_eq!(std::fs::read(&replaced.kept[0]).unwrap(), old);
    let kept = "watermarks.redb.replaced-19700101T000004.000Z";
    assert_eq!(names(&folder), ["lock", "watermarks.redb", kept]);
    // It works: what was signed is repeated.
    let store = open_store(&folder);
    assert_eq!(store.report().condition, Condition::Ready);
    let again = store.claim(ask(at(1_001, 0), 1), second(5)).await;
    assert_eq!(again, Ok(Answer::Recorded(record(7))));
}

#[tokio::test]
async fn a_sealed_book_stays_sealed() {
    let folder = filled().await;
    let (_, mut book) = whole(&folder);
    book.sealed = Some(second(9));
    replace(&folder, &book, second(10)).unwrap();
    assert_eq!(whole(&folder).1, book);
    assert_eq!(open_store(&folder).report().sealed, Some(second(9)));
}

#[tokio::test]
async fn a_power_cut_at_any_call_leaves_the_old_store_or_the_new_one_and_never_none() {
    let folder = filled().await;
    let (_, book) = whole(&folder);
    let mut lower = book.clone();
    lower.accounts.clear();
    let file = folder.path().join(STORE_FILE);
    let old = std::fs::read(&file).unwrap();
    let (replaced, calls) = taken_down(|| replace(&folder, &lower, second(4)));
    let kept = file_name(&replaced.unwrap().kept[0]);
    let new = std::fs::read(&file).unwrap();
    assert_ne!(old, new);
    let machine = Machine::holding([(STORE_FILE.to_owned(), old.clone())].into());
    machine.begin_process(usize::MAX, usize::MAX);
    for call in calls {
        machine.make(&call).unwrap();
    }
    let history = machine.history();
    let (mut olds, mut news) = (0, 0);
    for end in machine.begun()..=history.len() {
        for seed in 0..32 {
            // Nothing, everything, or any part of what was not synced.
            let files = after_cut(&history[..end], luck(seed));
            match files.get(STORE_FILE) {
                Some(store) if *store == old => olds += 1,
                Some(store) if *store == new => {
                    // By then the old one is safe.
                    assert_eq!(files.get(&kept), Some(&old));
                    news += 1;
                }
                Some(_) => panic!("neither the old store nor the new one"),
                None => panic!("no store"),
            }
            assert!(end < history.len() || files[STORE_FILE] == new);
        }
    }
    assert!(olds > 100 && news > 30, "{olds} {news}");
}

#[tokio::test]
async fn without_room_for_the_new_one_the_old_store_stands() {
    let folder = filled().await;
    let before = whole(&folder);
    // A folder in the way of each step stands for a disk that refuses it.
    let path = folder.path().join(STORE_FILE);
    let making = path.with_extension("redb.making");
    std::fs::create_dir_all(making.join("x")).unwrap();
    let failed = replace(&folder, &before.1, second(4)).unwrap_err();
    assert!(failed.contains("cannot write"), "{failed}");
    assert_eq!(whole(&folder), before);
    std::fs::remove_dir_all(&making).unwrap();
    let kept = path.with_extension("redb.replaced-19700101T000004.000Z");
    std::fs::create_dir_all(kept.join("x")).unwrap();
    let failed = replace(&folder, &before.1, second(4)).unwrap_err();
    assert!(failed.contains("cannot keep the old store"), "{failed}");
    assert_eq!(whole(&folder), before);
}

#[tokio::test]
async fn the_old_witness_is_kept_and_the_new_store_gets_one_of_its_own() {
    let (folder, volume) = (filled().await, crate::fixture::folder());
    let trust = Trust {
        lineage: None,
        witness: Some(volume.path().join("witness.json")),
    };
    let open = || EmbeddedStore::open_trusting(lock(&folder), trust.clone(), |_| ());
    assert_eq!(open().report().condition, Condition::Ready);
    let old = std::fs::read(volume.path().join("witness.json")).unwrap();
    let (_, mut lower) = whole(&folder);
    lower.streams.clear();
    // A crash before the witness is moved leaves a store that it contradicts.
    replace(&folder, &lower, second(3)).unwrap();
    let reason = open().report().reason.unwrap();
    assert!(
        reason.contains("belongs to the watermark store"),
        "{reason}"
    );
    let replaced = EmbeddedStore::replace(&lock(&folder), &trust, &lower, second(4)).unwrap();
    assert_eq!(std::fs::read(&replaced.kept[1]).unwrap(), old);
    for _ in 0..2 {
        let report = open().report();
        assert_eq!(
            (report.condition, report.lineage),
            (Condition::Ready, Some(replaced.lineage.clone()))
        );
    }
    assert_eq!(names(&volume).len(), 2);
}
