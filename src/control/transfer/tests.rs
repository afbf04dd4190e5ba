//! Moves between real stores: what is sealed stays sealed, what is imported is above everything exported.

use crate::fixture::{ask, ask_kind, at, folder, key, raise, record, second, stream};
use crate::guard::{Answer, Candidate, Halt, StoreError};
use crate::store::{DirectoryLock, EmbeddedStore, LockError};
use crate::tezos::{ChainId, PublicKeyHash};
use crate::transfer::{SourceFile, read};

use super::super::{Command, init_watermark, show_watermarks};
use super::*;

const KIND: ConsensusKind = ConsensusKind::Attestation;

fn open(folder: &tempfile::TempDir) -> EmbeddedStore {
    let lock: Result<_, LockError> = DirectoryLock::acquire(folder.path());
    EmbeddedStore::open(lock.unwrap(), None, |_| {})
}

fn account() -> Account {
    Account {
        chain: ChainId::MAINNET,
        key: key(),
    }
}

fn level(level: u32) -> Level {
    Level::new(level).unwrap()
}

fn done(reply: Reply) -> String {
    match reply {
        Reply::Done(text) | Reply::Document(text) => text,
        Reply::Failed(reason) => panic!("{reason}"),
        Reply::Watermarks(_) => panic!("watermarks"),
    }
}

fn failed(reply: Reply) -> String {
    match reply {
        Reply::Failed(reason) => reason,
        Reply::Done(text) | Reply::Document(text) => panic!("{text}"),
        Reply::Watermarks(_) => panic!("watermarks"),
    }
}

/// A store with all kinds at level 100 and an attestation signed at 101.
async fn store(folder: &tempfile::TempDir) -> EmbeddedStore {
    let store = open(folder);
    done(init_watermark(&store, key(), ChainId::MAINNET, level(100)).await);
    assert_eq!(claim(&store, at(101, 0)).await, Ok(Answer::Permit));
    store.record(ask(at(101, 0), 1), record(7)).await.unwrap();
    store
}

async fn claim(store: &EmbeddedStore, position: Position) -> Result<Answer, StoreError> {
    ask_for(store, ask(position, 1)).await
}

async fn ask_for(store: &EmbeddedStore, candidate: Candidate) -> Result<Answer, StoreError> {
    store.claim(candidate, second(5)).await
}

fn source(text: &str) -> Source {
    let file = SourceFile {
        name: "w.json".to_owned(),
        shown: "w.json".to_owned(),
        content: text.as_bytes().to_owned(),
    };
    read(&[file]).unwrap()
}

fn floors_of(store: &EmbeddedStore) -> Vec<Position> {
    let floors = floors(store, account()).into_iter();
    floors.map(|(_, floor)| floor).collect()
}

fn stopped_at(said: u32) -> Request {
    Request {
        stopped_at: Some(level(said)),
        ..Request::default()
    }
}

#[tokio::test]
async fn a_sealed_store_never_claims_again_and_the_one_that_takes_over_starts_above_it() {
    let (old, new) = (folder(), folder());
    let store = store(&old).await;
    let document = done(export_watermarks(&store, true).await);
    let target = open(&new);
    let text = import_watermarks(&target, &source(&document), &Request::default(), false).await;
    assert!(done(text).contains("5 changes"));
    assert_eq!(floors_of(&target), floors_of(&store));
    drop(store);
    for _ in 0..2 {
        let store = open(&old);
        for candidate in [
            ask(at(102, 0), 1),
            ask_kind(ConsensusKind::Block, at(900, 0), 1),
        ] {
            let refused = ask_for(&store, candidate).await;
            assert!(
                matches!(refused, Err(StoreError::Unavailable(_))),
                "{refused:?}"
            );
        }
        // What was signed is repeated, and a first use does not bring it back.
        assert_eq!(
            claim(&store, at(101, 0)).await,
            Ok(Answer::Recorded(record(7)))
        );
        let refused = failed(init_watermark(&store, key(), ChainId::MAINNET, level(500)).await);
        assert!(
            refused.contains("it never signs again; nothing was changed"),
            "{refused}"
        );
    }
    for (position, expected) in [(at(101, 0), false), (at(101, 1), true), (at(102, 0), true)] {
        let answer = claim(&target, position).await.unwrap();
        assert_eq!(answer == Answer::Permit, expected, "{position}: {answer:?}");
    }
}

