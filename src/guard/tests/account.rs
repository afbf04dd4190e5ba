//! Stops, halts and the seal: what they refuse, and what they leave alone.

use crate::fixture::{ask, ask_kind, at, record, second, stream};
use crate::tezos::{ChainId, ConsensusKind};

use super::super::*;

const KIND: ConsensusKind = ConsensusKind::Attestation;

fn account() -> Account {
    stream(KIND).into()
}

/// A book with a floor at level 100 for attestations and blocks.
fn book() -> Book {
    let mut book = Book::default();
    for kind in [KIND, ConsensusKind::Block] {
        let floor = Raise {
            stream: stream(kind),
            floor: at(100, 0),
        };
        change(&mut book, Change::Raise(floor));
    }
    book
}

fn change(book: &mut Book, change: Change) -> Touched {
    let mut touched = Touched::default();
    book.amend(change, second(2_000), &mut touched);
    touched
}

fn claim(book: &mut Book, candidate: &Candidate) -> Result<Answer, StoreError> {
    let mut touched = Touched::default();
    let answer = book.claim(candidate, second(2_000), &mut touched);
    // Only a new claim is anything to write.
    assert_eq!(touched.is_empty(), answer != Ok(Answer::Permit));
    answer
}

fn sign(book: &mut Book, candidate: &Candidate, fill: u8) -> Result<Record, StoreError> {
    book.record(candidate, record(fill), &mut Touched::default())
}

fn halt() -> Change {
    let halt = Halt::new(second(3_000), "home-a signed other bytes".to_owned());
    Change::Halt {
        account: account(),
        halt,
    }
}

fn stop_at(level: u32) -> Change {
    Change::StopAt {
        account: account(),
        level: at(level, 0).level,
    }
}

