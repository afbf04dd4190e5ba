//! A disk that is full when the store is opened: nothing is signed, and space is all that it takes. Only the volume of
//! the witness, at its first use, takes a restart.

use crate::fixture::{ask, at, second};
use crate::store::calls::journal::{Call, Fault, set_fault, taken_down};

use super::witness::Home;
use super::*;

/// A store that met a full disk when it was opened.
fn opened_without_space(home: &Home) -> EmbeddedStore {
    set_fault(Fault::Full(0));
    let store = home.open();
    for _ in 0..2 {
        let reason = store.report().reason.unwrap();
        assert!(reason.contains("cannot be opened"), "{reason}");
        assert!(reason.contains("until there is space"), "{reason}");
        store.try_recover();
        assert_eq!(store.report().condition, Condition::Refusing);
    }
    set_fault(Fault::Nothing);
    store
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_start_needs_space_and_no_restart() {
    let home = Home::new();
    raise_all(&home.open()).await;
    let store = opened_without_space(&home);
    let wanted = ask(at(101, 0), 1);
    for _ in 0..2 {
        let refused = store.claim(wanted, second(1_000)).await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
        let raised = store
            .raise(vec![raise(KINDS[0], at(1, 0))], second(1))
            .await;
        assert!(
            matches!(raised, Err(StoreError::Unavailable(_))),
            "{raised:?}"
        );
    }
    store.try_recover();
    assert_eq!(store.report().condition, Condition::Ready);
    let claimed = store.claim(wanted, second(1_000)).await;
    assert_eq!(claimed, Ok(Answer::Permit));
    // From here on it is watched like any other.
    store.try_recover();
    drop(store);
    let again = home.open().claim(wanted, second(1_000)).await;
    assert!(matches!(again, Ok(Answer::InFlight { .. })), "{again:?}");
}

#[tokio::test]
async fn what_is_opened_once_there_is_space_is_judged_as_at_a_start() {
    let home = Home::new();
    raise_all(&home.open()).await;
    let old = std::fs::read(home.file()).unwrap();
    let store = home.open();
    let claimed = store.claim(ask(at(101, 0), 1), second(1_000)).await;
    assert_eq!(claimed, Ok(Answer::Permit));
    drop(store);
    std::fs::write(home.file(), old).unwrap();
    let store = opened_without_space(&home);
    store.try_recover();
    let reason = store.report().reason.unwrap();
    assert!(reason.contains("has gone back"), "{reason}");
    store.try_recover();
    let refused = store.claim(ask(at(101, 0), 2), second(1_000)).await;
    assert_eq!(refused, Err(StoreError::Unavailable(reason)));
}

#[tokio::test]
async fn a_store_that_is_gone_once_there_is_space_is_not_taken_for_a_first_start() {
    let home = Home::new();
    raise_all(&home.open()).await;
    let store = opened_without_space(&home);
    std::fs::remove_file(home.file()).unwrap();
    store.try_recover();
    let reason = store.report().reason.unwrap();
    assert!(reason.contains("the witness"), "{reason}");
    let raised = store
        .raise(vec![raise(KINDS[0], at(1, 0))], second(1))
        .await;
    assert_eq!(raised, Err(StoreError::Unavailable(reason)));
}

#[tokio::test]
async fn a_full_volume_of_the_witness_at_its_first_use_is_named_and_costs_the_store_no_writes() {
    let home = Home::new();
    drop({
        let store = EmbeddedStore::open(home.lock(), None, |_| ());
        raise_all(&store).await;
        store
    });
    // The store is copied, and then there is no space for the witness.
    set_fault(Fault::Full(1));
    let store = home.open();
    let reason = store.report().reason.unwrap();
    for part in ["witness.json cannot be written", "make space there"] {
        assert!(reason.contains(part), "{reason}");
    }
    let ((), calls) = taken_down(|| store.try_recover());
    assert_eq!(calls, []);
    set_fault(Fault::Nothing);
    store.try_recover();
    assert_eq!(store.report().reason, Some(reason));
    drop(store);
    let store = home.open();
    assert_eq!(store.report().condition, Condition::Ready);
    assert!(home.witness().exists());
}

#[tokio::test]
async fn a_start_writes_the_witness_itself_only_if_that_is_behind() {
    let home = Home::new();
    raise_all(&home.open()).await;
    let early = std::fs::read(home.witness()).unwrap();
    let claimed = home.open().claim(ask(at(101, 0), 1), second(1_000)).await;
    assert_eq!(claimed, Ok(Answer::Permit));
    // Both files are written durably, each by one rename; the keeper has a thread of its own.
    let renames = || {
        let (store, calls) = taken_down(|| home.open());
        assert_eq!(store.report().condition, Condition::Ready);
        let is_rename = |call: &&Call| matches!(call, Call::Rename(_, to) if *to == home.witness());
        calls.iter().filter(is_rename).count()
    };
    assert_eq!(renames(), 0);
    std::fs::write(home.witness(), early).unwrap();
    assert_eq!(renames(), 1);
    assert_eq!(renames(), 0);
}
