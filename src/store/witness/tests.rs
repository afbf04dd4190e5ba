//! What a witness contradicts, and what it leaves alone.

use crate::fixture::{ask, at, raise, record, second};
use crate::guard::{Change, Halt, Touched};
use crate::tezos::ConsensusKind;

use super::*;

fn counted(book: &Book, commits: u64) -> Contents {
    let book = book.clone();
    Contents { book, commits }
}

fn document(lineage: &str, book: &Book, now: Timestamp) -> Document {
    super::document(lineage, &counted(book, 7), "mine", now)
}

const KIND: ConsensusKind = ConsensusKind::Attestation;

fn amend(book: &mut Book, change: Change) {
    book.amend(change, second(1_000), &mut Touched::default());
}

fn claim(book: &mut Book, level: u32) {
    let answer = book.claim(
        &ask(at(level, 0), 1),
        second(1_000),
        &mut Touched::default(),
    );
    assert_eq!(answer, Ok(crate::guard::Answer::Permit));
}

/// A book with two kinds at level 100 and a claim at 101.
fn book() -> Book {
    let mut book = Book::default();
    for kind in [KIND, ConsensusKind::Block] {
        amend(&mut book, Change::Raise(raise(kind, at(100, 0))));
    }
    claim(&mut book, 101);
    book
}

fn says(witness: &Book, store: &Book) -> Option<String> {
    let witness = document("one", witness, second(2_000));
    contradiction(
        Path::new("w"),
        Some(&witness),
        "one",
        &counted(store, 7),
        true,
    )
}

#[test]
fn the_store_itself_and_one_that_went_on_are_believed() {
    let witness = book();
    let mut store = book();
    assert_eq!(says(&witness, &store), None);
    store
        .record(&ask(at(101, 0), 1), record(7), &mut Touched::default())
        .unwrap();
    claim(&mut store, 102);
    let account = ask(at(1, 0), 1).slot.stream.into();
    let level = at(500, 0).level;
    amend(&mut store, Change::StopAt { account, level });
    amend(&mut store, Change::Seal);
    assert_eq!(says(&witness, &store), None);
}

#[test]
fn a_store_that_is_behind_in_any_floor_stop_or_seal_is_not_believed() {
    let mut witness = book();
    claim(&mut witness, 102);
    let sentence = says(&witness, &book()).unwrap();
    for part in [
        "has gone back",
        "level 101 round 0",
        "level 102 round 0",
        "watermark accept",
    ] {
        assert!(sentence.contains(part), "{sentence}");
    }
    let mut witness = book();
    amend(
        &mut witness,
        Change::Raise(raise(ConsensusKind::Preattestation, at(1, 0))),
    );
    let sentence = says(&witness, &book()).unwrap();
    assert!(
        sentence.contains("it holds nothing for the preattestation"),
        "{sentence}"
    );
    let account = ask(at(1, 0), 1).slot.stream.into();
    let stop = |level| Change::StopAt {
        account,
        level: at(level, 0).level,
    };
    let mut witness = book();
    amend(&mut witness, stop(500));
    let mut store = book();
    assert!(
        says(&witness, &store)
            .unwrap()
            .contains("stops at level 500")
    );
    amend(&mut store, stop(501));
    assert!(
        says(&witness, &store)
            .unwrap()
            .contains("stops at level 500")
    );
    amend(&mut store, stop(500));
    assert_eq!(says(&witness, &store), None);
    let mut witness = book();
    amend(&mut witness, Change::Seal);
    assert!(says(&witness, &book()).unwrap().contains("was sealed"));
}

#[test]
fn a_store_with_fewer_commits_than_its_witness_is_not_believed_whatever_its_floors_are() {
    let path = Path::new("w");
    let witness = document("one", &book(), second(2_000));
    let says = |witness: &Document, commits| {
        contradiction(path, Some(witness), "one", &counted(&book(), commits), true)
    };
    assert_eq!(says(&witness, 7), None);
    assert_eq!(says(&witness, 8), None);
    let sentence = says(&witness, 6).unwrap();
    for part in [
        "has gone back",
        "it holds 6 changes",
        "its witness w 7",
        "watermark accept",
    ] {
        assert!(sentence.contains(part), "{sentence}");
    }
    // One of an older program knows floors.
    let uncounted = Document {
        commits: None,
        ..witness
    };
    assert_eq!(says(&uncounted, 0), None);
}

