//! A disk that is full when the store is opened: nothing is signed, and space is all that it takes.

use crate::fixture::{ask, at, second};
use crate::store::calls::journal::{Fault, set_fault};

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
