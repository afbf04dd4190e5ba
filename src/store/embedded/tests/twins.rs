//! Two copies of one store at work on one witness: found out by whoever is behind, and never written over.

use crate::fixture::{ask, at, second};

use super::super::super::witness;
use super::witness::Home;
use super::*;
use crate::transfer::Document;

fn noted(home: &Home) -> Document {
    witness::read(&home.witness()).unwrap().unwrap()
}

#[tokio::test]
async fn of_two_copies_of_a_store_at_work_on_one_witness_one_stops_and_leaves_it_alone() {
    let home = Home::new();
    let copy = home.copied().await;
    let stores = [home.open(), copy.open()];
    // Found out at once, if both were opened before either has noted anything. Otherwise they go in step with each
    // other: their floors and numbers are the same all the time.
    let mut level = 200;
    let ill = |store: &EmbeddedStore| store.report().condition == Condition::Refusing;
    let one_is_ill = || stores.iter().any(ill);
    until("one to find the other", one_is_ill, async || {
        level += 1;
        for (store, name) in stores.iter().zip([1, 2]) {
            drop(store.claim(ask(at(level, 0), name), second(1_000)).await);
        }
    })
    .await;
    let is_first = ill(&stores[0]);
    let [first, second_one] = stores;
    let (ill, other) = if is_first {
        (first, second_one)
    } else {
        (second_one, first)
    };
    let reason = ill.report().reason.unwrap();
    assert!(
        reason.contains("another process keeps the witness"),
        "{reason}"
    );
    assert!(reason.contains("two copies of one store"), "{reason}");
    assert_eq!(ill.vitals().witness, Some(false));
    let refused = ill.claim(ask(at(9_000, 0), 1), second(1_000)).await;
    assert_eq!(refused, Err(StoreError::Unavailable(reason)));
    drop(other);
    let before = noted(&home);
    drop(ill);
    assert_eq!(noted(&home), before);
}

#[tokio::test]
async fn a_witness_that_is_ahead_of_the_running_store_or_of_another_one_is_not_written_over() {
    for change in [
        |document: &mut Document| document.commits = Some(u64::MAX),
        |document: &mut Document| document.lineage = "other".to_owned(),
        |document: &mut Document| document.accounts[0].watermarks[0].position = at(9_000, 0),
        |document: &mut Document| document.sealed = Some(second(1)),
        // The same contents, by another hand.
        |document: &mut Document| document.writer = Some("f".repeat(32)),
    ] {
        let home = Home::new();
        drop(home.copied().await);
        let store = home.open();
        let (mut level, mut document) = (101, noted(&home));
        let is_ill = || store.report().condition == Condition::Refusing;
        until("the stranger to be found", is_ill, async || {
            // The keeper may be about to write what it looked for before.
            document = noted(&home);
            change(&mut document);
            std::fs::write(home.witness(), document.to_text()).unwrap();
            drop(store.claim(ask(at(level, 0), 1), second(1_000)).await);
            level += 1;
        })
        .await;
        drop(store);
        assert_eq!(noted(&home), document);
    }
}

#[tokio::test]
async fn a_witness_that_is_damaged_gone_or_older_is_written_anew() {
    let home = Home::new();
    drop(home.copied().await);
    let store = home.open();
    let old = std::fs::read(home.witness()).unwrap();
    for level in 101..=103 {
        match level {
            101 => std::fs::write(home.witness(), "{").unwrap(),
            102 => std::fs::remove_file(home.witness()).unwrap(),
            _ => std::fs::write(home.witness(), &old).unwrap(),
        }
        let known = || witness::read(&home.witness()).ok().flatten();
        let fresh =
            || known().is_some_and(|it| it.commits == Some(read(&store.shared.memory).commits));
        assert_eq!(
            store.claim(ask(at(level, 0), 1), second(1_000)).await,
            Ok(Answer::Permit)
        );
        until("what was committed", fresh, async || {}).await;
        assert_eq!(store.report().condition, Condition::Ready);
    }
}

#[tokio::test]
async fn a_volume_that_loses_what_was_noted_last_is_not_taken_for_another_copy() {
    let home = Home::new();
    drop(home.copied().await);
    let (found, before) = (std::fs::read(home.witness()).unwrap(), noted(&home));
    let store = home.open();
    // The numbers are the same, and the hand is ours.
    let is_ours = || noted(&home).writer != before.writer;
    until("the first note", is_ours, async || {}).await;
    assert_eq!(noted(&home).commits, before.commits);
    let is_up_to_date = || noted(&home).commits == Some(read(&store.shared.memory).commits);
    // That is lost, and then what follows, all the time.
    for level in 101..120 {
        std::fs::write(home.witness(), &found).unwrap();
        assert_eq!(
            store.claim(ask(at(level, 0), 1), second(1_000)).await,
            Ok(Answer::Permit)
        );
        until("what was committed", is_up_to_date, async || {}).await;
        let report = store.report();
        assert_eq!(report.condition, Condition::Ready, "{:?}", report.reason);
    }
}
