//! Power cuts at every write and every sync: what was promised is there afterwards.

use std::collections::HashMap;

use proptest::prelude::*;

use crate::fixture::{ask_kind, at, cases, raise, record, second};
use crate::guard::{Answer, Stream};
use crate::tezos::Position;

use super::device::{Event, after_cut};
use super::*;

/// What somebody was told.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    Claimed(Candidate),
    Recorded(Candidate, Record),
    /// A raise that may or may not stand.
    Raising(Raise),
    Raised(Raise),
}

#[derive(Clone, Debug)]
enum Step {
    /// Claims that arrive together and may share a commit.
    Claims(Vec<Candidate>),
    /// The signature of the newest claim of a kind.
    Record(usize, u8),
    Raise(Raise),
    /// The process is killed and started again, without a power cut.
    Reopen,
}

pub(super) fn kind() -> impl Strategy<Value = ConsensusKind> {
    prop::sample::select(KINDS.to_vec())
}

pub(super) fn candidate() -> impl Strategy<Value = Candidate> {
    let level = prop_oneof![4 => 101_u32..110, 1 => 150_u32..260];
    (kind(), level, 0_u32..3, 0_u8..3)
        .prop_map(|(kind, level, round, name)| ask_kind(kind, at(level, round), name))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop::collection::vec(candidate(), 1..5).prop_map(Step::Claims),
        4 => (0_usize..3, any::<u8>()).prop_map(|(kind, fill)| Step::Record(kind, fill)),
        1 => (kind(), 101_u32..200).prop_map(|(kind, level)| Step::Raise(raise(kind, at(level, 0)))),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..12)
}

/// Puts all claims into the queue before it waits for the first answer.
async fn claim_together(
    store: &EmbeddedStore,
    candidates: Vec<Candidate>,
) -> Vec<(Candidate, Answer)> {
    let queue = read(&store.shared.queue).clone().unwrap();
    let mut waiting = Vec::new();
    for candidate in candidates {
        let (reply, answer) = oneshot::channel();
        let operation = Operation::Claim(candidate, second(1_000), reply);
        queue.send(operation).await.ok().unwrap();
        waiting.push((candidate, answer));
    }
    let mut answers = Vec::new();
    for (candidate, answer) in waiting {
        answers.push((candidate, answer.await.unwrap().unwrap()));
    }
    answers
}

/// Does the steps on a device and leaves the promises in its journal.
async fn perform(device: &Device, steps: Vec<Step>) {
    let folder = crate::fixture::folder();
    let mut store = open_over(&folder, database_on(device).unwrap());
    raise_all(&store).await;
    for kind in KINDS {
        device.promise(Fact::Raised(raise(kind, at(100, 0))));
    }
    let mut newest: HashMap<ConsensusKind, Candidate> = HashMap::new();
    for step in steps {
        match step {
            Step::Claims(candidates) => {
                for (candidate, answer) in claim_together(&store, candidates).await {
                    if answer == Answer::Permit {
                        device.promise(Fact::Claimed(candidate));
                        newest.insert(candidate.slot.stream.kind, candidate);
                    }
                }
            }
            Step::Record(kind, fill) => {
                let Some(candidate) = newest.get(&KINDS[kind]) else {
                    continue;
                };
                if let Ok(kept) = store.record(*candidate, record(fill)).await {
                    device.promise(Fact::Recorded(*candidate, kept));
                }
            }
            Step::Raise(raise) => {
                device.promise(Fact::Raising(raise));
                store.raise(vec![raise], second(1_000)).await.unwrap();
                device.promise(Fact::Raised(raise));
            }
            Step::Reopen => {
                drop(store);
                store = open_over(&folder, database_on(device).unwrap());
            }
        }
    }
}

/// Starts from what is left on the disk, as a process after the cut does.
fn recover(bytes: Vec<u8>) -> (Device, HashMap<Stream, StreamState>) {
    let device = Device::holding(bytes);
    let Loaded {
        database,
        lineage,
        contents,
        ..
    } = read_database(database_on(&device).unwrap(), |_, _| Ok(())).unwrap();
    assert_eq!(lineage, "lineage");
    drop(database);
    (device, contents.book.streams)
}

