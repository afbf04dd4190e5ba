//! Whose turn it is, and that no turn is ever lost.

mod limits;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;

use crate::fixture::at;

use super::*;

type Acquire = Pin<Box<dyn Future<Output = Turn>>>;

fn poll(acquire: &mut Acquire) -> Poll<Turn> {
    acquire
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

/// A queue and those who wait in it, by name.
struct Scene {
    queue: Arc<DeviceQueue>,
    waiting: Vec<(&'static str, Acquire)>,
}

impl Scene {
    fn new(capacity: usize, positions_must_not_fall: bool) -> Self {
        Self {
            queue: Arc::new(DeviceQueue::new(
                capacity,
                positions_must_not_fall,
                Instant::now,
            )),
            waiting: Vec::new(),
        }
    }

    fn acquire(&self, place: Place) -> Acquire {
        let late = Instant::now().checked_add(Duration::from_mins(10));
        self.acquire_until(place, late.unwrap())
    }

    fn acquire_until(&self, place: Place, not_after: Instant) -> Acquire {
        let queue = Arc::clone(&self.queue);
        Box::pin(async move { queue.acquire(place, not_after).await })
    }

    /// Why a turn is not given, though the device is free.
    fn turned(&self, place: Place) -> Turned {
        match poll(&mut self.acquire(place)) {
            Poll::Ready(Err(turned)) => turned,
            other @ (Poll::Ready(Ok(_)) | Poll::Pending) => panic!("{other:?}"),
        }
    }

    /// Takes a turn that must be free.
    fn take(&self, place: Place) -> Ticket {
        match poll(&mut self.acquire(place)) {
            Poll::Ready(Ok(ticket)) => ticket,
            Poll::Ready(Err(_)) | Poll::Pending => panic!("no free turn"),
        }
    }

    /// Waits for a turn that must not be free.
    fn wait(&mut self, name: &'static str, place: Place) {
        let mut acquire = self.acquire(place);
        assert!(poll(&mut acquire).is_pending());
        self.waiting.push((name, acquire));
    }

    fn leave(&mut self, name: &str) {
        self.waiting.retain(|(other, _)| *other != name);
    }

    /// Who has the turn now; panics if it is not exactly one.
    fn served(&mut self) -> (&'static str, Ticket) {
        let mut served = Vec::new();
        let mut waiting = Vec::new();
        for (name, mut acquire) in self.waiting.drain(..) {
            match poll(&mut acquire) {
                Poll::Ready(ticket) => served.push((name, ticket.unwrap())),
                Poll::Pending => waiting.push((name, acquire)),
            }
        }
        self.waiting = waiting;
        assert_eq!(served.len(), 1);
        served.pop().unwrap()
    }

    /// Gives the turn back again and again until nobody waits; who had it, in order.
    fn order(&mut self, mut ticket: Ticket) -> Vec<&'static str> {
        let mut order = Vec::new();
        while !self.waiting.is_empty() {
            drop(ticket);
            let name;
            (name, ticket) = self.served();
            order.push(name);
        }
        order
    }
}

const BUSY: Place = Place::Other;

fn consensus(position: Position, kind: ConsensusKind) -> Place {
    Place::Consensus {
        account: (ChainId::MAINNET, crate::fixture::key()),
        position,
        kind,
    }
}

fn vote(level: u32, round: u32) -> Place {
    consensus(at(level, round), ConsensusKind::Attestation)
}

fn kind(level: u32, kind: ConsensusKind) -> Place {
    consensus(at(level, 0), kind)
}

/// A busy device with these waiting, in the order in which they came.
fn order(positions_must_not_fall: bool, places: &[(&'static str, Place)]) -> Vec<&'static str> {
    let mut scene = Scene::new(1, positions_must_not_fall);
    let ticket = scene.take(BUSY);
    for (name, place) in places {
        scene.wait(name, *place);
    }
    scene.order(ticket)
}

#[test]
fn as_many_as_the_capacity_go_at_once() {
    let mut scene = Scene::new(3, false);
    let tickets = [vote(1, 0), vote(2, 0), BUSY].map(|place| scene.take(place));
    scene.wait("fourth", vote(3, 0));
    drop(tickets);
    assert_eq!(scene.served().0, "fourth");
}

#[test]
fn the_newest_goes_first_where_positions_may_fall() {
    let places = [
        ("5.0", vote(5, 0)),
        ("7.0", vote(7, 0)),
        ("6.3", vote(6, 3)),
        ("7.1", vote(7, 1)),
        ("6.9", vote(6, 9)),
    ];
    assert_eq!(order(false, &places), ["7.1", "7.0", "6.9", "6.3", "5.0"]);
}

#[test]
fn the_lowest_goes_first_where_positions_must_not_fall() {
    let places = [
        ("5.0", vote(5, 0)),
        ("7.0", vote(7, 0)),
        ("6.3", vote(6, 3)),
        ("7.1", vote(7, 1)),
        ("6.0", vote(6, 0)),
    ];
    assert_eq!(order(true, &places), ["5.0", "6.0", "6.3", "7.0", "7.1"]);
}

#[test]
fn within_a_round_the_block_goes_before_preattestation_and_attestation() {
    let places = [
        ("attestation", kind(5, ConsensusKind::Attestation)),
        ("preattestation", kind(5, ConsensusKind::Preattestation)),
        ("block", kind(5, ConsensusKind::Block)),
        ("earlier", kind(4, ConsensusKind::Attestation)),
    ];
    let expected = ["earlier", "block", "preattestation", "attestation"];
    assert_eq!(order(true, &places), expected);
}

#[test]
fn consensus_goes_before_anything_else_in_both_orders() {
    let places = [
        ("operation", Place::Other),
        ("old", vote(1, 0)),
        ("second operation", Place::Other),
        ("new", vote(9, 0)),
    ];
    let others = ["operation", "second operation"];
    assert_eq!(order(true, &places)[..2], ["old", "new"]);
    assert_eq!(order(false, &places)[..2], ["new", "old"]);
    assert_eq!(order(true, &places)[2..], others);
    assert_eq!(order(false, &places)[2..], others);
}

#[test]
fn equals_go_in_the_order_in_which_they_came() {
    let names = ["a", "b", "c", "d", "e"];
    let places = names.map(|name| (name, vote(5, 0)));
    assert_eq!(order(true, &places), names);
    assert_eq!(order(false, &places), names);
}

#[test]
fn who_stopped_waiting_is_passed_over() {
    let mut scene = Scene::new(1, false);
    let ticket = scene.take(BUSY);
    for (name, level) in [("newest", 9), ("middle", 8), ("oldest", 7)] {
        scene.wait(name, vote(level, 0));
    }
    scene.leave("newest");
    assert_eq!(scene.order(ticket), ["middle", "oldest"]);
}

#[test]
fn a_turn_given_to_one_who_leaves_in_that_moment_goes_to_the_next() {
    let mut scene = Scene::new(1, false);
    let ticket = scene.take(BUSY);
    for (name, level) in [("newest", 9), ("middle", 8), ("oldest", 7)] {
        scene.wait(name, vote(level, 0));
    }
    // The turn is on its way to the newest two, one after the other, and neither takes it.
    drop(ticket);
    scene.leave("newest");
    scene.leave("middle");
    let (name, ticket) = scene.served();
    assert_eq!(name, "oldest");
    drop(ticket);
    drop(scene.take(BUSY));
}

#[test]
fn a_turn_that_nobody_takes_is_free_again() {
    let mut scene = Scene::new(1, true);
    let ticket = scene.take(BUSY);
    scene.wait("only", vote(1, 0));
    drop(ticket);
    scene.leave("only");
    drop(scene.take(BUSY));
}

#[derive(Clone, Debug)]
enum Step {
    Acquire(u32),
    Poll(prop::sample::Index),
    Leave(prop::sample::Index),
    Finish(prop::sample::Index),
}

proptest! {
    #[test]
    fn no_turn_is_lost_or_made_whoever_comes_and_goes(
        capacity in 1_usize..4,
        shared in any::<bool>(),
        steps in prop::collection::vec(
            prop_oneof![
                2 => (0_u32..5).prop_map(Step::Acquire),
                2 => any::<prop::sample::Index>().prop_map(Step::Poll),
                1 => any::<prop::sample::Index>().prop_map(Step::Leave),
                1 => any::<prop::sample::Index>().prop_map(Step::Finish),
            ],
            1..80,
        ),
    ) {
        let scene = Scene::new(capacity, shared);
        let mut waiting: Vec<Acquire> = Vec::new();
        let mut working = Vec::new();
        for step in steps {
            match step {
                Step::Acquire(level) => waiting.push(scene.acquire(vote(level, 0))),
                Step::Poll(index) if !waiting.is_empty() => {
                    let index = index.index(waiting.len());
                    if let Poll::Ready(turn) = poll(&mut waiting[index]) {
                        // A device with one position turns those away that are behind.
                        prop_assert!(shared || turn.is_ok());
                        working.extend(turn);
                        drop(waiting.swap_remove(index));
                    }
                }
                Step::Leave(index) if !waiting.is_empty() => {
                    drop(waiting.swap_remove(index.index(waiting.len())));
                }
                Step::Finish(index) if !working.is_empty() => {
                    drop(working.swap_remove(index.index(working.len())));
                }
                Step::Poll(_) | Step::Leave(_) | Step::Finish(_) => {}
            }
            prop_assert!(working.len() <= capacity);
        }
        drop((waiting, working));
        let all: Vec<_> = (0..capacity).map(|_| scene.take(BUSY)).collect();
        prop_assert!(poll(&mut scene.acquire(BUSY)).is_pending());
        drop(all);
    }
}
