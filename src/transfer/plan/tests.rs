//! The merge against a table, and that it never lowers anything.

use proptest::prelude::*;

use crate::fixture::{at, key, second, stream};
use crate::guard::{Book, Touched};
use crate::tezos::Curve;

use super::super::document::Halted;
use super::*;

const KIND: ConsensusKind = ConsensusKind::Attestation;

fn level(level: u32) -> Level {
    Level::new(level).unwrap()
}

fn account(marks: &[(ConsensusKind, Position)]) -> SourceAccount {
    SourceAccount {
        chain: ChainId::MAINNET,
        key: key(),
        stop_at: None,
        halted: None,
        marks: marks.iter().copied().collect(),
    }
}

fn source(account: SourceAccount) -> Source {
    Source {
        what: "octez-signer".to_owned(),
        sealed: None,
        accounts: vec![account],
    }
}

fn sealed(account: SourceAccount) -> Source {
    Source {
        sealed: Some(second(1)),
        ..source(account)
    }
}

fn stopped_at(said: u32) -> Request {
    Request {
        stopped_at: Some(level(said)),
        ..Request::default()
    }
}

/// What an empty store would hold, by kind in the order of [`ConsensusKind::ALL`].
fn merged(source: &Source, request: &Request) -> Vec<Position> {
    let plan = Plan::make(&Present::default(), source, request).unwrap();
    assert!(
        plan.steps
            .iter()
            .all(|step| step.from.is_none() && step.rises())
    );
    let kinds: Vec<_> = plan.steps.iter().map(|step| step.stream.kind).collect();
    assert_eq!(kinds, ConsensusKind::ALL);
    plan.steps.iter().map(|step| step.to).collect()
}

#[test]
fn a_sealed_source_gives_its_marks_and_its_highest_level_to_kinds_without_one() {
    let marks = [(KIND, at(100, 3)), (ConsensusKind::Block, at(90, 0))];
    let whole = at(100, 1000);
    let merged = merged(&sealed(account(&marks)), &Request::default());
    assert_eq!(merged, [at(100, 3), at(90, 0), whole, whole, whole]);
}

#[test]
fn every_kind_gets_at_least_the_end_of_the_level_that_is_never_signed_above() {
    let marks = [(KIND, at(100, 3)), (ConsensusKind::Block, at(90, 0))];
    let end = at(105, 1000);
    assert_eq!(merged(&source(account(&marks)), &stopped_at(105)), [end; 5]);
    let mut stopped = account(&marks);
    stopped.stop_at = Some(level(105));
    assert_eq!(
        merged(&source(stopped.clone()), &Request::default()),
        [end; 5]
    );
    // The source keeps its stop whatever the operator says; he can only add to it.
    assert_eq!(merged(&source(stopped.clone()), &stopped_at(101)), [end; 5]);
    assert_eq!(
        merged(&source(stopped), &stopped_at(106)),
        [at(106, 1000); 5]
    );
}

#[test]
fn a_stop_below_what_was_signed_does_not_lower_what_was_signed() {
    let mut stopped = account(&[(KIND, at(120, 3)), (ConsensusKind::Block, at(90, 0))]);
    stopped.stop_at = Some(level(110));
    let whole = at(120, 1000);
    let merged = merged(&source(stopped), &Request::default());
    assert_eq!(merged, [at(120, 3), at(110, 1000), whole, whole, whole]);
}

#[test]
fn a_source_that_may_still_sign_is_refused_without_a_level() {
    let refused = Plan::make(
        &Present::default(),
        &source(account(&[(KIND, at(1, 0))])),
        &Request::default(),
    );
    let sentence = refused.unwrap_err().to_string();
    assert!(
        sentence.contains("octez-signer may still sign"),
        "{sentence}"
    );
    for words in ["export --seal", "--stopped-at LEVEL", &key().to_string()] {
        assert!(sentence.contains(words), "{words}: {sentence}");
    }
}

#[test]
fn a_level_that_the_source_has_signed_above_is_refused_with_the_figure() {
    let source = source(account(&[
        (KIND, at(120, 3)),
        (ConsensusKind::Block, at(90, 0)),
    ]));
    for said in [0, 119] {
        let refused = Plan::make(&Present::default(), &source, &stopped_at(said));
        let sentence = refused.unwrap_err().to_string();
        assert!(
            sentence.contains(&format!("--stopped-at {said} cannot be")),
            "{sentence}"
        );
        assert!(sentence.contains("level 120 round 3"), "{sentence}");
    }
    assert!(Plan::make(&Present::default(), &source, &stopped_at(120)).is_ok());
}

