//! What a book must hold to have lost nothing of another one: each way to lose something is found out.

use crate::fixture::{ask, at, bytes, key, raise, record, second, stream};
use crate::tezos::{ChainId, Level};

use super::*;

fn level(level: u32) -> Level {
    at(level, 0).level
}

/// Takes something away.
type Loss = fn(&mut Book);

const ACCOUNT: fn() -> Account = || Account {
    chain: ChainId::MAINNET,
    key: key(),
};

fn amend(book: &mut Book, change: Change) {
    book.amend(change, second(2_000), &mut Touched::default());
}

/// A book with a floor at (101, 0), a signed slot there and a claimed one at (102, 0).
fn book() -> Book {
    let mut book = Book::default();
    let touched = &mut Touched::default();
    amend(
        &mut book,
        Change::Raise(raise(ConsensusKind::Attestation, at(100, 0))),
    );
    for level in [101, 102] {
        let answer = book.claim(&ask(at(level, 0), 1), second(1_000), touched);
        assert_eq!(answer, Ok(Answer::Permit));
    }
    let kept = book.record(&ask(at(101, 0), 1), record(1), touched);
    assert_eq!(kept, Ok(record(1)));
    book
}

fn state(book: &mut Book) -> &mut StreamState {
    let stream = stream(ConsensusKind::Attestation);
    book.streams.get_mut(&stream).unwrap()
}

fn row(book: &mut Book, level: u32) -> &mut Row {
    state(book).rows.get_mut(&at(level, 0)).unwrap()
}

#[test]
fn a_book_keeps_itself_and_what_it_was() {
    let first = book();
    assert!(first.is_kept_by(&first));
    let mut later = book();
    let touched = &mut Touched::default();
    let kept = later.record(&ask(at(102, 0), 1), record(2), touched);
    assert_eq!(kept, Ok(record(2)));
    let answer = later.claim(&ask(at(103, 0), 1), second(1_000), touched);
    assert_eq!(answer, Ok(Answer::Permit));
    assert!(first.is_kept_by(&later));
    assert!(!later.is_kept_by(&first));
    // An empty one has nothing to lose.
    assert!(Book::default().is_kept_by(&first));
}

#[test]
fn whatever_a_book_has_lost_of_a_stream_is_seen() {
    let lost: [(&str, Loss); 7] = [
        ("the stream", |book| book.streams.clear()),
        ("the floor", |book| state(book).floor = at(101, 9)),
        ("a signature", |book| row(book, 101).record = None),
        ("which signature", |book| {
            row(book, 101).record = Some(record(3));
        }),
        ("whose claim it was", |book| {
            row(book, 102).digest = bytes(9);
        }),
        ("whose signed slot it was", |book| {
            row(book, 101).digest = bytes(9);
        }),
        ("a signed row", |book| {
            state(book).rows.remove(&at(101, 0));
        }),
    ];
    for (what, lose) in lost {
        let mut other = book();
        lose(&mut other);
        assert!(!book().is_kept_by(&other), "{what}");
    }
}

#[test]
fn a_row_may_be_gone_where_the_floor_refuses_its_slot_and_nothing_was_signed_or_it_was_pruned() {
    let mut ended = book();
    state(&mut ended).rows.remove(&at(102, 0));
    assert!(book().is_kept_by(&ended));
    let mut pruned = book();
    state(&mut pruned).floor = at(200, 0);
    state(&mut pruned).rows.clear();
    assert!(book().is_kept_by(&pruned));
}

#[test]
fn a_stop_a_halt_and_a_seal_must_be_there_and_a_lower_stop_will_do() {
    let stop_at = |level| Change::StopAt {
        account: ACCOUNT(),
        level,
    };
    let halt = |reason: &str| Change::Halt {
        account: ACCOUNT(),
        halt: Halt::new(second(5), reason.to_owned()),
    };
    let with = |changes: &[Change]| {
        let mut book = book();
        for change in changes {
            amend(&mut book, change.clone());
        }
        book
    };
    let stopped = with(&[stop_at(level(110))]);
    let halted = with(&[halt("one")]);
    let sealed = with(&[Change::Seal]);
    for limited in [&stopped, &halted, &sealed] {
        assert!(limited.is_kept_by(limited));
        assert!(book().is_kept_by(limited));
        assert!(!limited.is_kept_by(&book()));
    }
    assert!(stopped.is_kept_by(&with(&[stop_at(level(109))])));
    assert!(!stopped.is_kept_by(&with(&[stop_at(level(111))])));
    assert!(!stopped.is_kept_by(&halted));
    assert!(!halted.is_kept_by(&stopped));
    assert!(!halted.is_kept_by(&with(&[halt("another")])));
    let both = with(&[stop_at(level(110)), halt("one")]);
    assert!(stopped.is_kept_by(&both) && halted.is_kept_by(&both));
    assert!(!sealed.is_kept_by(&both));
}

#[test]
fn what_stands_already_is_not_written_again() {
    let changes = [
        Change::Raise(raise(ConsensusKind::Attestation, at(150, 0))),
        Change::StopAt {
            account: ACCOUNT(),
            level: level(200),
        },
        Change::Halt {
            account: ACCOUNT(),
            halt: Halt::new(second(5), "one".to_owned()),
        },
        Change::Seal,
    ];
    let mut book = book();
    for change in changes {
        let mut touched = Touched::default();
        book.amend(change.clone(), second(2_000), &mut touched);
        assert!(!touched.is_empty(), "{change:?}");
        let mut touched = Touched::default();
        book.amend(change.clone(), second(2_001), &mut touched);
        assert!(touched.is_empty(), "{change:?}");
    }
    for writes in [true, false] {
        let mut touched = Touched::default();
        let resume = Change::Resume { account: ACCOUNT() };
        book.amend(resume, second(2_000), &mut touched);
        assert_eq!(!touched.is_empty(), writes);
    }
}
