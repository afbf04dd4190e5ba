//! Which signer is asked first.

use proptest::prelude::*;

use super::*;

/// A signer at a place in the file, with priority equal to it, up since long ago and never down.
fn up(index: usize) -> View {
    View {
        index,
        priority: u32::try_from(index).unwrap(),
        state: SignerState::Up,
        blamed: false,
        in_question: false,
        draining: false,
        good_for: Duration::from_hours(1),
        hold_down: Duration::ZERO,
        served: Served::Proved,
    }
}

fn in_state(index: usize, state: SignerState) -> View {
    View { state, ..up(index) }
}

/// Up again for so many seconds.
fn back(index: usize, seconds: u64) -> View {
    View {
        good_for: Duration::from_secs(seconds),
        hold_down: HOLD_DOWN,
        ..up(index)
    }
}

fn between(views: &[View], active: Option<usize>) -> Vec<usize> {
    order(views, active, Timing::BetweenRounds)
}

fn within(views: &[View], active: Option<usize>) -> Vec<usize> {
    order(views, active, Timing::WithinRound)
}

fn served(index: usize, served: Served) -> View {
    View {
        served,
        ..up(index)
    }
}

/// Signers of one priority.
fn equal(index: usize) -> View {
    View {
        priority: 7,
        ..up(index)
    }
}

#[test]
fn lower_priority_goes_first_and_equals_in_the_order_of_the_file() {
    assert_eq!(between(&[up(2), up(0), up(1)], None), [0, 1, 2]);
    assert_eq!(between(&[equal(1), equal(0)], None), [0, 1]);
    assert!(between(&[], None).is_empty());
    assert!(between(&[], Some(3)).is_empty());
}

#[test]
fn state_counts_before_priority_and_those_that_are_down_come_last() {
    let views = [
        in_state(0, SignerState::Down),
        in_state(1, SignerState::Unknown),
        in_state(2, SignerState::Suspect),
        up(3),
    ];
    assert_eq!(between(&views, None), [3, 2, 1, 0]);
    // The best of the bad is tried when there is nothing else.
    assert_eq!(between(&views[..1], None), [0]);
}

fn draining(index: usize) -> View {
    View {
        draining: true,
        ..up(index)
    }
}

#[test]
fn a_draining_signer_ends_the_round_that_it_has_begun_and_begins_none() {
    let views = [draining(0), up(1)];
    assert_eq!(between(&views, None), [1]);
    assert_eq!(between(&views, Some(0)), [1]);
    assert_eq!(within(&views, Some(0)), [0, 1]);
    assert!(between(&views[..1], Some(0)).is_empty());
    // A round that another one has begun is none of its business.
    assert_eq!(within(&views, Some(1)), [1]);
}

#[test]
fn a_draining_signer_that_does_not_answer_is_left_out_at_once() {
    for state in [SignerState::Down, SignerState::Unknown] {
        let view = View {
            state,
            ..draining(0)
        };
        assert_eq!(within(&[view, up(1)], Some(0)), [1], "{state:?}");
    }
    let unwell = View {
        state: SignerState::Suspect,
        ..draining(0)
    };
    assert_eq!(within(&[unwell, up(1)], Some(0)), [1, 0]);
}

#[test]
fn one_that_denied_the_key_comes_last_and_one_that_proved_it_goes_first() {
    let views = [served(0, Served::Denied), in_state(1, SignerState::Down)];
    assert_eq!(between(&views, None), [1, 0]);
    assert_eq!(between(&[served(0, Served::Unknown), up(1)], None), [1, 0]);
}

#[test]
fn the_one_that_signed_last_stays_first_among_equals() {
    assert_eq!(between(&[equal(0), equal(1)], Some(1)), [1, 0]);
    assert_eq!(between(&[up(0), up(1)], Some(0)), [0, 1]);
}

#[test]
fn a_preferred_one_takes_over_again_after_the_hold_down_and_not_before() {
    assert_eq!(between(&[back(0, 29), up(1)], Some(1)), [1, 0]);
    assert_eq!(between(&[back(0, 30), up(1)], Some(1)), [0, 1]);
    // One that never failed has nothing to prove.
    assert_eq!(between(&[up(0), up(1)], Some(1)), [0, 1]);
}

#[test]
fn the_active_one_loses_its_place_when_it_is_no_longer_up() {
    for state in [
        SignerState::Suspect,
        SignerState::Unknown,
        SignerState::Down,
    ] {
        assert_eq!(between(&[in_state(0, state), up(1)], Some(0)), [1, 0]);
    }
}

