//! The JSON of a node, cut to the fields that are used. Everything else in it is passed over unread.
//!
//! The names are those of the protocols from Ithaca on, the older ones as aliases.

use jiff::Timestamp;
use serde::Deserialize;

use crate::tezos::{ChainId, ConsensusKind, Level, Position, Round};

#[derive(Deserialize)]
pub(super) struct RawHeader {
    pub(super) hash: String,
    pub(super) predecessor: String,
    pub(super) chain_id: ChainId,
    pub(super) level: Level,
    pub(super) timestamp: Timestamp,
    pub(super) fitness: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct RawMetadata {
    pub(super) baker: String,
    #[serde(default)]
    pub(super) baker_consensus_key: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RawOperation {
    #[serde(default)]
    pub(super) contents: Option<Vec<Content>>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Content {
    #[serde(
        alias = "attestation_with_dal",
        alias = "endorsement",
        alias = "endorsement_with_dal"
    )]
    Attestation(Vote),
    #[serde(alias = "preendorsement")]
    Preattestation(Vote),
    AttestationsAggregate(Aggregate),
    PreattestationsAggregate(Aggregate),
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
pub(super) struct Place {
    pub(super) level: Level,
    pub(super) round: u32,
}

#[derive(Deserialize)]
pub(super) struct Vote {
    #[serde(flatten)]
    pub(super) place: Place,
    #[serde(default)]
    pub(super) metadata: Option<Signer>,
}

#[derive(Deserialize)]
pub(super) struct Aggregate {
    pub(super) consensus_content: Place,
    #[serde(default)]
    pub(super) metadata: Option<Committee>,
}

#[derive(Deserialize)]
pub(super) struct Committee {
    #[serde(default)]
    pub(super) committee: Option<Vec<Signer>>,
}

#[derive(Deserialize)]
pub(super) struct RawCompanion {
    pub(super) active: Option<ActiveKey>,
}

#[derive(Deserialize)]
pub(super) struct ActiveKey {
    pub(super) pkh: String,
}

#[derive(Deserialize)]
pub(super) struct Signer {
    pub(super) delegate: String,
    #[serde(default, alias = "consensus_pkh")]
    pub(super) consensus_key: Option<String>,
}

impl Place {
    fn position(&self) -> Position {
        Position::new(self.level, clamped(self.round))
    }
}

/// What was signed, and by whom if that is said.
pub(super) type Signed = (ConsensusKind, Position, Option<Vec<Signer>>);

impl Vote {
    pub(super) fn read(self, kind: ConsensusKind) -> Signed {
        let signers = self.metadata.map(|signer| vec![signer]);
        (kind, self.place.position(), signers)
    }
}

impl Aggregate {
    pub(super) fn read(self, kind: ConsensusKind) -> Signed {
        let signers = self.metadata.and_then(|metadata| metadata.committee);
        (kind, self.consensus_content.position(), signers)
    }
}

/// A round above what this program signs bars no less than the highest that it does.
pub(super) fn clamped(round: u32) -> Round {
    Round::new(round).unwrap_or(Round::MAX)
}
