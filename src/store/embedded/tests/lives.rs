//! Kill, start, the same bytes again, power cut, other bytes: in any order and number, with syncs that fail.
//!
//! The start is the real one: [`EmbeddedStore::open`] runs on a copy of the files, and the calls that it made
//! are made on the model of the machine. The database then lies on the model itself.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::fixture::{cases, record, second};
use crate::guard::{Answer, Stream};

use super::super::super::calls::journal::{Call, taken_down};
use super::machine::{Event, Machine, after_cut, file_name};
use super::power::{Fact, assert_kept, candidate, kind, luck};
use super::*;

/// More calls or syncs than any process makes.
const NEVER: usize = usize::MAX;

#[derive(Clone, Debug)]
enum Step {
    Claim(Candidate),
    /// Asks again for something that was asked before, in whatever life, answered or not.
    Again(prop::sample::Index),
    /// A signature for something that was permitted in this life.
    Record(prop::sample::Index, u8),
    Raise(Raise),
}

/// One process: what it is asked, and how it ends.
#[derive(Clone, Debug)]
struct Life {
    steps: Vec<Step>,
    /// Killed after so many calls; if it makes fewer, it ends in good order.
    left: usize,
    good_syncs: usize,
}

/// From power to power cut.
#[derive(Clone, Debug)]
struct Era {
    lives: Vec<Life>,
    cut: prop::sample::Index,
    seed: u64,
}

/// What is known outside of the machine.
#[derive(Default)]
struct World {
    asked: Vec<Candidate>,
    /// Promises from before the last power cut.
    facts: Vec<Fact>,
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => candidate().prop_map(Step::Claim),
        5 => index().prop_map(Step::Again),
        4 => (index(), any::<u8>()).prop_map(|(index, fill)| Step::Record(index, fill)),
        1 => (kind(), 101_u32..200).prop_map(|(kind, level)| Step::Raise(raise(kind, at(level, 0)))),
    ]
}

fn life() -> impl Strategy<Value = Life> {
    let left = prop_oneof![1 => Just(NEVER), 4 => 1_usize..90];
    let good_syncs = prop_oneof![2 => Just(NEVER), 1 => 0_usize..12];
    let steps = prop::collection::vec(step(), 1..6);
    (steps, left, good_syncs).prop_map(|(steps, left, good_syncs)| Life {
        steps,
        left,
        good_syncs,
    })
}

fn eras() -> impl Strategy<Value = Vec<Era>> {
    let era = (
        prop::collection::vec(life(), 1..5),
        any::<prop::sample::Index>(),
        any::<u32>(),
    );
    let era = era.prop_map(|(lives, cut, seed)| Era {
        lives,
        cut,
        seed: seed.into(),
    });
    prop::collection::vec(era, 1..4)
}

/// A machine with a store whose floors are at level 100.
fn machine() -> Machine {
    let device = device_with_store();
    let folder = crate::fixture::folder();
    block_on(async {
        let store = open_over(&folder, database_on(&device).unwrap());
        raise_all(&store).await;
    });
    Machine::holding(BTreeMap::from([(STORE_FILE.to_owned(), device.bytes())]))
}

