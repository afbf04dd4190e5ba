//! What is asked: few streams, positions and payloads, so that everything meets everything.

use std::fmt;
use std::sync::LazyLock;

use proptest::prelude::*;

use crate::fixture::{at, bytes, record, second, secret, stream};
use crate::guard::{Account, Candidate, Change, Halt, Raise, Record, Slot, Stream};
use crate::tezos::{ConsensusKind, Curve, Position, Scheme};

/// Something that is asked of the guard or the store.
#[derive(Clone)]
pub(super) enum Ask {
    Claim(Candidate),
    /// At the same time, so that they may share a commit.
    Claims(Vec<Candidate>),
    Record(Candidate, Record),
    Replay(Candidate),
    Amend(Vec<Change>),
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(candidate) => write!(f, "claim {}", short(candidate)),
            Self::Claims(all) => {
                write!(f, "claims {:?}", all.iter().map(short).collect::<Vec<_>>())
            }
            Self::Record(candidate, record) => {
                write!(f, "record {} {}", short(candidate), record.signer)
            }
            Self::Replay(candidate) => write!(f, "replay {}", short(candidate)),
            Self::Amend(changes) => write!(f, "amend {changes:?}"),
        }
    }
}

/// A candidate in a line, so that a failed case can be read.
fn short(candidate: &Candidate) -> String {
    let Candidate {
        slot,
        digest,
        scheme,
    } = candidate;
    let name = streams().iter().position(|stream| *stream == slot.stream);
    format!(
        "{} of stream {name:?}, {} {}",
        slot.position,
        digest.short(),
        scheme.name()
    )
}

/// Two kinds of one key and one of another; the last has no watermark at first.
fn streams() -> [Stream; 3] {
    // Making a key is slow.
    static STREAMS: LazyLock<[Stream; 3]> = LazyLock::new(|| {
        let other = secret(Curve::Ed25519, 2).public_key().hash();
        let attestation = stream(ConsensusKind::Attestation);
        let others = Stream {
            key: other,
            ..attestation
        };
        [attestation, stream(ConsensusKind::Block), others]
    });
    *STREAMS
}

/// What every case begins with.
pub(super) fn first_changes() -> Vec<Change> {
    let [one, two, _] = streams();
    let floor = at(100, 0);
    [one, two]
        .map(|stream| Change::Raise(Raise { stream, floor }))
        .to_vec()
}

/// Levels that collide, some beyond the ring, and some too far to be believed.
fn position() -> impl Strategy<Value = Position> {
    let level = prop_oneof![
        12 => 99_u32..105,
        4 => 163_u32..168,
        2 => 228_u32..232,
        1 => 1_097_u32..1_106,
        1 => 1_160_u32..1_170,
    ];
    (level, 0_u32..3).prop_map(|(level, round)| at(level, round))
}

fn scheme() -> impl Strategy<Value = Scheme> {
    prop_oneof![8 => Just(Scheme::Pop), 1 => Just(Scheme::Aug)]
}

fn stream_strategy() -> impl Strategy<Value = Stream> {
    prop_oneof![
        4 => Just(streams()[0]),
        2 => Just(streams()[1]),
        1 => Just(streams()[2]),
    ]
}

/// Something new, or what was asked before, or other bytes for its slot.
fn candidate(asked: Vec<Candidate>) -> BoxedStrategy<Candidate> {
    let new = (stream_strategy(), position(), 0_u8..3, scheme());
    let new = new.prop_map(|(stream, position, name, scheme)| Candidate {
        slot: Slot { stream, position },
        digest: bytes(name),
        scheme,
    });
    if asked.is_empty() {
        return new.boxed();
    }
    let old = prop::sample::select(asked);
    let rival = (old.clone(), 0_u8..3, scheme());
    let rival = rival.prop_map(|(old, name, scheme)| Candidate {
        digest: bytes(name),
        scheme,
        ..old
    });
    prop_oneof![4 => new, 4 => old, 2 => rival].boxed()
}

/// The same, but not so high that it could be too far.
fn near(candidate: Candidate) -> Candidate {
    let position = candidate.slot.position;
    let near = at(position.level.get() % 1_000, position.round.get());
    let slot = Slot {
        position: near,
        ..candidate.slot
    };
    Candidate { slot, ..candidate }
}

fn change() -> impl Strategy<Value = Change> {
    let raise = (stream_strategy(), position())
        .prop_map(|(stream, floor)| Change::Raise(Raise { stream, floor }));
    let account = || stream_strategy().prop_map(Account::from);
    let stop = (account(), position()).prop_map(|(account, position)| Change::StopAt {
        account,
        level: position.level,
    });
    let halt = (account(), 0_u8..2).prop_map(|(account, name)| Change::Halt {
        account,
        halt: Halt::new(second(1_000), format!("evidence {name}")),
    });
    let resume = account().prop_map(|account| Change::Resume { account });
    prop_oneof![
        6 => raise,
        2 => stop,
        4 => halt,
        4 => resume,
        1 => Just(Change::Seal),
    ]
}

pub(super) fn ask(asked: &[Candidate]) -> impl Strategy<Value = Ask> + use<> {
    let candidate = || candidate(asked.to_vec());
    // Which of them commits first is left to chance, so none may depend on what another does to the head.
    let near = || candidate().prop_map(near);
    prop_oneof![
        8 => candidate().prop_map(Ask::Claim),
        2 => prop::collection::vec(near(), 2..4).prop_map(Ask::Claims),
        6 => (candidate(), 0_u8..4).prop_map(|(candidate, fill)| Ask::Record(candidate, record(fill))),
        2 => candidate().prop_map(Ask::Replay),
        3 => prop::collection::vec(change(), 1..3).prop_map(Ask::Amend),
    ]
}