#[test]
fn within_a_round_the_active_one_stays_whoever_came_back() {
    for views in [[up(0), up(1)], [back(0, 3_000), up(1)]] {
        assert_eq!(within(&views, Some(1)), [1, 0]);
        assert_eq!(between(&views, Some(1)), [0, 1]);
    }
}

#[test]
fn within_a_round_an_active_one_that_failed_does_not_stay() {
    let views = [up(0), in_state(1, SignerState::Suspect)];
    assert_eq!(within(&views, Some(1)), [0, 1]);
}

#[test]
fn the_hold_down_does_not_keep_a_worse_one_that_is_not_up() {
    let views = [back(0, 1), in_state(1, SignerState::Suspect)];
    assert_eq!(between(&views, Some(1)), [0, 1]);
}

#[test]
fn the_sticky_one_goes_first_and_the_others_keep_their_order() {
    let views = [back(0, 1), back(1, 1), up(2), up(3)];
    assert_eq!(between(&views, Some(2)), [2, 0, 1, 3]);
}

#[test]
fn one_that_failed_at_signing_goes_behind_one_that_missed_a_probe() {
    let hung = View {
        blamed: true,
        ..in_state(0, SignerState::Suspect)
    };
    let missed = in_state(1, SignerState::Suspect);
    assert_eq!(between(&[hung, missed], None), [1, 0]);
    assert_eq!(between(&[hung, missed], Some(1)), [1, 0]);
    assert_eq!(
        between(&[hung, in_state(1, SignerState::Down)], None),
        [0, 1]
    );
}

#[test]
fn one_that_flaps_proves_itself_for_longer() {
    let flapped = View {
        hold_down: HOLD_DOWN_MOST,
        ..back(0, 299)
    };
    assert_eq!(between(&[flapped, up(1)], Some(1)), [1, 0]);
    let proven = View {
        good_for: HOLD_DOWN_MOST,
        ..flapped
    };
    assert_eq!(between(&[proven, up(1)], Some(1)), [0, 1]);
}

fn views() -> impl Strategy<Value = Vec<View>> {
    let state = prop::sample::select(vec![
        SignerState::Down,
        SignerState::Suspect,
        SignerState::Unknown,
        SignerState::Up,
    ]);
    let served = prop::sample::select(vec![Served::Proved, Served::Unknown, Served::Denied]);
    let view = (state, served, 0_u32..3, 0_u64..60, any::<(bool, bool)>());
    prop::collection::vec(view, 0..6).prop_map(|views| {
        let numbered = views.into_iter().enumerate();
        let view = |(index, (state, served, priority, good_for, (was_out, draining)))| View {
            index,
            priority,
            state,
            blamed: false,
            in_question: false,
            draining,
            good_for: Duration::from_secs(good_for),
            hold_down: if was_out { HOLD_DOWN } else { Duration::ZERO },
            served,
        };
        numbered.map(view).collect()
    })
}

proptest! {
    #[test]
    fn everyone_who_could_sign_is_listed_once_and_nobody_else(
        views in views(),
        active in prop::option::of(0_usize..6),
        within_round in any::<bool>(),
    ) {
        let timing = if within_round { Timing::WithinRound } else { Timing::BetweenRounds };
        let mut listed = order(&views, active, timing);
        let denied = |index: &usize| views[*index].served == Served::Denied;
        prop_assert!(listed.iter().skip_while(|index| !denied(index)).all(denied));
        // None that is up stands behind one that is down.
        let has_it: Vec<_> = listed.iter().filter(|index| !denied(index)).collect();
        let first_down = has_it.iter().position(|index| views[**index].state == SignerState::Down);
        let last_up = has_it.iter().rposition(|index| views[**index].state == SignerState::Up);
        if let (Some(down), Some(up)) = (first_down, last_up) {
            prop_assert!(up < down);
        }
        listed.sort_unstable();
        let ends_its_round = |view: &View| within_round && active == Some(view.index);
        let usable = |view: &&View| !view.draining || ends_its_round(view) && view.state.rank() < 2;
        let expected: Vec<_> = views.iter().filter(usable).map(|view| view.index).collect();
        prop_assert_eq!(listed, expected);
    }
}

#[test]
fn a_signer_that_took_over_a_moment_ago_stays_unless_the_preferred_one_is_in_question() {
    let soon = |views: &[View]| order(views, Some(1), Timing::TooSoon);
    assert_eq!(soon(&[up(0), up(1)]), [1, 0]);
    let in_question = View {
        in_question: true,
        ..up(0)
    };
    assert_eq!(soon(&[in_question, up(1)]), [0, 1]);
}
