//! The edges of every layout. Captured payloads of real bakers are in `tests/vectors.rs`.

mod votes;

use proptest::prelude::*;

use super::*;
use crate::tezos::consensus::Level;

const CHAIN: [u8; 4] = [0x7a, 0x06, 0xa7, 0x70];

/// A block header at `level` and `round`, locked at `locked`.
fn block(level: i32, round: i32, locked: Option<i32>) -> Vec<u8> {
    let mut bytes = vec![0x11];
    bytes.extend(CHAIN);
    bytes.extend(level.to_be_bytes());
    bytes.extend([0xaa; 1 + 32 + 8 + 1 + 32]);
    bytes.extend(if locked.is_some() { 37_u32 } else { 33 }.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 2]);
    bytes.extend([0, 0, 0, 4]);
    bytes.extend(level.to_be_bytes());
    match locked {
        Some(locked) => {
            bytes.extend([0, 0, 0, 4]);
            bytes.extend(locked.to_be_bytes());
        }
        None => bytes.extend([0; 4]),
    }
    bytes.extend([0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]);
    bytes.extend([0, 0, 0, 4]);
    bytes.extend(round.to_be_bytes());
    bytes.extend([0xbb; 78]);
    bytes
}

fn vote(magic: u8, tag: u8, level: i32, round: i32, tail: &[u8]) -> Vec<u8> {
    let mut bytes = vec![magic];
    bytes.extend(CHAIN);
    bytes.extend([0xaa; 32]);
    bytes.push(tag);
    if tag < 0x20 {
        bytes.extend([0, 7]);
    }
    bytes.extend(level.to_be_bytes());
    bytes.extend(round.to_be_bytes());
    bytes.extend([0xbb; 32]);
    bytes.extend(tail);
    bytes
}

#[expect(clippy::unnecessary_wraps, reason = "compared with results")]
fn slot(kind: ConsensusKind, level: u32, round: u32) -> Result<Payload, PayloadError> {
    let position = Position {
        level: Level::new(level).unwrap(),
        round: Round::new(round).unwrap(),
    };
    Ok(Payload::Consensus(ConsensusPayload {
        chain: ChainId::MAINNET,
        kind,
        position,
    }))
}

fn decode(bytes: &[u8]) -> Result<Payload, PayloadError> {
    Payload::decode(Curve::Ed25519, bytes)
}

fn field_of(result: Result<Payload, PayloadError>) -> (&'static str, usize) {
    match result {
        Err(
            PayloadError::Field { field, offset, .. } | PayloadError::Truncated { field, offset },
        ) => (field, offset),
        other => panic!("no field is blamed: {other:?}"),
    }
}

#[test]
fn blocks_decode_with_and_without_a_locked_round_for_every_baking_curve() {
    for curve in [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls] {
        let kind = ConsensusKind::Block;
        assert_eq!(Payload::decode(curve, &block(5, 0, None)), slot(kind, 5, 0));
        assert_eq!(
            Payload::decode(curve, &block(i32::MAX, 1000, Some(999))),
            slot(kind, 0x7fff_ffff, 1000)
        );
    }
}

#[test]
fn a_block_may_be_longer_but_not_shorter() {
    let mut bytes = block(5, 0, None);
    assert_eq!(bytes.len(), 198);
    bytes.extend([0; 300]);
    assert_eq!(decode(&bytes), slot(ConsensusKind::Block, 5, 0));
    assert_eq!(field_of(decode(&bytes[..197])), ("block contents", 120));
}

#[test]
fn the_fitness_of_a_block_is_checked_to_its_end() {
    let good = block(5, 3, None);
    // Where to write, what, and the field that must be blamed with its offset.
    let cases: [(usize, &[u8], &str, usize); 12] = [
        (5, &[0x80, 0, 0, 5], "level", 5),
        (83, &[0, 0, 0, 34], "fitness length", 83),
        (83, &[0, 0, 0, 37], "locked round", 100),
        (87, &[0, 0, 0, 2], "fitness version", 87),
        (91, &[1], "fitness version", 91),
        (92, &[0, 0, 0, 5], "fitness level", 92),
        (96, &[0, 0, 0, 6], "fitness level", 96),
        (100, &[0, 0, 0, 4], "locked round", 100),
        (104, &[0, 0, 0, 3], "predecessor round", 104),
        (108, &[0, 0, 0, 0], "predecessor round", 108),
        (112, &[0, 0, 0, 8], "round", 112),
        (116, &[0xff, 0xff, 0xff, 0xff], "round", 116),
    ];
    for (at, patch, field, offset) in cases {
        let mut bytes = good.clone();
        bytes[at..at + patch.len()].copy_from_slice(patch);
        assert_eq!(field_of(decode(&bytes)), (field, offset), "patched at {at}");
    }
}

