//! One state of the world: the store, the requests under way, the signers, the network, and what the audit
//! remembers. Nothing here decides anything.

use super::knowledge::{Etcd, Identity, Known};
use super::setup::{Setup, Witnessed};
use super::words::{At, Baker, Commits, Floor, POSITIONS, Sig, Table};

/// The most requests under way at the same time.
pub(crate) const REQUESTS: usize = 3;
/// The number of signers.
pub(crate) const SIGNERS: usize = 2;

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Waits for the store to say whether the slot is its own; the outcome may be unknown.
    Claiming,
    /// Only under a seeded bug: has looked, and will write without comparing.
    Looked,
    /// May be forwarded.
    Permitted,
    /// Has a verified signature that is not recorded, or of which that is unknown.
    Recording(Sig),
    /// Has the recorded signature, and the baker does not have it yet.
    Releasing(Sig),
}

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Request {
    pub(crate) baker: Baker,
    pub(crate) at: At,
    pub(crate) stage: Stage,
    /// For the audit alone: the store itself has told this request that it may.
    pub(crate) proved: bool,
    /// Its change is written to the file and not synced.
    pub(crate) in_commit: bool,
}

/// What was noted outside the store, durably.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Witness {
    pub(crate) floor: Floor,
    pub(crate) history: Commits,
    pub(crate) commits: u8,
    /// Of a store in etcd: which cluster it was, the highest revision of any answer, and what never ends.
    pub(crate) identity: Option<Identity>,
    pub(crate) revision: u8,
    pub(crate) sealed: bool,
    pub(crate) stopped: bool,
    /// Of a store in etcd: the last signature of the stream, and whether the store was doubted for what does not show
    /// for ever.
    pub(crate) signed: Option<Sig>,
    pub(crate) doubt: bool,
}

/// Nothing is noted yet, but by replicas over etcd, which have read it once.
fn first_witnesses(setup: &Setup, table: Table) -> [Witness; REQUESTS] {
    let mut witnesses = [Witness::default(); REQUESTS];
    if setup.is_etcd() {
        let with = match setup.witnessed {
            Witnessed::Nothing => 0,
            Witnessed::AllButOne => setup.requests - 1,
            Witnessed::Floors | Witnessed::Number | Witnessed::History => setup.requests,
        };
        witnesses[..with].fill(Known::first(table).seen());
    }
    witnesses
}

/// The one process of an embedded store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Process {
    #[default]
    Up,
    Down,
    /// A sync failed: nothing is claimed or recorded until the process starts anew.
    Failed,
    /// The store is below its witness: nothing is claimed until the operator accepts it.
    Doubting,
}

/// One state of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// What would be there after a power cut; of a shared store simply its content.
    pub(crate) disk: Table,
    /// What reading the file shows now. Embedded store only, as the next three.
    pub(crate) cache: Table,
    /// A failed sync left pages that look clean and are not on the disk.
    pub(crate) lost_pages: bool,
    /// What the process shows and decides by.
    pub(crate) memory: Table,
    pub(crate) process: Process,
    /// Requests under way. Each has a replica of its own over a shared store; all are in the one process
    /// over an embedded one.
    pub(crate) requests: [Option<Request>; REQUESTS],
    /// Of the replica of each request; over an embedded store only the first is used.
    pub(crate) witnesses: [Witness; REQUESTS],
    /// The watermark that each signer keeps, if it keeps one and has not lost it.
    pub(crate) marks: [Option<Sig>; SIGNERS],
    /// What was forwarded, ever: a bit for each signer and baker, for each position. Messages are never
    /// taken off the network, so each may arrive late, often or never.
    pub(crate) sent: [u8; POSITIONS],
    /// Signatures made so far, for each position and baker. All are on the network for ever.
    pub(crate) made: [[u8; 2]; POSITIONS],
    /// A copy of the store that may come back.
    pub(crate) backup: Option<Table>,
    /// Whether the backup came back, and with another identity.
    pub(crate) restored: bool,
    pub(crate) foreign: bool,
    /// Events that a setup allows a few times only.
    pub(crate) raises_left: u8,
    pub(crate) losses_left: u8,
    pub(crate) ends_left: u8,
    /// Only under a seeded bug: who believes to be the leader.
    pub(crate) lease: Option<u8>,
    /// A store in etcd, and what each replica knows of it.
    pub(crate) etcd: Option<Etcd>,
    pub(crate) history: History,
}

/// What only the audit reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct History {
    /// The first signature that left, for each slot.
    pub(crate) released: [Option<Sig>; POSITIONS],
    /// The first signature that was ever durable, for each slot.
    pub(crate) recorded: [Option<Sig>; POSITIONS],
    /// The bakers whose claims were ever durable, for each slot, as bits.
    pub(crate) claimed: [u8; POSITIONS],
    /// Whether the store was ever sealed, or the key stopped.
    pub(crate) ended: bool,
    /// Invariants that some step broke, as bits.
    pub(crate) broken: u16,
}

impl State {
    pub(crate) fn first(setup: &Setup) -> Self {
        let table = Table {
            floor: Some(Floor(0)),
            ..Table::default()
        };
        let embedded = setup.is_embedded();
        Self {
            disk: table,
            cache: if embedded { table } else { Table::default() },
            lost_pages: false,
            memory: if embedded { table } else { Table::default() },
            process: Process::Up,
            requests: [None; REQUESTS],
            witnesses: first_witnesses(setup, table),
            marks: [None; SIGNERS],
            sent: [0; POSITIONS],
            made: [[0; 2]; POSITIONS],
            backup: None,
            restored: false,
            foreign: false,
            raises_left: setup.raises,
            losses_left: setup.losses,
            ends_left: setup.ends,
            lease: None,
            etcd: setup.is_etcd().then(|| Etcd::first(table)),
            history: History::default(),
        }
    }

    /// The bit of `sent` for a signer and a baker.
    pub(crate) fn sent_bit(signer: usize, baker: Baker) -> u8 {
        1 << (signer * 2 + baker as usize)
    }

    /// Whether a payload was forwarded to any signer.
    pub(crate) fn was_sent(&self, at: At, baker: Baker) -> bool {
        let bits = Self::sent_bit(0, baker) | Self::sent_bit(1, baker);
        self.sent[at.index()] & bits != 0
    }

    /// Replicas are alike, and so are the requests of one process: their order tells nothing.
    pub(crate) fn sort(&mut self, setup: &Setup) {
        for (left, right) in [(0, 1), (1, 2), (0, 1)] {
            if right >= setup.requests {
                continue;
            }
            let replica = |who: usize| {
                // All requests of a process have the same witness.
                let own = !setup.is_embedded();
                let witness = own.then_some(self.witnesses[who]);
                let replica = self.etcd.as_ref().map(|etcd| etcd.replicas[who]);
                (self.requests[who], witness, replica)
            };
            if replica(left) <= replica(right) {
                continue;
            }
            self.requests.swap(left, right);
            if !setup.is_embedded() {
                self.witnesses.swap(left, right);
            }
            if let Some(etcd) = &mut self.etcd {
                etcd.replicas.swap(left, right);
            }
        }
    }
}
