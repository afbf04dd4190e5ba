//! A store beside its witness: what it is believed, and how it is accepted.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::fixture::{ask, at, record, second};
use crate::tezos::ChainId;
use crate::transfer::Document;

use super::super::super::witness as witness_file;
use super::*;

/// A state directory, and another volume for the witness.
pub(super) struct Home {
    folder: tempfile::TempDir,
    other: Rc<tempfile::TempDir>,
}

impl Home {
    pub(super) fn new() -> Self {
        Self {
            folder: crate::fixture::folder(),
            other: Rc::new(crate::fixture::folder()),
        }
    }

    pub(super) fn witness(&self) -> PathBuf {
        self.other.path().join("witness.json")
    }

    fn trust(&self) -> Trust {
        Trust {
            lineage: None,
            witness: Some(self.witness()),
        }
    }

    pub(super) fn lock(&self) -> DirectoryLock {
        DirectoryLock::acquire(self.folder.path()).unwrap()
    }

    pub(super) fn open(&self) -> EmbeddedStore {
        EmbeddedStore::open_trusting(self.lock(), self.trust(), |_| ())
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join(STORE_FILE)
    }

    /// A copy of the state directory, after first use, beside the same witness.
    pub(super) async fn copied(&self) -> Self {
        raise_all(&self.open()).await;
        let folder = crate::fixture::folder();
        copy(&self.file(), &folder.path().join(STORE_FILE));
        Self {
            folder,
            other: Rc::clone(&self.other),
        }
    }

    pub(super) fn accept(&self, level: u32) -> Result<Accepted, String> {
        let level = at(level, 0).level;
        EmbeddedStore::accept(
            &self.lock(),
            &self.trust(),
            ChainId::MAINNET,
            level,
            second(5_000),
        )
    }
}

pub(super) async fn claim(store: &EmbeddedStore, level: u32) -> Result<Answer, StoreError> {
    store.claim(ask(at(level, 0), 1), second(1_000)).await
}

pub(super) fn refusal(store: &EmbeddedStore) -> String {
    let report = store.report();
    assert_eq!(report.condition, Condition::Refusing, "{report:?}");
    report.reason.unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}

#[tokio::test]
async fn a_store_that_was_restored_from_a_backup_signs_nothing_until_it_is_accepted() {
    let home = Home::new();
    let backup = home.other.path().join("backup");
    let store = home.open();
    raise_all(&store).await;
    assert_eq!(claim(&store, 101).await, Ok(Answer::Permit));
    drop(store);
    copy(&home.file(), &backup);
    let store = home.open();
    assert_eq!(claim(&store, 102).await, Ok(Answer::Permit));
    drop(store);
    copy(&backup, &home.file());
    for _ in 0..2 {
        let store = home.open();
        let reason = refusal(&store);
        assert!(reason.contains("has gone back"), "{reason}");
        assert_eq!(
            claim(&store, 102).await,
            Err(StoreError::Unavailable(reason))
        );
        let floor = vec![raise(KINDS[0], at(900, 0))];
        assert!(store.raise(floor, second(1_000)).await.is_err());
    }
    let accepted = home.accept(90).unwrap();
    assert_eq!(accepted.accounts.len(), 1);
    let store = home.open();
    assert_eq!(Some(accepted.lineage), store.report().lineage);
    // The witness knew more than the level that was given.
    for level in [101, 102] {
        let answer = store.claim(ask(at(level, 0), 2), second(1_000)).await;
        assert!(matches!(answer, Ok(Answer::Refused(_))), "{answer:?}");
    }
    assert_eq!(claim(&store, 103).await, Ok(Answer::Permit));
    // Kinds that only the operator's level speaks of have one too.
    let legacy = crate::fixture::ask_kind(ConsensusKind::LegacyBlock, at(90, 0), 1);
    let answer = store.claim(legacy, second(1_000)).await;
    assert!(matches!(answer, Ok(Answer::Refused(_))), "{answer:?}");
}

/// A store with a slot that was signed after the copy, which has its claim.
async fn signed_after_a_backup(home: &Home) -> PathBuf {
    let backup = home.other.path().join("backup");
    let store = home.open();
    raise_all(&store).await;
    assert_eq!(claim(&store, 101).await, Ok(Answer::Permit));
    drop(store);
    copy(&home.file(), &backup);
    let store = home.open();
    store.record(ask(at(101, 0), 1), record(7)).await.unwrap();
    drop(store);
    backup
}

