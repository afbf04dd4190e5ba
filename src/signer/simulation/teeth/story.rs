//! Traces that no world has lived through.

use std::time::Duration;

use crate::fixture::at;
use crate::settings::Repeat;
use crate::tezos::{ConsensusKind, digest};

use super::super::draw::Draw;
use super::super::faults::{Fault, Trouble};
use super::super::options::{BakerOptions, Options, PathOptions, SignerOptions};
use super::super::trace::{End, Entry, Event, Outcome, Reason, Slot, Work};
use super::ms;

/// Two quick signers with one key: one that is like octez-signer, and one that is like a Ledger.
pub(super) fn options() -> Options {
    let signer = |ledger: bool| SignerOptions {
        priority: 1,
        capacity: 1,
        repeat: if ledger {
            Repeat::Refuse
        } else {
            Repeat::Replay
        },
        shared_watermark: ledger,
        latency: (ms(10), ms(20)),
        forgets: false,
        keys: vec![0],
        paths: vec![PathOptions {
            round_trip: ms(2),
            max_connections: 4,
        }],
    };
    Options {
        signers: vec![signer(false), signer(true)],
        bakers: vec![BakerOptions {
            blocks: 0,
            rounds: 0,
            hang_ups: 0,
            twins: 0,
            again: 0,
            deterministic: true,
        }],
        faults: Vec::new(),
        block_time: ms(6_000),
        fixed_limit: None,
        draw: Draw::new(0),
        mistake: None,
    }
}

/// The path of the second signer refuses.
pub(super) fn trouble_at_the_second(from: u64, to: u64) -> Fault {
    Fault {
        signer: 1,
        path: None,
        trouble: Trouble::Refuses,
        from: ms(from),
        to: ms(to),
    }
}

/// The attestation of a level.
pub(super) fn vote(level: u32) -> Slot {
    Slot {
        key: 0,
        position: at(level, 0),
        kind: ConsensusKind::Attestation,
    }
}

/// The block of a level.
pub(super) fn block(level: u32) -> Slot {
    Slot {
        kind: ConsensusKind::Block,
        ..vote(level)
    }
}

/// Events with times in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Story(pub(super) Vec<Entry>);

impl Story {
    fn note(&mut self, at: u64, event: Event) {
        let at = Duration::from_millis(at);
        self.0.push(Entry { at, event });
    }

    /// A request that the first signer answers within 30 ms.
    pub(super) fn signed(&mut self, at: u64, number: usize, slot: Slot) {
        self.asked(at, number, slot, Reason::Own, 4_000);
        self.left(at + 1, number, 0, slot);
        self.note(at + 2, Event::Arrived { job: number });
        self.worked(at + 22, number, Work::Signed);
        self.ended(at + 30, number, End::Signed);
        let outcome = Outcome::Signed { verifies: true };
        self.answered(at + 30, number, outcome);
    }

    pub(super) fn asked(&mut self, at: u64, ask: usize, slot: Slot, reason: Reason, limit: u64) {
        let event = Event::Asked {
            ask,
            slot,
            digest: bytes(slot, if reason == Reason::Twin { 2 } else { 1 }),
            deadline: ms(at + limit),
            reason,
            deterministic: true,
        };
        self.note(at, event);
    }

    pub(super) fn left(&mut self, at: u64, job: usize, signer: usize, slot: Slot) {
        self.left_with(at, job, signer, slot, 1);
    }

    pub(super) fn left_with(&mut self, at: u64, job: usize, signer: usize, slot: Slot, name: u8) {
        let event = Event::Left {
            job,
            signer,
            path: 0,
            slot,
            digest: bytes(slot, name),
        };
        self.note(at, event);
    }

    pub(super) fn worked(&mut self, at: u64, job: usize, work: Work) {
        self.note(at, Event::Worked { job, work });
    }

    pub(super) fn ended(&mut self, at: u64, job: usize, end: End) {
        self.note(at, Event::Ended { job, end });
    }

    pub(super) fn answered(&mut self, at: u64, ask: usize, outcome: Outcome) {
        self.note(at, Event::Answered { ask, outcome });
    }
}

fn bytes(slot: Slot, name: u8) -> crate::tezos::Digest {
    let level = slot.position.level.get().to_be_bytes();
    digest(&[&level[..], &[slot.kind.magic(), name]].concat())
}
