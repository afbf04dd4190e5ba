//! Rules that hold for every sequence of claims and raises, with rows pruned on the way.

use std::collections::HashMap;

use jiff::Timestamp;
use proptest::prelude::*;

use crate::fixture::{ask, at, second};
use crate::tezos::{Digest, Position, Scheme};

use super::super::watermark::{RING_LEVELS, RING_ROWS};
use super::super::*;

#[derive(Clone, Debug)]
enum Step {
    Claim(Candidate),
    Raise(Position),
}

/// Few levels near each other and some far away, so that slots collide and rows are pruned.
fn position() -> impl Strategy<Value = Position> {
    let level = prop_oneof![3 => 0_u32..6, 2 => 60_u32..72, 1 => 0_u32..200];
    (level, 0_u32..4).prop_map(|(level, round)| at(level, round))
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let scheme = prop_oneof![3 => Just(Scheme::Pop), 1 => Just(Scheme::Aug)];
    (position(), 0_u8..3, scheme).prop_map(|(position, name, scheme)| Candidate {
        scheme,
        ..ask(position, name)
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => candidate().prop_map(Step::Claim),
        1 => position().prop_map(Step::Raise),
    ];
    prop::collection::vec(step, 1..60)
}

/// Claimed before; [`claim`] enters at this time.
const AGAIN: Verdict = Verdict::Again {
    since: Timestamp::constant(2_000, 0),
};

/// Decides and, where it is due, enters the claim.
fn claim(state: &mut StreamState, candidate: &Candidate) -> Verdict {
    let verdict = decide(None, Some(state), candidate);
    if verdict == Verdict::Fresh {
        state.enter(candidate, second(2_000));
    }
    verdict
}

fn is_allowed(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Again { .. } | Verdict::Fresh | Verdict::Recorded(_) => true,
        Verdict::Refused(_) => false,
    }
}

proptest! {
    #[test]
    fn the_floor_never_falls_and_no_slot_ever_gets_two_payloads(steps in steps()) {
        let mut state = StreamState::with_floor(at(0, 0), second(1_000));
        let mut granted: HashMap<Position, (Digest, Scheme)> = HashMap::new();
        for step in steps {
            let floor = state.floor;
            match step {
                Step::Raise(to) => {
                    let raised = state.raise(to, second(2_000));
                    prop_assert_eq!(raised.rose, to > floor);
                    for position in raised.ended {
                        prop_assert!(position <= to);
                        for name in 0..3 {
                            let again = decide(None, Some(&state), &ask(position, name));
                            prop_assert!(!is_allowed(&again), "{:?}", again);
                        }
                    }
                    prop_assert_eq!(state.floor, to.max(floor));
                }
                Step::Claim(candidate) => {
                    if is_allowed(&claim(&mut state, &candidate)) {
                        let bytes = (candidate.digest, candidate.scheme);
                        let first = *granted.entry(candidate.slot.position).or_insert(bytes);
                        prop_assert_eq!(first, bytes);
                        prop_assert!(candidate.slot.position <= state.floor);
                    }
                }
            }
            prop_assert!(state.floor >= floor);
        }
    }

    #[test]
    fn what_was_once_refused_stays_refused_whatever_is_claimed_raised_or_pruned(steps in steps()) {
        let mut state = StreamState::with_floor(at(0, 0), second(1_000));
        let mut refused: Vec<Candidate> = Vec::new();
        for step in steps {
            match step {
                Step::Raise(to) => drop(state.raise(to, second(2_000))),
                Step::Claim(candidate) => {
                    if !is_allowed(&claim(&mut state, &candidate)) {
                        refused.push(candidate);
                    }
                }
            }
            for candidate in &refused {
                prop_assert!(!is_allowed(&decide(None, Some(&state), candidate)), "{:?}", candidate);
            }
        }
    }

    #[test]
    fn a_granted_claim_may_be_asked_again_until_its_row_is_pruned(steps in steps()) {
        let mut state = StreamState::with_floor(at(0, 0), second(1_000));
        for step in steps {
            let Step::Claim(candidate) = step else { continue };
            let verdict = claim(&mut state, &candidate);
            if is_allowed(&verdict) {
                prop_assert_eq!(decide(None, Some(&state), &candidate), AGAIN);
                let before = state.clone();
                prop_assert_eq!(claim(&mut state, &candidate), AGAIN);
                prop_assert_eq!(&state, &before);
            }
        }
    }

    #[test]
    fn rows_stay_within_the_ring(steps in steps()) {
        let mut state = StreamState::with_floor(at(0, 0), second(1_000));
        for step in steps {
            let Step::Claim(candidate) = step else { continue };
            if claim(&mut state, &candidate) == Verdict::Fresh {
                let oldest = state.rows.keys().next().unwrap().level.get();
                prop_assert!(oldest + RING_LEVELS >= state.floor.level.get());
            }
        }
    }
}