#[tokio::test]
async fn a_store_that_lost_nothing_but_a_signature_signs_nothing_until_it_is_accepted() {
    let home = Home::new();
    let backup = signed_after_a_backup(&home).await;
    let floors = home.open().streams();
    copy(&backup, &home.file());
    let store = home.open();
    assert_eq!(store.streams()[0].floor, floors[0].floor);
    let reason = refusal(&store);
    assert!(reason.contains("has gone back"), "{reason}");
    assert!(reason.contains("it holds 3 changes"), "{reason}");
    assert!(reason.contains("witness.json 4;"), "{reason}");
    let again = claim(&store, 101).await;
    assert_eq!(again, Err(StoreError::Unavailable(reason)));
    drop(store);
    // The level says nothing here: the witness does.
    home.accept(1).unwrap();
    for _ in 0..2 {
        let answer = claim(&home.open(), 101).await;
        assert!(matches!(answer, Ok(Answer::Refused(_))), "{answer:?}");
    }
    assert_eq!(claim(&home.open(), 102).await, Ok(Answer::Permit));
    // The copy is as old as before beside what was accepted.
    copy(&backup, &home.file());
    refusal(&home.open());
}

#[tokio::test]
async fn beside_a_witness_that_does_not_count_only_the_floors_are_compared() {
    let home = Home::new();
    let backup = signed_after_a_backup(&home).await;
    copy(&backup, &home.file());
    let document = witness_file::read(&home.witness()).unwrap();
    let uncounted = Document {
        commits: None,
        ..document.unwrap()
    };
    std::fs::write(home.witness(), uncounted.to_text()).unwrap();
    assert_eq!(home.open().report().condition, Condition::Ready);
    let document = witness_file::read(&home.witness()).unwrap();
    assert_eq!(document.unwrap().commits, Some(3));
}

#[tokio::test]
async fn every_commit_is_counted_and_nothing_else() {
    let home = Home::new();
    let store = home.open();
    let counted = |store: &EmbeddedStore| read(&store.shared.memory).commits;
    raise_all(&store).await;
    // That it has a witness is one.
    assert_eq!(counted(&store), 2);
    for _ in 0..2 {
        // The second changes nothing.
        assert!(claim(&store, 101).await.is_ok());
        assert_eq!(counted(&store), 3);
    }
    for _ in 0..2 {
        store.record(ask(at(101, 0), 1), record(7)).await.unwrap();
        assert_eq!(counted(&store), 4);
    }
    for (change, expected) in [
        (Change::Seal, 5),
        (Change::Seal, 5),
        (Change::Raise(raise(KINDS[0], at(1, 0))), 5),
    ] {
        store.amend(vec![change], second(1_000)).await.unwrap();
        assert_eq!(counted(&store), expected);
    }
    drop(store);
    assert_eq!(counted(&home.open()), 5);
    let witness = witness_file::read(&home.witness()).unwrap();
    assert_eq!(witness.unwrap().commits, Some(5));
}

#[tokio::test]
async fn a_lost_store_is_told_from_a_first_start_by_its_witness() {
    let home = Home::new();
    let store = home.open();
    raise_all(&store).await;
    assert_eq!(claim(&store, 101).await, Ok(Answer::Permit));
    drop(store);
    std::fs::remove_file(home.file()).unwrap();
    let store = home.open();
    let reason = refusal(&store);
    assert!(reason.contains("is its volume mounted?"), "{reason}");
    let floor = vec![raise(KINDS[0], at(100, 0))];
    assert!(store.raise(floor, second(1_000)).await.is_err());
    drop(store);
    let pinned = Trust {
        lineage: Some("mine".to_owned()),
        ..home.trust()
    };
    let level = at(200, 0).level;
    let error = EmbeddedStore::accept(&home.lock(), &pinned, ChainId::MAINNET, level, second(1))
        .unwrap_err();
    assert!(error.contains("state.lineage pins mine"), "{error}");
    assert!(!home.file().exists());
    let accepted = home.accept(200).unwrap();
    let store = home.open();
    assert_eq!(store.report().lineage, Some(accepted.lineage));
    assert!(matches!(claim(&store, 200).await, Ok(Answer::Refused(_))));
    assert_eq!(claim(&store, 201).await, Ok(Answer::Permit));
}

#[tokio::test]
async fn a_witness_that_vanished_or_belongs_elsewhere_stops_signing_and_a_new_one_begins_by_itself()
{
    let home = Home::new();
    let (stranger, store) = (Home::new(), home.open());
    // A store from before the witness was configured gets one.
    raise_all(&store).await;
    assert!(home.witness().exists());
    drop(store);
    std::fs::remove_file(home.witness()).unwrap();
    let reason = refusal(&home.open());
    assert!(reason.contains("is gone"), "{reason}");
    raise_all(&stranger.open()).await;
    copy(&stranger.witness(), &home.witness());
    let reason = refusal(&home.open());
    assert!(
        reason.contains("belongs to the watermark store"),
        "{reason}"
    );
    std::fs::write(home.witness(), "{").unwrap();
    let reason = refusal(&home.open());
    assert!(reason.contains("cannot be used"), "{reason}");
    home.accept(300).unwrap();
    assert_eq!(claim(&home.open(), 301).await, Ok(Answer::Permit));
}