fn reason(answer: Result<Answer, StoreError>) -> &'static str {
    match answer {
        Ok(Answer::Refused(refusal)) => refusal.reason(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stop_holds_at_exactly_its_level_for_all_kinds() {
    let mut book = book();
    assert!(!change(&mut book, stop_at(110)).is_empty());
    for kind in [KIND, ConsensusKind::Block] {
        assert_eq!(
            claim(&mut book, &ask_kind(kind, at(110, 7), 1)),
            Ok(Answer::Permit)
        );
        let above = claim(&mut book, &ask_kind(kind, at(111, 0), 1));
        assert_eq!(reason(above), "stopped");
    }
}

#[test]
fn a_stop_is_only_ever_lowered() {
    let mut book = book();
    change(&mut book, stop_at(110));
    assert!(change(&mut book, stop_at(111)).is_empty());
    assert_eq!(reason(claim(&mut book, &ask(at(111, 0), 1))), "stopped");
    change(&mut book, stop_at(105));
    assert_eq!(reason(claim(&mut book, &ask(at(106, 0), 1))), "stopped");
}

#[test]
fn a_halt_stops_claims_repeats_of_claims_and_records_until_it_is_resumed() {
    let mut book = book();
    let (signed, claimed) = (ask(at(101, 0), 1), ask(at(102, 0), 1));
    for candidate in [signed, claimed] {
        assert_eq!(claim(&mut book, &candidate), Ok(Answer::Permit));
    }
    sign(&mut book, &signed, 7).unwrap();
    assert!(!change(&mut book, halt()).is_empty());
    for candidate in [
        claimed,
        ask(at(103, 0), 1),
        ask_kind(ConsensusKind::Block, at(103, 0), 1),
    ] {
        assert_eq!(reason(claim(&mut book, &candidate)), "halted");
    }
    let withheld = sign(&mut book, &claimed, 8);
    assert!(
        matches!(withheld, Err(StoreError::Withheld(_))),
        "{withheld:?}"
    );
    // What was recorded is given as ever, and conflicts are still told apart.
    assert_eq!(claim(&mut book, &signed), Ok(Answer::Recorded(record(7))));
    assert_eq!(sign(&mut book, &signed, 8), Ok(record(7)));
    assert_eq!(reason(claim(&mut book, &ask(at(101, 0), 2))), "conflict");
    assert!(!change(&mut book, Change::Resume { account: account() }).is_empty());
    let since = second(2_000);
    assert_eq!(claim(&mut book, &claimed), Ok(Answer::InFlight { since }));
    assert_eq!(sign(&mut book, &claimed, 8), Ok(record(8)));
}

#[test]
fn the_first_halt_stands_and_is_named() {
    let mut book = book();
    change(&mut book, halt());
    let later = Change::Halt {
        account: account(),
        halt: Halt::new(second(4_000), "something else".to_owned()),
    };
    assert!(change(&mut book, later).is_empty());
    let Ok(Answer::Refused(refusal)) = claim(&mut book, &ask(at(101, 0), 1)) else {
        panic!("not refused")
    };
    let text = refusal.to_string();
    assert!(text.contains("home-a signed other bytes"), "{text}");
    assert!(text.contains("1970-01-01T00:50:00Z"), "{text}");
}

#[test]
fn a_stopped_key_records_nothing_above_its_level() {
    let mut book = book();
    let claimed = ask(at(120, 0), 1);
    assert_eq!(claim(&mut book, &claimed), Ok(Answer::Permit));
    change(&mut book, stop_at(110));
    assert_eq!(reason(claim(&mut book, &claimed)), "stopped");
    let withheld = sign(&mut book, &claimed, 8);
    assert!(
        matches!(withheld, Err(StoreError::Withheld(_))),
        "{withheld:?}"
    );
}

#[test]
fn stops_and_halts_leave_other_keys_and_chains_alone() {
    let mut book = book();
    let mut elsewhere = stream(KIND);
    elsewhere.chain = ChainId::from_bytes([1; 4]);
    let floor = Raise {
        stream: elsewhere,
        floor: at(100, 0),
    };
    change(&mut book, Change::Raise(floor));
    change(&mut book, halt());
    let mut other = ask(at(101, 0), 1);
    other.slot.stream = elsewhere;
    assert_eq!(claim(&mut book, &other), Ok(Answer::Permit));
}

#[test]
fn a_sealed_book_claims_nothing_and_keeps_what_it_has() {
    let mut book = book();
    let (signed, claimed) = (ask(at(101, 0), 1), ask(at(102, 0), 1));
    for candidate in [signed, claimed] {
        assert_eq!(claim(&mut book, &candidate), Ok(Answer::Permit));
    }
    sign(&mut book, &signed, 7).unwrap();
    assert!(change(&mut book, Change::Seal).sealed);
    assert!(!change(&mut book, Change::Seal).sealed);
    for candidate in [claimed, ask(at(103, 0), 1)] {
        let refused = claim(&mut book, &candidate);
        let Err(StoreError::Unavailable(reason)) = refused else {
            panic!("{refused:?}")
        };
        assert!(
            reason.contains("sealed at 1970-01-01T00:33:20Z"),
            "{reason}"
        );
    }
    // A higher floor does not bring it back.
    let floor = Raise {
        stream: stream(KIND),
        floor: at(500, 0),
    };
    change(&mut book, Change::Raise(floor));
    assert!(claim(&mut book, &ask(at(501, 0), 1)).is_err());
    assert_eq!(claim(&mut book, &signed), Ok(Answer::Recorded(record(7))));
}

#[test]
fn a_long_reason_is_cut_at_a_character() {
    let halt = Halt::new(second(1), "é".repeat(Halt::REASON_MAX));
    assert_eq!(halt.reason.len(), Halt::REASON_MAX);
    let halt = Halt::new(second(1), format!("a{}", "é".repeat(Halt::REASON_MAX)));
    assert_eq!(halt.reason.len(), Halt::REASON_MAX - 1);
}

#[test]
fn a_signature_whose_claim_a_halt_ended_is_withheld_for_the_halt() {
    let mut book = book();
    let candidate = ask(at(101, 0), 1);
    assert_eq!(claim(&mut book, &candidate), Ok(Answer::Permit));
    let halt = Halt::new(second(2_000), "somebody else".to_owned());
    let floor = Raise {
        stream: stream(KIND),
        floor: at(101, 0),
    };
    change(&mut book, Change::Raise(floor));
    let touched = &mut Touched::default();
    let late = book.record(&candidate, record(1), touched);
    assert_eq!(late, Err(StoreError::Homeless));
    change(
        &mut book,
        Change::Halt {
            account: account(),
            halt,
        },
    );
    let late = book.record(&candidate, record(1), touched);
    let Err(StoreError::Withheld(Refusal::Halted { halt, .. })) = late else {
        panic!("{late:?}");
    };
    assert_eq!(halt.reason, "somebody else");
    assert!(touched.is_empty());
}