#[tokio::test]
async fn a_seal_is_told_and_exporting_again_gives_the_same_watermarks() {
    let old = folder();
    let store = store(&old).await;
    let open_document = source(&done(export_watermarks(&store, false).await));
    assert_eq!(open_document.sealed, None);
    let first = source(&done(export_watermarks(&store, true).await));
    let shown = show_watermarks(&store);
    assert_eq!((shown.sealed, shown.refusing), (first.sealed, None));
    assert!(first.sealed.is_some());
    for seal in [true, false] {
        assert_eq!(source(&done(export_watermarks(&store, seal).await)), first);
    }
    let request = stopped_at(200);
    let refused = import_watermarks(&store, &first, &request, false).await;
    assert!(failed(refused).contains("sealed at"));
    for reply in [
        stop_key(&store, account(), level(200)).await,
        resume_key(&store, account(), None).await,
    ] {
        assert!(failed(reply).contains("sealed at"));
    }
}

#[tokio::test]
async fn no_claim_is_granted_after_a_seal_and_none_before_it_is_missing_from_the_document() {
    let old = folder();
    let store = std::sync::Arc::new(store(&old).await);
    let mut claims = tokio::task::JoinSet::new();
    for nth in 0..200 {
        let store = std::sync::Arc::clone(&store);
        claims.spawn(async move { (nth, claim(&store, at(102 + nth, 0)).await) });
    }
    let document = source(&done(export_watermarks(&*store, true).await));
    let floor = document.accounts[0].marks[&KIND];
    let mut refused = 0;
    while let Some(claim) = claims.join_next().await {
        let (nth, answer) = claim.unwrap();
        match answer {
            Ok(Answer::Permit) => assert!(at(102 + nth, 0) <= floor, "{nth} {floor}"),
            Ok(Answer::Refused(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(_) => refused += 1,
        }
    }
    assert!(claim(&store, at(5_000, 0)).await.is_err());
    assert!(refused <= 200);
}

#[tokio::test]
async fn a_store_that_is_absent_or_in_doubt_is_not_exported_or_sealed() {
    let folder = folder();
    for seal in [false, true] {
        let reason = failed(export_watermarks(&open(&folder), seal).await);
        assert!(reason.contains("there is no watermark store"), "{reason}");
    }
    drop(store(&folder).await);
    std::fs::write(folder.path().join("watermarks.redb"), "torn").unwrap();
    for seal in [false, true] {
        let reason = failed(export_watermarks(&open(&folder), seal).await);
        assert!(reason.contains("cannot be used"), "{reason}");
    }
}

#[tokio::test]
async fn a_source_that_may_still_sign_is_not_imported_and_nothing_is_made() {
    let (old, new) = (folder(), folder());
    let store = store(&old).await;
    let document = source(&done(export_watermarks(&store, false).await));
    let target = open(&new);
    for dry_run in [true, false] {
        let refused = import_watermarks(&target, &document, &Request::default(), dry_run).await;
        assert!(failed(refused).contains("may still sign"));
    }
    assert_eq!(target.report().condition, Condition::Absent);
    // With the operator's word, or with a stop of its own, it is.
    done(import_watermarks(&target, &document, &stopped_at(110), false).await);
    assert_eq!(floors_of(&target), [at(110, 1000); 5]);
    done(stop_key(&store, account(), level(120)).await);
    let stopped = source(&done(export_watermarks(&store, false).await));
    done(import_watermarks(&target, &stopped, &Request::default(), false).await);
    assert_eq!(floors_of(&target), [at(120, 1000); 5]);
    assert_eq!(target.account(account()).stop_at, None);
    // From now on one of the two signs each level, and none is lost.
    for (position, here) in [(at(120, 0), true), (at(121, 0), false)] {
        for (store, expected) in [(&store, here), (&target, !here)] {
            let answer = claim(store, position).await.unwrap();
            assert_eq!(answer == Answer::Permit, expected, "{position}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let (old, new) = (folder(), folder());
    let store = store(&old).await;
    let document = source(&done(export_watermarks(&store, true).await));
    let target = open(&new);
    let text = import_watermarks(&target, &document, &Request::default(), true).await;
    assert!(done(text).ends_with("5 watermarks rise, 0 stay"));
    assert_eq!(target.report().condition, Condition::Absent);
    assert!(!new.path().join("watermarks.redb").exists());
}

#[tokio::test]
async fn an_import_never_lowers_and_again_changes_nothing() {
    let (old, new) = (folder(), folder());
    let document = source(&done(export_watermarks(&store(&old).await, true).await));
    let target = open(&new);
    let high = raise(ConsensusKind::Block, at(700, 3));
    target.raise(vec![high], second(1)).await.unwrap();
    done(import_watermarks(&target, &document, &Request::default(), false).await);
    let floors = floors_of(&target);
    assert_eq!(
        floors,
        [
            at(101, 0),
            at(700, 3),
            at(100, 1000),
            at(100, 1000),
            at(100, 1000)
        ]
    );
    let again = import_watermarks(&target, &document, &Request::default(), false).await;
    assert_eq!(done(again), "no watermark had to be changed");
    assert_eq!(floors_of(&target), floors);
}

#[tokio::test]
async fn ones_own_export_gives_a_new_store_the_same_watermarks_and_halts() {
    let (old, new) = (folder(), folder());
    let store = store(&old).await;
    let halt = Halt::new(second(9), "other bytes".to_owned());
    let change = Change::Halt {
        account: account(),
        halt: halt.clone(),
    };
    store.amend(vec![change], second(9)).await.unwrap();
    let document = source(&done(export_watermarks(&store, true).await));
    let target = open(&new);
    done(import_watermarks(&target, &document, &Request::default(), false).await);
    let copy = source(&done(export_watermarks(&target, true).await));
    assert_eq!(copy.accounts, document.accounts);
    assert_eq!(target.account(account()).halt, Some(halt));
}

#[tokio::test]
async fn a_stop_is_told_with_how_far_the_key_has_signed() {
    let folder = folder();
    let store = store(&folder).await;
    let text = done(stop_key(&store, account(), level(110)).await);
    assert!(
        text.contains("nothing above level 110 is ever signed"),
        "{text}"
    );
    assert!(
        text.contains("attestation level 101 round 0, block level 100 all rounds"),
        "{text}"
    );
    assert!(!text.contains("above the stop"), "{text}");
    let refused = failed(stop_key(&store, account(), level(111)).await);
    assert!(refused.contains("already stops at level 110"), "{refused}");
    done(stop_key(&store, account(), level(110)).await);
    let text = done(stop_key(&store, account(), level(90)).await);
    assert!(
        text.contains("whoever takes over starts above level 101"),
        "{text}"
    );
    assert_eq!(show_watermarks(&store).keys[0].stop_at, Some(level(90)));
    let unknown: PublicKeyHash = "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb".parse().unwrap();
    let unknown = Account {
        key: unknown,
        ..account()
    };
    let refused = failed(stop_key(&store, unknown, level(1)).await);
    assert!(refused.contains("has no watermark"), "{refused}");
}

#[tokio::test]
async fn a_halted_key_is_resumed_above_the_level_that_is_given() {
    let folder = folder();
    let store = store(&folder).await;
    let refused = failed(resume_key(&store, account(), Some(level(900))).await);
    assert!(refused.contains("is not halted"), "{refused}");
    assert_eq!(floors_of(&store)[0], at(101, 0));
    for (given, expected) in [(None, at(101, 0)), (Some(level(300)), at(300, 1000))] {
        let halt = Change::Halt {
            account: account(),
            halt: Halt::new(second(9), "other bytes".to_owned()),
        };
        store.amend(vec![halt], second(9)).await.unwrap();
        let shown = show_watermarks(&store);
        assert_eq!(shown.keys[0].halted.as_ref().unwrap().reason, "other bytes");
        let text = done(resume_key(&store, account(), given).await);
        assert!(
            text.contains("halted since 1970-01-01T00:00:09Z: other bytes"),
            "{text}"
        );
        assert_eq!(floors_of(&store)[0], expected);
        assert_eq!(store.account(account()).halt, None);
        assert!(show_watermarks(&store).keys.is_empty());
    }
    assert_eq!(claim(&store, at(301, 0)).await, Ok(Answer::Permit));
}

#[tokio::test]
async fn the_document_of_a_book_is_that_of_its_store() {
    let folder = folder();
    let store = store(&folder).await;
    done(stop_key(&store, account(), level(110)).await);
    let text = done(export_watermarks(&store, false).await);
    drop(store);
    let lock = DirectoryLock::acquire(folder.path()).unwrap();
    let crate::store::Found::Whole { lineage, book } = EmbeddedStore::inspect(&lock).unwrap()
    else {
        panic!("no store")
    };
    let same = Document::read("w.json", text.as_bytes()).unwrap();
    assert_eq!(Document::of_book(&lineage, &book, same.created), same);
    assert_eq!(same.accounts[0].watermarks.len(), 5);
    assert_eq!(stream(KIND).key, same.accounts[0].key);
}

#[tokio::test]
async fn commands_cross_the_socket_unchanged() {
    let folder = folder();
    let document = done(export_watermarks(&store(&folder).await, true).await);
    for command in [
        Command::WatermarkExport { seal: true },
        Command::WatermarkImport {
            source: source(&document),
            request: stopped_at(7),
            dry_run: true,
        },
        Command::WatermarkStopAt {
            key: key(),
            chain: ChainId::MAINNET,
            level: level(7),
        },
        Command::WatermarkResume {
            key: key(),
            chain: ChainId::MAINNET,
            level: None,
        },
    ] {
        let line = serde_json::to_string(&command).unwrap();
        assert_eq!(
            serde_json::from_str::<Command>(&line).unwrap(),
            command,
            "{line}"
        );
    }
}