#[tokio::test]
async fn a_witness_that_cannot_be_written_delays_no_signature_and_is_told() {
    let home = Home::new();
    let store = home.open();
    raise_all(&store).await;
    assert_eq!(store.vitals().witness, Some(true));
    let elsewhere = home.other.path().with_extension("unmounted");
    std::fs::rename(home.other.path(), &elsewhere).unwrap();
    let mut level = 100;
    let mut go_on = async || {
        level += 1;
        assert_eq!(claim(&store, level).await, Ok(Answer::Permit));
    };
    let told = || store.vitals().witness == Some(false);
    until("the trouble to be told", told, &mut go_on).await;
    std::fs::rename(&elsewhere, home.other.path()).unwrap();
    let well = || store.vitals().witness == Some(true);
    until("the witness to be written", well, go_on).await;
    drop(store);
    assert_eq!(claim(&home.open(), level + 1).await, Ok(Answer::Permit));
}

#[tokio::test]
async fn what_a_killed_process_had_not_noted_is_in_the_witness_before_anything_is_asked() {
    let home = Home::new();
    let store = home.open();
    raise_all(&store).await;
    drop(store);
    let (early, backup) = (
        std::fs::read(home.witness()).unwrap(),
        home.other.path().join("backup"),
    );
    copy(&home.file(), &backup);
    let store = home.open();
    assert_eq!(claim(&store, 101).await, Ok(Answer::Permit));
    drop(store);
    // As if it had been killed before the witness was written.
    std::fs::write(home.witness(), early).unwrap();
    let lock = home.lock();
    let store = EmbeddedStore::open_trusting(lock, home.trust(), |_| ());
    let known = String::from_utf8(std::fs::read(home.witness()).unwrap()).unwrap();
    assert!(known.contains("101"), "{known}");
    let again = claim(&store, 101).await;
    assert!(matches!(again, Ok(Answer::InFlight { .. })), "{again:?}");
    drop(store);
    copy(&backup, &home.file());
    let reason = refusal(&home.open());
    assert!(reason.contains("has gone back"), "{reason}");
}

#[tokio::test]
async fn looking_at_a_store_writes_no_witness() {
    let home = Home::new();
    raise_all(&open(&home.folder)).await;
    let look = || EmbeddedStore::open_to_look(home.lock(), home.trust());
    assert_eq!(look().streams().len(), KINDS.len());
    assert!(!home.witness().exists());
    // Nor was it made to say that it had one.
    let store = home.open();
    assert_eq!(store.report().condition, Condition::Ready);
    let early = std::fs::read(home.witness()).unwrap();
    assert_eq!(claim(&store, 101).await, Ok(Answer::Permit));
    drop(store);
    std::fs::write(home.witness(), &early).unwrap();
    assert_eq!(look().report().condition, Condition::Ready);
    assert_eq!(std::fs::read(home.witness()).unwrap(), early);
    std::fs::remove_file(home.witness()).unwrap();
    assert!(refusal(&look()).contains("is gone"));
    assert!(!home.witness().exists());
}

#[tokio::test]
async fn a_store_whose_witness_is_gone_is_accepted_from_its_own_highest_level_on() {
    let home = Home::new();
    let store = home.open();
    raise_all(&store).await;
    assert_eq!(claim(&store, 150).await, Ok(Answer::Permit));
    drop(store);
    std::fs::remove_file(home.witness()).unwrap();
    let error = home.accept(149).unwrap_err();
    assert!(error.contains("149 lies below 150"), "{error}");
    home.accept(150).unwrap();
    let store = home.open();
    assert!(matches!(claim(&store, 150).await, Ok(Answer::Refused(_))));
    assert_eq!(claim(&store, 151).await, Ok(Answer::Permit));
}

#[tokio::test]
async fn what_cannot_be_accepted_is_refused_and_left_alone() {
    let home = Home::new();
    let error = home.accept(300).unwrap_err();
    assert!(error.contains("`watermark init` makes a store"), "{error}");
    let store = home.open();
    raise_all(&store).await;
    store
        .amend(vec![Change::Seal], second(1_000))
        .await
        .unwrap();
    drop(store);
    let error = home.accept(300).unwrap_err();
    assert!(error.contains("reset --danger"), "{error}");
    let pinned = Trust {
        lineage: Some("other".to_owned()),
        witness: Some(home.other.path().join("none")),
    };
    let level = at(300, 0).level;
    let error = EmbeddedStore::accept(&home.lock(), &pinned, ChainId::MAINNET, level, second(1))
        .unwrap_err();
    assert!(error.contains("state.lineage demands other"), "{error}");
}
