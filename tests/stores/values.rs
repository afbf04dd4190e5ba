//! Slots and signatures with short names.

use jiff::Timestamp;
use signer_proxy::guard::{Account, Candidate, Raise, Record, Slot, Stream};
use signer_proxy::tezos::{
    ChainId, ConsensusKind, Curve, Level, Position, Round, Scheme, SecretKey, Signature, digest,
};

pub(crate) fn at(level: u32, round: u32) -> Position {
    Position::new(Level::new(level).unwrap(), Round::new(round).unwrap())
}

pub(crate) fn stream(kind: ConsensusKind) -> Stream {
    let secret = SecretKey::from_seed(Curve::Ed25519, &[1; 32]).unwrap();
    Stream {
        chain: ChainId::MAINNET,
        key: secret.public_key().hash(),
        kind,
    }
}

/// The key of every stream here.
pub(crate) fn account() -> Account {
    stream(ConsensusKind::Block).into()
}

/// An attestation of the payload `name`.
pub(crate) fn ask(level: u32, name: u8) -> Candidate {
    ask_kind(ConsensusKind::Attestation, at(level, 0), name)
}

pub(crate) fn ask_kind(kind: ConsensusKind, position: Position, name: u8) -> Candidate {
    Candidate {
        slot: Slot {
            stream: stream(kind),
            position,
        },
        digest: digest(&[name]),
        scheme: Scheme::Standard,
    }
}

pub(crate) fn record(fill: u8) -> Record {
    Record {
        signature: Signature::from_raw(vec![fill; 64]).unwrap(),
        signer: format!("signer-{fill}"),
        at: second(1_000),
    }
}

/// Floors of the three kinds of a baker.
pub(crate) fn floors(level: u32) -> Vec<Raise> {
    let kinds = [
        ConsensusKind::Block,
        ConsensusKind::Preattestation,
        ConsensusKind::Attestation,
    ];
    let raise = |kind| Raise {
        stream: stream(kind),
        floor: at(level, 0),
    };
    kinds.map(raise).to_vec()
}

pub(crate) fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Now, in whole milliseconds as stores keep it.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap()
}