/// `raising` are the raises that had begun before the cut.
pub(super) fn assert_kept(streams: &HashMap<Stream, StreamState>, fact: &Fact, raising: &[Raise]) {
    let row_of = |candidate: &Candidate| {
        let state = &streams[&candidate.slot.stream];
        assert!(state.floor >= candidate.slot.position, "{fact:?}");
        let other = Candidate {
            digest: crate::fixture::bytes(99),
            ..*candidate
        };
        assert!(!is_allowed(Some(state), &other), "{fact:?}");
        // A row may be gone, if the floor has left it behind or an operator ended it before it was signed.
        let kept_from = state.floor.level.get().saturating_sub(64);
        let row = state.rows.get(&candidate.slot.position).cloned();
        let position = candidate.slot.position;
        let ended = raising.iter().any(|raise| {
            raise.stream == candidate.slot.stream
                && raise.floor >= position
                && matches!(fact, Fact::Claimed(_))
        });
        assert!(
            row.is_some() || position.level.get() < kept_from || ended,
            "{fact:?}"
        );
        assert!(
            row.is_some() || !is_allowed(Some(state), candidate),
            "{fact:?}"
        );
        row
    };
    match fact {
        Fact::Claimed(candidate) => {
            if let Some(row) = row_of(candidate) {
                assert_eq!(
                    (row.digest, row.scheme),
                    (candidate.digest, candidate.scheme)
                );
            }
        }
        Fact::Recorded(candidate, record) => {
            if let Some(row) = row_of(candidate) {
                assert_eq!(row.digest, candidate.digest);
                assert_eq!(row.record.as_ref(), Some(record));
            }
        }
        Fact::Raising(_) => {}
        Fact::Raised(raise) => {
            let state = &streams[&raise.stream];
            let floor: Position = state.floor;
            assert!(floor >= raise.floor, "{fact:?}");
            let mut below = state.rows.range(..=raise.floor);
            assert!(below.all(|(_, row)| row.record.is_some()), "{fact:?}");
        }
    }
}

/// A sequence of yes and no in three tempers: nothing survives, all of it, or some.
pub(super) fn luck(seed: u64) -> impl FnMut() -> bool {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        match seed % 4 {
            0 => false,
            1 => true,
            _ => state >> 63 == 1,
        }
    }
}

/// Cuts the power after so many events of the journal, and once more while the start after it repairs.
fn cut_twice(origin: &[u8], journal: &[Event<Fact>], cut: usize, seed: u64) {
    let before = &journal[..cut];
    let promises = || {
        before.iter().filter_map(|event| match event {
            Event::Promise(fact) => Some(fact),
            Event::SetLen(_) | Event::Sync | Event::Write(..) => None,
        })
    };
    let begun = promises().filter_map(|fact| match fact {
        Fact::Raising(raise) => Some(*raise),
        Fact::Claimed(_) | Fact::Raised(_) | Fact::Recorded(..) => None,
    });
    let raising: Vec<Raise> = begun.collect();
    let (device, streams) = recover(after_cut(origin, before, luck(seed)));
    for fact in promises() {
        assert_kept(&streams, fact, &raising);
    }
    let (origin, repairs) = device.history();
    let cut = usize::try_from(seed).unwrap_or(0) % (repairs.len() + 1);
    let (_, streams) = recover(after_cut(&origin, &repairs[..cut], luck(seed / 7)));
    for fact in promises() {
        assert_kept(&streams, fact, &raising);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(24), max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn after_a_power_cut_at_any_write_or_sync_all_that_was_promised_is_there(
        steps in steps(),
        seed in any::<u32>(),
    ) {
        let device = Device::holding(device_with_store().bytes());
        block_on(perform(&device, steps));
        let (origin, journal) = device.history();
        for cut in 0..=journal.len() {
            cut_twice(&origin, &journal, cut, u64::from(seed) + u64::try_from(cut).unwrap());
        }
    }
}

#[test]
fn the_device_of_these_tests_loses_what_was_not_synced() {
    let device = Device::holding(device_with_store().bytes());
    block_on(perform(
        &device,
        vec![Step::Claims(vec![ask_kind(KINDS[0], at(101, 0), 1)])],
    ));
    let (origin, journal) = device.history();
    let first_sync = journal
        .iter()
        .position(|event| matches!(event, Event::Sync))
        .unwrap();
    let (_, streams) = recover(after_cut(&origin, &journal[..first_sync], || false));
    assert!(streams.is_empty());
    let (_, streams) = recover(after_cut(&origin, &journal, || false));
    assert_eq!(streams.len(), KINDS.len());
}
