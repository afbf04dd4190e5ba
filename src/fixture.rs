//! Values that many unit tests need: keys, slots and signatures with short names.
//!
//! Secret keys are made from fixed seeds, so equal names give equal values in every test.

mod store;

use std::sync::LazyLock;

use jiff::Timestamp;

use crate::guard::{Candidate, Raise, Record, Slot, Stream};
use crate::tezos::{
    ChainId, ConsensusKind, Curve, Digest, Level, Position, PublicKeyHash, Round, Scheme,
    SecretKey, Signature, digest,
};

pub(crate) use store::BookStore;

/// The secret key number `nth` of a curve.
pub(crate) fn secret(curve: Curve, nth: u8) -> SecretKey {
    SecretKey::from_seed(curve, &[nth; 32]).unwrap()
}

/// The hash of the tz1 key number 1.
pub(crate) fn key() -> PublicKeyHash {
    static KEY: LazyLock<PublicKeyHash> =
        LazyLock::new(|| secret(Curve::Ed25519, 1).public_key().hash());
    *KEY
}

pub(crate) fn at(level: u32, round: u32) -> Position {
    Position::new(Level::new(level).unwrap(), Round::new(round).unwrap())
}

/// The stream of [`key`] and `kind` on mainnet.
pub(crate) fn stream(kind: ConsensusKind) -> Stream {
    Stream {
        chain: ChainId::MAINNET,
        key: key(),
        kind,
    }
}

/// The digest of the payload that `name` stands for.
pub(crate) fn bytes(name: u8) -> Digest {
    digest(&[name])
}

/// An attestation of [`key`] over the payload `name`.
pub(crate) fn ask(position: Position, name: u8) -> Candidate {
    ask_kind(ConsensusKind::Attestation, position, name)
}

pub(crate) fn ask_kind(kind: ConsensusKind, position: Position, name: u8) -> Candidate {
    Candidate {
        slot: Slot {
            stream: stream(kind),
            position,
        },
        digest: bytes(name),
        scheme: Scheme::Standard,
    }
}

/// A signature that verifies nowhere; only its bytes matter.
pub(crate) fn signature(fill: u8) -> Signature {
    Signature::from_raw(vec![fill; 64]).unwrap()
}

pub(crate) fn record(fill: u8) -> Record {
    Record {
        signature: signature(fill),
        signer: format!("signer-{fill}"),
        at: second(1_000),
    }
}

pub(crate) fn raise(kind: ConsensusKind, floor: Position) -> Raise {
    Raise {
        stream: stream(kind),
        floor,
    }
}

pub(crate) fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// How many cases a random test tries: `CASES` in the environment, or what is usual for it.
pub(crate) fn cases(usual: u32) -> u32 {
    let wanted = std::env::var("CASES").ok();
    wanted.map_or(usual, |cases| cases.parse().unwrap())
}

/// A folder on the disk of the build, which ends with the value.
pub(crate) fn folder() -> tempfile::TempDir {
    std::fs::create_dir_all("target").unwrap();
    tempfile::tempdir_in("target").unwrap()
}

/// An attestation of mainnet as bakers send it, in the layout of the key's curve.
pub(crate) fn attestation(curve: Curve, position: Position, name: u8) -> Vec<u8> {
    let mut bytes = vec![0x13];
    bytes.extend(ChainId::MAINNET.bytes());
    bytes.extend([name; 32]);
    match curve {
        Curve::Bls => bytes.push(0x29),
        Curve::Ed25519 | Curve::Secp256k1 | Curve::P256 | Curve::MlDsa => {
            bytes.extend([0x15, 0, 7]);
        }
    }
    bytes.extend(position.level.get().to_be_bytes());
    bytes.extend(position.round.get().to_be_bytes());
    bytes.extend([0xbb; 32]);
    bytes
}

/// A block header of mainnet.
pub(crate) fn block(position: Position, name: u8) -> Vec<u8> {
    let level = position.level.get().to_be_bytes();
    let mut bytes = vec![0x11];
    bytes.extend(ChainId::MAINNET.bytes());
    bytes.extend(level);
    bytes.extend([name; 74]);
    bytes.extend(33_u32.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 2, 0, 0, 0, 4]);
    bytes.extend(level);
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 4]);
    bytes.extend(position.round.get().to_be_bytes());
    bytes.extend([0xbb; 78]);
    bytes
}

/// The log lines, without time and level colours, that `run` leaves on this thread.
pub(crate) fn logged(run: impl FnOnce()) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let writer = std::sync::Mutex::new(file.reopen().unwrap());
    let subscriber = tracing_subscriber::fmt()
        .with_writer(writer)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .finish();
    tracing::subscriber::with_default(subscriber, run);
    let text = std::fs::read_to_string(file.path()).unwrap();
    text.lines().map(|line| line.trim().to_owned()).collect()
}