#[test]
fn one_level_is_not_believed_for_two_chains() {
    let mut two = source(account(&[(KIND, at(100, 0))]));
    let mut other = account(&[(KIND, at(5, 0))]);
    other.chain = ChainId::from_bytes([1; 4]);
    two.accounts.push(other.clone());
    let refused = Plan::make(&Present::default(), &two, &stopped_at(200)).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("one chain at a time with --chain"),
        "{refused}"
    );
    let one = Request {
        chain: Some(other.chain),
        ..stopped_at(7)
    };
    let plan = Plan::make(&Present::default(), &two, &one).unwrap();
    assert!(
        plan.steps
            .iter()
            .all(|step| step.stream.chain == other.chain && step.to == at(7, 1000))
    );
    // Without a level each account speaks for itself.
    two.sealed = Some(second(1));
    assert_eq!(
        Plan::make(&Present::default(), &two, &Request::default())
            .unwrap()
            .steps
            .len(),
        10
    );
}

#[test]
fn a_filter_that_finds_nothing_says_what_there_is() {
    let other = crate::fixture::secret(Curve::P256, 2).public_key().hash();
    let request = Request {
        key: Some(other),
        ..stopped_at(5)
    };
    let refused = Plan::make(&Present::default(), &source(account(&[])), &request).unwrap_err();
    let sentence = refused.to_string();
    assert!(
        sentence.contains(&format!("no watermarks of {other}; it has {}", key())),
        "{sentence}"
    );
    let nothing = Source::default();
    let refused = Plan::make(&Present::default(), &nothing, &Request::default()).unwrap_err();
    assert!(refused.to_string().ends_with("it has none"), "{refused}");
}

#[test]
fn a_halt_of_the_source_comes_along_unless_the_key_is_halted_here() {
    let mut halted = account(&[(KIND, at(100, 0))]);
    halted.halted = Some(Halted {
        at: second(5),
        reason: "other bytes".to_owned(),
    });
    let source = sealed(halted);
    let plan = Plan::make(&Present::default(), &source, &Request::default()).unwrap();
    let account = source.accounts[0].account();
    let halt = Halt::new(second(5), "other bytes".to_owned());
    assert_eq!(plan.halts, [(account, halt.clone())]);
    assert!(plan.changes().contains(&Change::Halt { account, halt }));
    assert!(
        plan.to_string()
            .contains("halted, as at the source: other bytes"),
        "{plan}"
    );
    let present = Present {
        halted: vec![account],
        ..Present::default()
    };
    assert!(
        Plan::make(&present, &source, &Request::default())
            .unwrap()
            .halts
            .is_empty()
    );
}

#[test]
fn a_plan_is_told_in_lines() {
    let marks = ConsensusKind::ALL.map(|kind| (kind, at(100, 3)));
    let stream = |kind| Stream {
        chain: ChainId::MAINNET,
        key: key(),
        kind,
    };
    let floors = [
        (stream(KIND), at(100, 2)),
        (stream(ConsensusKind::Block), at(100, 3)),
        (stream(ConsensusKind::Preattestation), at(300, 1000)),
    ];
    let present = Present {
        floors: floors.into(),
        halted: Vec::new(),
    };
    let plan = Plan::make(&present, &sealed(account(&marks)), &Request::default()).unwrap();
    let text = plan.to_string();
    let mut lines = text.lines();
    for expected in [
        "attestation        level 100 round 2 -> level 100 round 3",
        "block              level 100 round 3, stays",
        "legacy-block       none -> level 100 round 3",
        "legacy-endorsement none -> level 100 round 3",
        "preattestation     level 300 all rounds, stays (the source has level 100 round 3)",
    ] {
        let line = lines.next().unwrap();
        assert_eq!(line, format!("{} {} {expected}", ChainId::MAINNET, key()));
    }
    assert_eq!(lines.collect::<Vec<_>>(), ["3 watermarks rise, 2 stay"]);
    // Also what stays is raised to: that ends unsigned claims of slots that the other side may have signed.
    assert_eq!(plan.changes().len(), 5);
}