#[test]
fn rounds_above_a_thousand_are_refused() {
    assert_eq!(field_of(decode(&block(5, 1001, None))), ("round", 116));
    assert_eq!(
        field_of(decode(&vote(0x13, 0x15, 5, 1001, &[]))),
        ("round", 44)
    );
    let bls = Payload::decode(Curve::Bls, &vote(0x13, 0x29, 5, 1001, &[]));
    assert_eq!(field_of(bls), ("round", 42));
}

#[test]
fn a_locked_round_is_below_the_round() {
    assert_eq!(
        decode(&block(5, 3, Some(2))),
        slot(ConsensusKind::Block, 5, 3)
    );
    for locked in [3, 4, -1, i32::MIN] {
        assert_eq!(
            field_of(decode(&block(5, 3, Some(locked)))),
            ("locked round", 104),
            "{locked}"
        );
    }
}

#[test]
fn negative_levels_and_rounds_are_refused() {
    assert_eq!(
        field_of(decode(&vote(0x13, 0x15, -1, 2, &[]))),
        ("level", 40)
    );
    assert_eq!(
        field_of(decode(&vote(0x13, 0x15, 9, -1, &[]))),
        ("round", 44)
    );
    assert_eq!(field_of(decode(&block(-1, 2, None))), ("level", 5));
}

#[test]
fn legacy_payloads_have_a_level_only() {
    let mut endorsement = vec![0x02];
    endorsement.extend(CHAIN);
    endorsement.extend([0xaa; 32]);
    endorsement.extend([0, 0, 0, 0, 9]);
    assert_eq!(endorsement.len(), 42);
    assert_eq!(
        decode(&endorsement),
        slot(ConsensusKind::LegacyEndorsement, 9, 0)
    );
    assert_eq!(field_of(decode(&endorsement[..41])), ("level", 38));
    endorsement.push(0);
    assert_eq!(
        decode(&endorsement),
        Err(PayloadError::TooLong {
            offset: 42,
            extra: 1
        })
    );
    endorsement[37] = 1;
    assert_eq!(field_of(decode(&endorsement)), ("operation tag", 37));

    let mut block = vec![0x01];
    block.extend(CHAIN);
    block.extend([0, 0, 0, 9]);
    assert_eq!(field_of(decode(&block)), ("block contents", 9));
    block.extend([0xaa; 121]);
    assert_eq!(decode(&block), slot(ConsensusKind::LegacyBlock, 9, 0));
    block[5] = 0xff;
    assert_eq!(field_of(decode(&block)), ("level", 5));
}

#[test]
fn tz5_keys_sign_nothing_that_looks_like_consensus() {
    let curve = Curve::MlDsa;
    for kind in ConsensusKind::ALL {
        let error = PayloadError::CurveWithoutConsensus { curve, kind };
        assert_eq!(Payload::decode(curve, &[kind.magic()]), Err(error));
    }
    assert_eq!(
        Payload::decode(curve, &[0x03, 1]),
        Ok(Payload::Other { magic: 0x03 })
    );
}

#[test]
fn everything_else_is_other_by_its_first_byte() {
    assert_eq!(decode(&[]), Err(PayloadError::Empty));
    for magic in (0..=u8::MAX).filter(|byte| ![0x01, 0x02, 0x11, 0x12, 0x13].contains(byte)) {
        assert_eq!(decode(&[magic]), Ok(Payload::Other { magic }));
    }
}

#[test]
fn errors_say_where() {
    assert_eq!(
        decode(&vote(0x13, 0x15, -1, 2, &[]))
            .unwrap_err()
            .to_string(),
        "level at byte 40 is negative"
    );
    assert_eq!(
        decode(&vote(0x13, 0x2a, 9, 2, &[]))
            .unwrap_err()
            .to_string(),
        "unknown vote tag 0x2a at byte 37"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        magic in prop_oneof![Just(0x01), Just(0x02), Just(0x11), Just(0x12), Just(0x13), any::<u8>()],
        rest in prop::collection::vec(any::<u8>(), 0..700),
        curve in 0_u8..5,
        tag in any::<u8>(),
        level_offset in any::<usize>(),
    ) {
        let bytes = [&[magic][..], &rest].concat();
        let curve = Curve::from_tag(curve).unwrap();
        let layouts = [VoteLayout { tag, level_offset }];
        let first = Payload::decode_with(curve, &bytes, &layouts);
        prop_assert_eq!(first, Payload::decode_with(curve, &bytes, &layouts));
    }

    #[test]
    fn a_well_formed_block_decodes_to_its_position(level in 0..=i32::MAX, round in 0..=1000_i32) {
        prop_assert_eq!(
            decode(&block(level, round, None)),
            slot(ConsensusKind::Block, level.unsigned_abs(), round.unsigned_abs())
        );
    }

    #[test]
    fn a_well_formed_vote_decodes_to_its_position(level in 0..=i32::MAX, round in 0..=1000_i32) {
        prop_assert_eq!(
            decode(&vote(0x13, 0x15, level, round, &[])),
            slot(ConsensusKind::Attestation, level.unsigned_abs(), round.unsigned_abs())
        );
    }
}
