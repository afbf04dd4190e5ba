//! The decision itself: pure, total, without clock or I/O. Every store decides by [`decide`].

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::tezos::{
    ChainId, ConsensusKind, Digest, Level, Position, PublicKeyHash, Round, Scheme, Signature,
};

use super::account::{AccountState, Halt};

/// Levels below the floor for which slot rows are kept; older ones are pruned.
///
/// Rows only serve repeats of the same bytes. Pruning one turns "again" into "refused", never the
/// other way, because the floor stays.
pub(super) const RING_LEVELS: u32 = 64;

/// Rows kept for one stream, whatever their levels: bounds memory when rounds are many.
pub(super) const RING_ROWS: usize = 256;

/// One sequence of positions that only rises: a chain, a key and a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stream {
    /// The chain of the payload.
    pub chain: ChainId,
    /// The key that signs. Consensus and companion keys sign equal bytes: they are two streams.
    pub key: PublicKeyHash,
    /// The kind of payload.
    pub kind: ConsensusKind,
}

/// The unit of double signing: for one slot at most one payload reaches any signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// The stream.
    pub stream: Stream,
    /// Level and round.
    pub position: Position,
}

impl Slot {
    /// Slots of other streams that some signers count as the same position: octez-signer has one mark
    /// for blocks of both eras and, before its version 23, one for both kinds of attestation. To the
    /// historic kinds it gives no round.
    #[must_use]
    pub fn siblings(&self) -> [Self; 2] {
        let kind = match self.stream.kind {
            ConsensusKind::Block => ConsensusKind::LegacyBlock,
            ConsensusKind::LegacyBlock => ConsensusKind::Block,
            ConsensusKind::Attestation => ConsensusKind::LegacyEndorsement,
            ConsensusKind::LegacyEndorsement => ConsensusKind::Attestation,
            // It is alone: it names itself, and a slot is never its own rival.
            ConsensusKind::Preattestation => ConsensusKind::Preattestation,
        };
        let stream = Stream {
            kind,
            ..self.stream
        };
        let first_round = Position {
            round: Round::ZERO,
            ..self.position
        };
        [self.position, first_round].map(|position| Self { stream, position })
    }
}

/// Bytes that ask for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// The slot.
    pub slot: Slot,
    /// BLAKE2b-256 over all bytes as received; any other byte is another payload.
    pub digest: Digest,
    /// The signature scheme: for tz4 two schemes give two signatures over equal bytes.
    pub scheme: Scheme,
}

/// A signature that was made durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The signature.
    pub signature: Signature,
    /// The signer that gave it.
    pub signer: String,
    /// When it came.
    pub at: Timestamp,
}

/// A claimed slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Digest of the only bytes that may be signed.
    pub digest: Digest,
    /// The only scheme under which they may be signed.
    pub scheme: Scheme,
    /// When the claim was made.
    pub claimed_at: Timestamp,
    /// The signature, once it is durable; written once.
    pub record: Option<Record>,
}

/// What the store holds of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// The highest claimed position, or what an operator set; never falls.
    pub floor: Position,
    /// When the floor last rose.
    pub floor_at: Timestamp,
    /// Claimed slots of the ring window, for repeats alone: a row never allows other bytes.
    pub rows: BTreeMap<Position, Row>,
}

/// What an operator's raise changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Raised {
    /// Whether the floor rose.
    pub rose: bool,
    /// Positions whose unsigned claims ended; from now on the floor refuses them.
    pub ended: Vec<Position>,
}

impl StreamState {
    /// A stream whose floor an operator set.
    #[must_use]
    pub fn with_floor(floor: Position, now: Timestamp) -> Self {
        Self {
            floor,
            floor_at: now,
            rows: BTreeMap::new(),
        }
    }

    /// Enters a fresh claim and returns the positions whose rows are pruned by it. Only after
    /// [`decide`] said [`Verdict::Fresh`] for this state.
    pub fn enter(&mut self, candidate: &Candidate, now: Timestamp) -> Vec<Position> {
        let position = candidate.slot.position;
        let row = Row {
            digest: candidate.digest,
            scheme: candidate.scheme,
            claimed_at: now,
            record: None,
        };
        self.rows.insert(position, row);
        self.floor = self.floor.max(position);
        self.floor_at = now;
        self.prune()
    }

    /// Raises the floor to `floor`, never lowers it, and ends the claims at or below `floor` that have
    /// no signature: the operator was told that nothing there will be signed any more. Recorded
    /// signatures stay, for repeats.
    pub fn raise(&mut self, floor: Position, now: Timestamp) -> Raised {
        let rose = floor > self.floor;
        if rose {
            self.floor = floor;
            self.floor_at = now;
        }
        let ended: Vec<Position> = self
            .rows
            .range(..=floor)
            .filter(|(_, row)| row.record.is_none())
            .map(|(position, _)| *position)
            .collect();
        for position in &ended {
            self.rows.remove(position);
        }
        Raised { rose, ended }
    }

    fn prune(&mut self) -> Vec<Position> {
        let keep_from = self.floor.level.get().saturating_sub(RING_LEVELS);
        let surplus = self.rows.len().saturating_sub(RING_ROWS);
        let gone: Vec<Position> = self
            .rows
            .keys()
            .enumerate()
            .filter(|(index, position)| *index < surplus || position.level.get() < keep_from)
            .map(|(_, position)| *position)
            .collect();
        for position in &gone {
            self.rows.remove(position);
        }
        gone
    }
}