#[test]
fn a_key_that_was_resumed_is_no_contradiction() {
    let mut witness = book();
    let halt = Halt::new(second(1_000), "why".to_owned());
    let account = ask(at(1, 0), 1).slot.stream.into();
    amend(&mut witness, Change::Halt { account, halt });
    assert_eq!(says(&witness, &book()), None);
}

#[test]
fn a_witness_of_another_store_or_none_at_all_is_not_believed_twice() {
    let witness = document("other", &book(), second(2_000));
    let path = Path::new("w");
    let sentence = contradiction(path, Some(&witness), "one", &counted(&book(), 7), true).unwrap();
    assert!(
        sentence.contains("belongs to the watermark store other"),
        "{sentence}"
    );
    let sentence = contradiction(path, None, "one", &counted(&book(), 7), true).unwrap();
    assert!(
        sentence.contains("is gone; is its volume mounted?"),
        "{sentence}"
    );
    assert_eq!(
        contradiction(path, None, "one", &counted(&book(), 7), false),
        None
    );
}

#[test]
fn an_absent_a_damaged_an_unreadable_and_a_newer_witness_are_told_apart() {
    let folder = crate::fixture::folder();
    let path = folder.path().join("witness");
    assert_eq!(read(&path), Ok(None));
    let document = Document {
        writer: None,
        ..document("one", &book(), second(2_000))
    };
    let text = document.to_text();
    std::fs::write(&path, &text).unwrap();
    assert_eq!(read(&path), Ok(Some(document)));
    for damaged in [
        text.split_at(text.len() / 2).0,
        "",
        &text.replace("101", "100"),
    ] {
        std::fs::write(&path, damaged).unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(error, Unusable::Damaged(_)), "{error:?}");
        let error = error.to_string();
        assert!(
            error.contains("cannot be used") && error.contains(ACCEPT),
            "{error}"
        );
    }
    let newer = text.replace("\"version\": 1,", "\"version\": 2,");
    std::fs::write(&path, newer).unwrap();
    let error = read(&path).unwrap_err();
    assert!(matches!(error, Unusable::Newer(_)), "{error:?}");
    let error = error.to_string();
    assert!(
        error.contains("version 2") && !error.contains(ACCEPT),
        "{error}"
    );
    // A real EIO: there is nothing at the beginning of the memory of a process.
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/proc/self/mem", &path).unwrap();
    let error = read(&path).unwrap_err();
    assert!(matches!(error, Unusable::Unreadable(_)), "{error:?}");
    assert!(!error.to_string().contains(ACCEPT), "{error}");
}

#[test]
fn what_another_process_wrote_is_told_by_its_hand_and_what_a_volume_lost_is_not_held_against_us() {
    let by = |writer: &str, commits| Document {
        writer: Some(writer.to_owned()),
        commits,
        ..document("one", &book(), second(2_000))
    };
    let found = by("before", Some(5));
    let mut hand = Hand::new("mine".to_owned(), Some(found.clone()));
    let says = |hand: &Hand, there: &Document| {
        kept_by_another(Path::new("w"), there, hand, "one", &counted(&book(), 8)).is_some()
    };
    // Before anything is written: the process before, and a copy that was opened from the same witness.
    for (there, expected) in [
        (found.clone(), false),
        (by("other", Some(5)), true),
        (by("other", Some(6)), true),
        (by("earlier", Some(4)), false),
        (by("earlier", None), false),
    ] {
        assert_eq!(says(&hand, &there), expected, "{there:?}");
    }
    hand.wrote(&by("mine", Some(7)));
    for (there, expected) in [
        // Equal numbers, and older ones, of our own; made at whatever time.
        (by("mine", Some(7)), false),
        (by("mine", Some(6)), false),
        (
            Document {
                created: second(1),
                ..by("mine", Some(7))
            },
            false,
        ),
        // What the volume may bring back.
        (found.clone(), false),
        (by("earlier", Some(6)), false),
        // As new as ours, or ahead of the store.
        (by("other", Some(7)), true),
        (by("other", Some(8)), true),
        (by("mine", Some(9)), true),
        (
            Document {
                writer: None,
                ..by("", Some(7))
            },
            true,
        ),
    ] {
        assert_eq!(says(&hand, &there), expected, "{there:?}");
    }
    // A store that is opened again and again beside a volume that loses everything.
    let mut hand = Hand::new("mine".to_owned(), Some(by("before", Some(7))));
    hand.wrote(&by("mine", Some(7)));
    assert!(!says(&hand, &by("before", Some(7))));
    assert!(says(&hand, &by("other", Some(7))));
}