/// The calls that a real start makes on the files that this machine shows.
fn calls_of_a_start(machine: &Machine) -> Vec<Call> {
    let folder = crate::fixture::folder();
    for (name, bytes) in machine.seen() {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let (store, calls) = taken_down(|| open(&folder));
    let report = store.report();
    assert_eq!(report.condition, Condition::Ready, "{:?}", report.reason);
    calls
}

/// Starts a process; `None` if it does not live to sign, or refuses to because of its disk.
fn start(machine: &Machine, is_made: impl Fn(&Call) -> bool) -> Option<Loaded> {
    let calls = calls_of_a_start(machine).into_iter().filter(is_made);
    for call in calls {
        machine.make(&call).ok()?;
    }
    let database = Database::builder()
        .set_cache_size(1 << 20)
        .create_with_backend(machine.open(STORE_FILE));
    read_database(database.ok()?, |_, _| Ok(())).ok()
}

async fn live(machine: &Machine, world: &mut World, life: &Life, is_made: impl Fn(&Call) -> bool) {
    machine.begin_process(life.left, life.good_syncs);
    let folder = crate::fixture::folder();
    let Some(loaded) = start(machine, is_made) else {
        let reason = "a start fails only by a kill or a failed sync";
        assert!(!machine.is_alive() || life.good_syncs < NEVER, "{reason}");
        return;
    };
    let store = open(&folder);
    begin(&store, loaded, || Err(still_full()));
    let mut permitted = Vec::new();
    for step in &life.steps {
        match step {
            Step::Claim(candidate) => {
                world.asked.push(*candidate);
                claim(machine, &store, *candidate, &mut permitted).await;
            }
            Step::Again(_) if world.asked.is_empty() => {}
            Step::Again(index) => {
                claim(machine, &store, *index.get(&world.asked), &mut permitted).await;
            }
            Step::Record(_, _) if permitted.is_empty() => {}
            Step::Record(index, fill) => {
                let candidate = *index.get(&permitted);
                if let Ok(kept) = store.record(candidate, record(*fill)).await {
                    machine.promise(Fact::Recorded(candidate, kept));
                }
            }
            Step::Raise(raise) => {
                machine.promise(Fact::Raising(*raise));
                if store.raise(vec![*raise], second(1_000)).await.is_ok() {
                    machine.promise(Fact::Raised(*raise));
                }
            }
        }
    }
}

async fn claim(
    machine: &Machine,
    store: &EmbeddedStore,
    candidate: Candidate,
    permitted: &mut Vec<Candidate>,
) {
    match store.claim(candidate, second(1_000)).await {
        Ok(Answer::Permit | Answer::InFlight { .. }) => {
            permitted.push(candidate);
            machine.promise(Fact::Claimed(candidate));
        }
        Ok(Answer::Recorded(record)) => machine.promise(Fact::Recorded(candidate, record)),
        Ok(Answer::Refused(_)) | Err(_) => {}
    }
}

fn promises(history: &[Event]) -> impl Iterator<Item = &Fact> {
    history.iter().filter_map(|event| match event {
        Event::Promise(fact) => Some(fact),
        Event::FailedSync(_)
        | Event::Make(_)
        | Event::Names(_)
        | Event::SetLen(..)
        | Event::Sync(_)
        | Event::SyncNames
        | Event::Write(..) => None,
    })
}

/// What the store holds on these files, which must open.
fn streams_on(files: &BTreeMap<String, Vec<u8>>) -> HashMap<Stream, StreamState> {
    let bytes = files[STORE_FILE].clone();
    book_on(database_on(&Device::holding(bytes)).unwrap()).streams
}

/// Cuts the power after so many events of this era; all that was promised so far must be there.
fn cut(world: &World, history: &[Event], seed: u64) -> BTreeMap<String, Vec<u8>> {
    let files = after_cut(history, luck(seed));
    let streams = streams_on(&files);
    let facts = || world.facts.iter().chain(promises(history));
    let begun = facts().filter_map(|fact| match fact {
        Fact::Raising(raise) => Some(*raise),
        Fact::Claimed(_) | Fact::Raised(_) | Fact::Recorded(..) => None,
    });
    let raising: Vec<Raise> = begun.collect();
    for fact in facts() {
        assert_kept(&streams, fact, &raising);
    }
    files
}

/// Lives through the eras; returns how many states after a cut were looked at.
fn survive(eras: &[Era], is_made: impl Fn(&Call) -> bool + Copy) -> usize {
    let mut looked = 0;
    let mut world = World::default();
    let mut machine = machine();
    for era in eras {
        for life in &era.lives {
            block_on(live(&machine, &mut world, life, is_made));
        }
        let history = machine.history();
        let begun = machine.begun();
        for at in begun..=history.len() {
            cut(
                &world,
                &history[..at],
                era.seed + u64::try_from(at).unwrap(),
            );
            looked += 1;
        }
        let at = begun + era.cut.index(history.len() + 1 - begun);
        let files = cut(&world, &history[..at], era.seed);
        world.facts.extend(promises(&history[..at]).cloned());
        machine = Machine::holding(files);
    }
    looked
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(24), max_shrink_iters: 256, ..ProptestConfig::default() })]

    #[test]
    fn killed_started_asked_again_and_cut_off_the_store_keeps_every_promise(eras in eras()) {
        prop_assert!(survive(&eras, |_| true) > 0);
    }
}

/// Whether a promise is broken in one of some runs whose starts make only some of their calls.
fn is_found_out(is_made: impl Fn(&Call) -> bool + Copy) -> bool {
    let mut runner = TestRunner::deterministic();
    (0..10).any(|_| {
        let eras = eras().new_tree(&mut runner).unwrap().current();
        catch_unwind(AssertUnwindSafe(|| survive(&eras, is_made))).is_err()
    })
}

#[test]
fn a_start_that_does_not_sync_its_copy_or_the_name_of_it_is_found_out() {
    assert!(is_found_out(|call| *call != Call::Sync()));
    assert!(is_found_out(|call| *call != Call::SyncNames()));
}

#[test]
fn a_start_makes_a_copy_syncs_it_gives_it_the_name_and_syncs_that() {
    let machine = machine();
    let calls = calls_of_a_start(&machine);
    let made: Vec<_> = calls
        .iter()
        .map(|call| match call {
            Call::Create(path) => format!("create {}", file_name(path)),
            Call::Write(bytes) => format!("write {}", *bytes == machine.seen()[STORE_FILE]),
            Call::Sync() => "sync".to_owned(),
            Call::Rename(from, to) => format!("rename {} {}", file_name(from), file_name(to)),
            Call::Remove(path) => format!("remove {}", file_name(path)),
            Call::SyncNames() => "sync names".to_owned(),
        })
        .collect();
    let copy = "watermarks.redb.new";
    assert_eq!(
        made,
        [
            "create lock",
            &format!("create {copy}"),
            "write true",
            "sync",
            &format!("rename {copy} watermarks.redb"),
            "sync names",
        ]
    );
}
