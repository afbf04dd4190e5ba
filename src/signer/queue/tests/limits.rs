//! Who gets no turn, or none yet: the late, those behind, the one too many, the ones that come together.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_request_past_its_deadline_gets_no_turn() {
    let scene = Scene::new(1, false);
    let ticket = scene.take(BUSY);
    let soon = Instant::now() + Duration::from_secs(4);
    let (mut late, mut in_time) = (
        scene.acquire_until(vote(9, 0), soon),
        scene.acquire(vote(8, 0)),
    );
    assert!(poll(&mut late).is_pending());
    assert!(poll(&mut in_time).is_pending());
    tokio::time::advance(Duration::from_secs(4)).await;
    drop(ticket);
    assert!(matches!(poll(&mut late), Poll::Ready(Err(Turned::Late))));
    assert!(matches!(poll(&mut in_time), Poll::Ready(Ok(_))));
}

#[test]
fn a_device_with_one_position_turns_away_what_is_below_what_it_was_sent() {
    let scene = Scene::new(1, true);
    drop(scene.take(kind(5, ConsensusKind::Preattestation)));
    assert_eq!(scene.turned(kind(5, ConsensusKind::Block)), Turned::Behind);
    assert_eq!(scene.turned(vote(4, 9)), Turned::Behind);
    // The same bytes again, and whatever is above.
    drop(scene.take(kind(5, ConsensusKind::Preattestation)));
    drop(scene.take(vote(5, 0)));
    // Others have their own position, and anything else has none.
    let key = crate::fixture::secret(crate::tezos::Curve::P256, 1);
    drop(scene.take(Place::Consensus {
        account: (ChainId::MAINNET, key.public_key().hash()),
        position: at(4, 0),
        kind: ConsensusKind::Attestation,
    }));
    drop(scene.take(BUSY));
    let scene = Scene::new(1, false);
    drop(scene.take(vote(5, 0)));
    drop(scene.take(vote(4, 0)));
}

#[test]
fn what_did_not_arrive_leaves_the_position_where_it_was() {
    let scene = Scene::new(1, true);
    drop(scene.take(vote(5, 0)));
    let mut ticket = scene.take(vote(9, 0));
    ticket.nothing_arrived();
    drop(ticket);
    drop(scene.take(vote(6, 0)));
    assert_eq!(scene.turned(vote(5, 0)), Turned::Behind);
}

#[test]
fn the_129th_is_turned_away_and_it_is_no_vote_while_others_wait() {
    let mut scene = Scene::new(1, false);
    let ticket = scene.take(BUSY);
    let mut other = scene.acquire(Place::Other);
    assert!(poll(&mut other).is_pending());
    for level in 1..=128 {
        assert!(poll(&mut other).is_pending(), "{level}");
        scene.wait("vote", vote(level, 0));
    }
    assert!(matches!(poll(&mut other), Poll::Ready(Err(Turned::Full))));
    // The oldest is the least useful.
    let mut newest = scene.acquire(vote(129, 0));
    assert!(poll(&mut newest).is_pending());
    let (_, mut oldest) = scene.waiting.remove(0);
    assert!(matches!(poll(&mut oldest), Poll::Ready(Err(Turned::Full))));
    drop(ticket);
    assert!(matches!(poll(&mut newest), Poll::Ready(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn while_it_gathers_nobody_goes_and_then_in_order() {
    let mut scene = Scene::new(1, true);
    let opens = Instant::now() + Duration::from_millis(5);
    scene.queue.gather(opens);
    assert_eq!(scene.queue.opens_at(), Some(opens));
    for (name, level) in [("third", 3), ("first", 1), ("second", 2)] {
        scene.wait(name, vote(level, 0));
    }
    scene.queue.open();
    assert_eq!(scene.queue.waiting(), 3);
    tokio::time::advance(Duration::from_millis(5)).await;
    scene.queue.open();
    let (first, ticket) = scene.served();
    assert_eq!((first, scene.queue.opens_at()), ("first", None));
    assert_eq!(scene.order(ticket), ["second", "third"]);
}

#[test]
fn a_device_in_use_does_not_gather() {
    let mut scene = Scene::new(1, true);
    let ticket = scene.take(BUSY);
    scene.wait("next", vote(1, 0));
    scene.queue.gather(Instant::now() + Duration::from_mins(10));
    drop(ticket);
    assert_eq!(scene.served().0, "next");
}

#[test]
fn an_abandoned_request_takes_its_place_at_the_device_and_one_trial_passes() {
    let mut scene = Scene::new(2, false);
    let (mut first, second) = (scene.take(BUSY), scene.take(BUSY));
    first.abandon();
    first.abandon();
    scene.wait("after the second", vote(1, 0));
    drop(second);
    let (_, mut second) = scene.served();
    second.abandon();
    // Nobody but abandoned ones: one at a time is tried.
    assert!(scene.queue.is_idle());
    let trial = scene.take(BUSY);
    assert!(!scene.queue.is_idle());
    scene.wait("after the trial", vote(2, 0));
    drop(trial);
    drop(scene.served());
    drop((first, second));
    let all = [scene.take(BUSY), scene.take(BUSY)];
    scene.wait("no more than the capacity", vote(3, 0));
    drop(all);
}

#[test]
fn those_ahead_are_those_who_would_go_first() {
    let mut scene = Scene::new(2, false);
    assert_eq!(scene.queue.turns_before(vote(5, 0)), 0);
    let tickets = [scene.take(BUSY), scene.take(BUSY)];
    assert_eq!(scene.queue.turns_before(vote(5, 0)), 1);
    for level in 4..9 {
        scene.wait("vote", vote(level, 0));
    }
    assert_eq!(scene.queue.ahead_of(vote(5, 1)), 3);
    assert_eq!(scene.queue.turns_before(vote(5, 1)), 2);
    assert_eq!(scene.queue.ahead_of(Place::Other), 5);
    drop(tickets);
}

proptest! {
    #[test]
    fn a_device_with_one_position_never_sees_it_fall(
        steps in prop::collection::vec((1_u32..6, 0_u32..2, 0_usize..3, 0_u8..4), 1..60),
    ) {
        let kinds = [ConsensusKind::Block, ConsensusKind::Preattestation, ConsensusKind::Attestation];
        let scene = Scene::new(1, true);
        let mut waiting: Vec<(Mark, Acquire)> = Vec::new();
        let mut working = None;
        let mut highest: Option<Mark> = None;
        for (level, round, kind, then) in steps {
            let place = consensus(at(level, round), kinds[kind]);
            let (_, mark) = place.mark().unwrap();
            waiting.push((mark, scene.acquire(place)));
            if then == 0 && !waiting.is_empty() {
                drop(waiting.swap_remove(0));
            }
            if then > 1 {
                working = None;
            }
            for (mark, mut acquire) in std::mem::take(&mut waiting) {
                match poll(&mut acquire) {
                    Poll::Pending => waiting.push((mark, acquire)),
                    Poll::Ready(Ok(ticket)) => {
                        prop_assert!(highest.is_none_or(|highest| highest <= mark));
                        highest = Some(mark);
                        working = Some(ticket);
                    }
                    Poll::Ready(Err(_)) => {}
                }
            }
        }
        drop(working);
    }
}