/// The decision on a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Claimed before by the same bytes, not signed yet: the same permission again.
    Again {
        /// When it was claimed.
        since: Timestamp,
    },
    /// Above everything claimed: may be claimed.
    Fresh,
    /// Signed before: only this signature.
    Recorded(Record),
    /// Never, whatever happens.
    Refused(Refusal),
}

/// Why a candidate may never be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// At or below the floor, and not a repeat of a claimed payload.
    #[error("{slot} is not above the watermark {floor} (asked {})", .digest.short())]
    BelowFloor {
        /// What was asked.
        slot: SlotText,
        /// The floor of the stream.
        floor: Position,
        /// Digest of the bytes asked.
        digest: Digest,
    },
    /// The slot belongs to other bytes.
    #[error("{slot} is claimed by other bytes: asked {}, claimed {} at {}{}",
        .asked.short(), .row.digest.short(), .row.claimed_at, signed_by(.row))]
    Conflict {
        /// What was asked.
        slot: SlotText,
        /// Digest of the bytes asked.
        asked: Digest,
        /// The claim that stands.
        row: Box<Row>,
    },
    /// No floor was ever set: first use is an act of the operator.
    #[error("{key} has no {kind} watermark on chain {chain}")]
    NoWatermark {
        /// The chain.
        chain: ChainId,
        /// The key.
        key: PublicKeyHash,
        /// The kind.
        kind: ConsensusKind,
    },
    /// Somebody else seems to sign with the key: nothing more until an operator resumes it.
    #[error("{slot} is not signed: signing with this key is halted since {}: {}", .halt.at, .halt.reason)]
    Halted {
        /// What was asked.
        slot: SlotText,
        /// Since when and why.
        halt: Box<Halt>,
    },
    /// The key has moved: another signs with it above the stop level.
    #[error(
        "{slot} is above the level {stop} at which this key stops here; it was moved elsewhere"
    )]
    Stopped {
        /// What was asked.
        slot: SlotText,
        /// The last level that is signed here.
        stop: Level,
    },
    /// Same bytes, other scheme: that would be a second signature for one slot.
    #[error("{slot} is claimed under the {} scheme, asked under {} (digest {})",
        .claimed.name(), .asked.name(), .digest.short())]
    Scheme {
        /// What was asked.
        slot: SlotText,
        /// Scheme asked.
        asked: Scheme,
        /// Scheme claimed.
        claimed: Scheme,
        /// Digest of the bytes.
        digest: Digest,
    },
}

impl Refusal {
    /// The label of `watermark_refusals_total`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BelowFloor { .. } => "below-floor",
            Self::Conflict { .. } => "conflict",
            Self::NoWatermark { .. } => "no-watermark",
            Self::Scheme { .. } => "scheme",
            Self::Halted { .. } => "halted",
            Self::Stopped { .. } => "stopped",
        }
    }
}

/// A slot as error sentences print it: kind, level and round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotText(pub Slot);

impl fmt::Display for SlotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} of {}",
            self.0.stream.kind, self.0.position, self.0.stream.key
        )
    }
}

fn signed_by(row: &Row) -> String {
    match &row.record {
        Some(record) => format!(", signed through {} at {}", record.signer, record.at),
        None => ", no signature recorded".to_owned(),
    }
}

/// Decides on `candidate` given everything the store holds of its key and of its stream.
///
/// The order matters: the row of the slot first, because it is the only thing that can allow a
/// position at or below the floor, and only for the very bytes and scheme it names. What stands about
/// the key as a whole comes last: it turns a yes into a no, never the other way.
pub fn decide(
    account: Option<&AccountState>,
    state: Option<&StreamState>,
    candidate: &Candidate,
) -> Verdict {
    let verdict = decide_slot(state, candidate);
    match verdict {
        Verdict::Again { .. } | Verdict::Fresh => account
            .and_then(|account| account.forbids(SlotText(candidate.slot)))
            .map_or(verdict, Verdict::Refused),
        Verdict::Recorded(_) | Verdict::Refused(_) => verdict,
    }
}

fn decide_slot(state: Option<&StreamState>, candidate: &Candidate) -> Verdict {
    let Slot { stream, position } = candidate.slot;
    let Some(state) = state else {
        return Verdict::Refused(Refusal::NoWatermark {
            chain: stream.chain,
            key: stream.key,
            kind: stream.kind,
        });
    };
    let slot = SlotText(candidate.slot);
    if let Some(row) = state.rows.get(&position) {
        return if row.digest != candidate.digest {
            let row = Box::new(row.clone());
            Verdict::Refused(Refusal::Conflict {
                slot,
                asked: candidate.digest,
                row,
            })
        } else if row.scheme != candidate.scheme {
            Verdict::Refused(Refusal::Scheme {
                slot,
                asked: candidate.scheme,
                claimed: row.scheme,
                digest: candidate.digest,
            })
        } else if let Some(record) = &row.record {
            Verdict::Recorded(record.clone())
        } else {
            Verdict::Again {
                since: row.claimed_at,
            }
        };
    }
    if position > state.floor {
        Verdict::Fresh
    } else {
        let digest = candidate.digest;
        Verdict::Refused(Refusal::BelowFloor {
            slot,
            floor: state.floor,
            digest,
        })
    }
}
