//! A disk that fails: nothing is signed any more, and what was signed before can still be given.

use crate::fixture::{ask, at, bytes, raise, record, second};
use crate::guard::{Answer, SigningGuard};

use super::device::Fault;
use super::*;

/// A store on a device, with one slot signed and one claimed.
async fn working(folder: &tempfile::TempDir) -> (Device, Arc<EmbeddedStore>, Candidate, Candidate) {
    let device = device_with_store();
    let store = Arc::new(open_over(folder, database_on(&device).unwrap()));
    raise_all(&store).await;
    let (signed, claimed) = (ask(at(101, 0), 1), ask(at(102, 0), 1));
    for candidate in [signed, claimed] {
        let answer = store.claim(candidate, second(1_000)).await.unwrap();
        assert_eq!(answer, Answer::Permit);
    }
    store.record(signed, record(7)).await.unwrap();
    (device, store, signed, claimed)
}

fn guard_over(store: &Arc<EmbeddedStore>) -> SigningGuard {
    let store: Arc<EmbeddedStore> = Arc::clone(store);
    let (_, node) = tokio::sync::watch::channel(None);
    SigningGuard::new(store, Vec::new(), 1_000, node)
}

/// Fails at `fault`, and checks all that must hold from then on; returns whether the fault was met.
async fn fail_at(fault: Fault) -> bool {
    let folder = crate::fixture::folder();
    let (device, store, signed, claimed) = working(&folder).await;
    let guard = guard_over(&store);
    device.set_fault(fault);
    let fresh = ask(at(103, 0), 1);
    let failed = guard.claim(fresh, second(1_000)).await;
    if failed.is_ok() {
        return false;
    }
    // The disk is well again, but what it holds is not known any more.
    device.set_fault(Fault::Nothing);
    assert!(
        matches!(failed, Err(crate::guard::ClaimError::Store(_))),
        "{failed:?}"
    );
    assert_eq!(store.lookup(&fresh.slot), None);
    for candidate in [fresh, claimed, ask(at(104, 0), 1)] {
        let refused = store.claim(candidate, second(1_000)).await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
    }
    let refused = store.record(claimed, record(8)).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    let floor = raise(ConsensusKind::Block, at(900, 0));
    let refused = store.raise(vec![floor], second(1_000)).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(guard.replay(&signed), Some(record(7)));
    let report = store.report();
    assert_eq!(report.condition, Condition::Refusing);
    let reason = report.reason.unwrap();
    assert!(reason.contains("failed to commit"), "{reason}");
    assert!(reason.contains("nothing is signed until"), "{reason}");
    // A start over what the disk shows now finds all that was promised.
    let left = device.bytes();
    drop((guard, store));
    let book = book_on(database_on(&Device::holding(left)).unwrap());
    let state = &book.streams[&signed.slot.stream];
    assert_eq!(state.rows[&at(101, 0)].record, Some(record(7)));
    assert_eq!(state.rows[&at(102, 0)].digest, bytes(1));
    let other = Candidate {
        digest: bytes(2),
        ..claimed
    };
    assert!(!is_allowed(Some(state), &other));
    true
}

#[test]
fn after_a_failed_sync_the_store_refuses_everything_and_replays_go_on() {
    let met: Vec<_> = (0..3)
        .map(|sync| block_on(fail_at(Fault::Sync(sync))))
        .collect();
    // A commit has two syncs; both were met.
    assert_eq!(met[..2], [true, true]);
}

#[test]
fn after_a_full_disk_the_store_refuses_everything_and_replays_go_on() {
    let met: Vec<_> = (0..12)
        .map(|write| block_on(fail_at(Fault::Write(write))))
        .collect();
    assert!(met[0], "{met:?}");
}

#[test]
fn a_failed_commit_fails_every_claim_that_shared_it() {
    let folder = crate::fixture::folder();
    block_on(async {
        let (device, store, ..) = working(&folder).await;
        device.set_fault(Fault::Sync(0));
        let queue = read(&store.shared.queue).clone().unwrap();
        let mut answers = Vec::new();
        for kind in KINDS {
            let (reply, answer) = oneshot::channel();
            let candidate = crate::fixture::ask_kind(kind, at(110, 0), 1);
            let operation = Operation::Claim(candidate, second(1_000), reply);
            queue.send(operation).await.ok().unwrap();
            answers.push((candidate, answer));
        }
        for (candidate, answer) in answers {
            let answer = answer.await.unwrap();
            assert!(matches!(answer, Err(StoreError::Unknown(_))), "{answer:?}");
            assert_eq!(store.lookup(&candidate.slot), None);
        }
    });
}