#[test]
fn a_claim_without_a_signature_at_or_below_what_the_other_side_signed_ends_by_the_import() {
    let kind = ConsensusKind::Attestation;
    let mut book = Book::default();
    let mut touched = Touched::default();
    let raise = Raise {
        stream: stream(kind),
        floor: at(90, 0),
    };
    book.amend(Change::Raise(raise), second(1), &mut touched);
    for level in [100, 101] {
        let claim = book.claim(
            &crate::fixture::ask(at(level, 0), 1),
            second(1),
            &mut touched,
        );
        assert!(claim.is_ok());
    }
    let floors = [(stream(kind), at(101, 0))].into();
    let present = Present {
        floors,
        halted: Vec::new(),
    };
    let source = sealed(account(&[(kind, at(100, 0))]));
    let plan = Plan::make(&present, &source, &Request::default()).unwrap();
    for change in plan.changes() {
        book.amend(change, second(2), &mut touched);
    }
    let asked = |book: &mut Book, level| {
        let again = crate::fixture::ask(at(level, 0), 1);
        book.claim(&again, second(3), &mut Touched::default())
            .unwrap()
    };
    let ended = asked(&mut book, 100);
    assert!(
        matches!(ended, crate::guard::Answer::Refused(_)),
        "{ended:?}"
    );
    let kept = asked(&mut book, 101);
    assert!(
        matches!(kept, crate::guard::Answer::InFlight { .. }),
        "{kept:?}"
    );
}

fn any_position() -> impl Strategy<Value = Position> {
    (0_u32..6, 0_u32..3).prop_map(|(level, round)| at(level, round))
}

fn any_marks() -> impl Strategy<Value = BTreeMap<ConsensusKind, Position>> {
    proptest::collection::btree_map(
        proptest::sample::select(&ConsensusKind::ALL),
        any_position(),
        0..6,
    )
}

proptest! {
    #[test]
    fn a_merge_never_lowers_and_reaches_the_maximum_of_all_that_is_known(
        marks in any_marks(),
        present in any_marks(),
        stop in proptest::option::of(0_u32..8),
        said in proptest::option::of(0_u32..8),
        is_sealed: bool,
    ) {
        let mut account = account(&[]);
        account.marks = marks.clone();
        account.stop_at = stop.map(level);
        let source = if is_sealed { sealed(account) } else { source(account) };
        let request = Request { stopped_at: said.map(level), ..Request::default() };
        let stream = |kind| Stream { chain: ChainId::MAINNET, key: key(), kind };
        let mut book = Book::default();
        for (kind, floor) in &present {
            let raise = Raise { stream: stream(*kind), floor: *floor };
            book.amend(Change::Raise(raise), second(1), &mut Touched::default());
        }
        let floors = present.iter().map(|(kind, floor)| (stream(*kind), *floor)).collect();
        let before = book.clone();
        let plan = Plan::make(&Present { floors, halted: Vec::new() }, &source, &request);
        let Ok(plan) = plan else {
            let highest = marks.values().map(|mark| mark.level.get()).max();
            let contradicted = said.is_some_and(|said| highest.is_some_and(|highest| highest > said));
            prop_assert!(!is_sealed && stop.is_none() && (said.is_none() || contradicted));
            return Ok(());
        };
        for change in plan.changes() {
            book.amend(change, second(2), &mut Touched::default());
        }
        let floor = |book: &Book, kind| book.streams.get(&stream(kind)).map(|state| state.floor);
        for kind in ConsensusKind::ALL {
            prop_assert!(floor(&book, kind) >= floor(&before, kind));
            prop_assert!(floor(&book, kind) >= marks.get(&kind).copied());
            for end in [stop.filter(|_| !is_sealed), said].into_iter().flatten() {
                prop_assert!(floor(&book, kind) >= Some(at(end, 1000)));
            }
        }
        // Again it changes nothing.
        let floors = book.streams.iter().map(|(stream, state)| (*stream, state.floor)).collect();
        let again = Plan::make(&Present { floors, halted: Vec::new() }, &source, &request).unwrap();
        prop_assert!(!again.steps.iter().any(Step::rises));
    }

    #[test]
    fn importing_ones_own_export_changes_nothing(marks in proptest::array::uniform5(any_position())) {
        let marks: Vec<_> = ConsensusKind::ALL.into_iter().zip(marks).collect();
        let source = sealed(account(&marks));
        let floors = marks.iter().map(|(kind, floor)| {
            (Stream { chain: ChainId::MAINNET, key: key(), kind: *kind }, *floor)
        });
        let present = Present { floors: floors.collect(), halted: Vec::new() };
        let plan = Plan::make(&present, &source, &Request::default()).unwrap();
        prop_assert!(!plan.steps.iter().any(Step::rises));
        prop_assert!(plan.steps.iter().all(|step| step.from == Some(step.to)));
    }
}