#[test]
fn a_raise_ends_unsigned_claims_up_to_the_new_floor_and_keeps_signatures_and_later_claims() {
    let mut state = StreamState::with_floor(at(0, 0), second(1_000));
    for level in 1..=4 {
        assert_eq!(claim(&mut state, &ask(at(level, 0), 1)), Verdict::Fresh);
    }
    let signed = crate::fixture::record(1);
    state.rows.get_mut(&at(2, 0)).unwrap().record = Some(signed.clone());
    // The floor is higher already, by a claim; what the operator was told holds all the same.
    let raised = state.raise(Position::end_of_level(at(3, 0).level), second(2_000));
    let ended = vec![at(1, 0), at(3, 0)];
    assert_eq!(raised, Raised { rose: false, ended });
    for level in [1, 3] {
        let verdict = claim(&mut state, &ask(at(level, 0), 1));
        assert!(
            matches!(verdict, Verdict::Refused(Refusal::BelowFloor { .. })),
            "{verdict:?}"
        );
    }
    let kept = claim(&mut state, &ask(at(2, 0), 1));
    assert_eq!(kept, Verdict::Recorded(signed));
    assert_eq!(claim(&mut state, &ask(at(4, 0), 1)), AGAIN);
    let raised = state.raise(Position::end_of_level(at(4, 0).level), second(3_000));
    assert_eq!((raised.rose, raised.ended), (true, vec![at(4, 0)]));
}

#[test]
fn a_pruned_slot_is_refused_even_to_its_own_bytes() {
    let mut state = StreamState::with_floor(at(0, 0), second(1_000));
    assert_eq!(claim(&mut state, &ask(at(1, 0), 1)), Verdict::Fresh);
    assert_eq!(claim(&mut state, &ask(at(65, 0), 1)), Verdict::Fresh);
    assert_eq!(claim(&mut state, &ask(at(1, 0), 1)), AGAIN);
    let gone = state.enter(&ask(at(66, 0), 1), second(2_000));
    assert_eq!(gone, [at(1, 0)]);
    for name in [1, 2] {
        let verdict = claim(&mut state, &ask(at(1, 0), name));
        assert!(
            matches!(verdict, Verdict::Refused(Refusal::BelowFloor { .. })),
            "{verdict:?}"
        );
    }
}

#[test]
fn many_rounds_of_one_level_do_not_fill_memory_and_the_oldest_go_first() {
    let mut state = StreamState::with_floor(at(0, 0), second(1_000));
    for round in 0..400 {
        assert_eq!(claim(&mut state, &ask(at(1, round), 1)), Verdict::Fresh);
    }
    assert_eq!(state.rows.len(), RING_ROWS);
    assert!(!is_allowed(&claim(&mut state, &ask(at(1, 143), 1))));
    assert_eq!(claim(&mut state, &ask(at(1, 144), 1)), AGAIN);
}