#[test]
fn after_a_full_disk_the_store_comes_back_with_all_it_promised_once_there_is_space() {
    let folder = crate::fixture::folder();
    block_on(async {
        let device = device_with_store();
        let again = device.clone();
        let reopen = move || read_database(database_on(&again).unwrap(), |_, _| Ok(()));
        let store = open_over_with(&folder, database_on(&device).unwrap(), reopen);
        raise_all(&store).await;
        let (signed, fresh) = (ask(at(101, 0), 1), ask(at(102, 0), 1));
        let claimed = store.claim(signed, second(1_000)).await;
        assert_eq!(claimed, Ok(Answer::Permit));
        store.record(signed, record(7)).await.unwrap();
        device.set_fault(Fault::Write(0));
        let unknown = store.claim(fresh, second(1_000)).await;
        assert!(
            matches!(unknown, Err(StoreError::Unknown(_))),
            "{unknown:?}"
        );
        let reason = store.report().reason.unwrap();
        assert!(reason.contains("until there is space again"), "{reason}");
        let refused = store.claim(fresh, second(1_000)).await;
        assert_eq!(refused, Err(StoreError::Unavailable(reason)));
        assert_eq!(store.lookup(&signed.slot).unwrap().record, Some(record(7)));
        // There is space, but nobody has looked: it goes on refusing.
        device.set_fault(Fault::Nothing);
        assert_eq!(store.report().condition, Condition::Refusing);
        store.try_recover();
        // The committer does one thing after the other.
        let halt = crate::guard::Halt::new(second(1_000), String::new());
        let account = signed.slot.stream.into();
        let queue = read(&store.shared.queue).clone().unwrap();
        let (reply, answer) = oneshot::channel();
        let change = vec![Change::Halt { account, halt }, Change::Resume { account }];
        let operation = Operation::Amend(change, second(1_000), reply);
        queue.send(operation).await.ok().unwrap();
        answer.await.unwrap().unwrap();
        assert_eq!(store.report().condition, Condition::Ready);
        assert_eq!(
            store.claim(signed, second(1_000)).await,
            Ok(Answer::Recorded(record(7)))
        );
        let answer = store.claim(fresh, second(1_000)).await.unwrap();
        assert!(
            matches!(answer, Answer::Permit | Answer::InFlight { .. }),
            "{answer:?}"
        );
        let other = store
            .claim(ask(at(101, 0), 2), second(1_000))
            .await
            .unwrap();
        assert!(matches!(other, Answer::Refused(_)), "{other:?}");
    });
}

#[test]
fn a_store_that_comes_back_with_less_than_it_promised_stays_refused() {
    let folder = crate::fixture::folder();
    block_on(async {
        let device = device_with_store();
        let empty = device.bytes();
        let reopen = move || {
            let rolled_back = Device::holding(empty.clone());
            read_database(database_on(&rolled_back).unwrap(), |_, _| Ok(()))
        };
        let store = open_over_with(&folder, database_on(&device).unwrap(), reopen);
        raise_all(&store).await;
        device.set_fault(Fault::Write(0));
        let unknown = store.claim(ask(at(102, 0), 1), second(1_000)).await;
        assert!(
            matches!(unknown, Err(StoreError::Unknown(_))),
            "{unknown:?}"
        );
        device.set_fault(Fault::Nothing);
        store.try_recover();
        let queue = read(&store.shared.queue).clone().unwrap();
        let (reply, answer) = oneshot::channel();
        let operation = Operation::Claim(ask(at(102, 0), 1), second(1_000), reply);
        queue.send(operation).await.ok().unwrap();
        let refused = answer.await.unwrap();
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
        let reason = store.report().reason.unwrap();
        assert!(reason.contains("had lost what it had promised"), "{reason}");
    });
}

#[tokio::test]
async fn a_store_whose_file_is_moved_away_refuses_until_it_is_back() {
    let folder = crate::fixture::folder();
    let store = open(&folder);
    raise_all(&store).await;
    let (path, aside) = (
        folder.path().join(STORE_FILE),
        folder.path().join("aside.redb"),
    );
    for (name, said) in [
        (STORE_FILE, "was removed or moved"),
        ("lock", "was removed"),
    ] {
        let path = folder.path().join(name);
        std::fs::rename(&path, &aside).unwrap();
        let refused = store.claim(ask(at(101, 0), 1), second(1_000)).await;
        let Err(StoreError::Unavailable(reason)) = refused else {
            panic!("{refused:?}")
        };
        assert!(reason.contains(said), "{reason}");
        assert_eq!(store.report().condition, Condition::Refusing);
        std::fs::rename(&aside, &path).unwrap();
    }
    let answer = store.claim(ask(at(101, 0), 1), second(1_000)).await;
    assert_eq!(answer, Ok(Answer::Permit));
    assert_eq!(store.report().condition, Condition::Ready);
    // A copy in its place, as a restored backup would be, is not it.
    std::fs::copy(&path, &aside).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    let refused = store.claim(ask(at(102, 0), 1), second(1_000)).await;
    let Err(StoreError::Unavailable(reason)) = refused else {
        panic!("{refused:?}")
    };
    assert!(reason.contains("was replaced by another file"), "{reason}");
}
