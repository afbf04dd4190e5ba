//! Watermarks as octez-signer and as a Ledger keep them.

use super::*;
use crate::tezos::{Curve, Level, Round, digest};

fn key(fill: u8) -> PublicKeyHash {
    let mut tagged = [fill; 21];
    tagged[0] = Curve::Ed25519.tag();
    PublicKeyHash::from_tagged(&tagged).unwrap()
}

fn payload(kind: ConsensusKind, level: u32, round: u32) -> ConsensusPayload {
    let position = Position {
        level: Level::new(level).unwrap(),
        round: Round::new(round).unwrap(),
    };
    ConsensusPayload {
        chain: ChainId::MAINNET,
        kind,
        position,
    }
}

fn signature(fill: u8) -> Signature {
    Signature::from_raw(vec![fill; 64]).unwrap()
}

/// Marks of one key that has signed an attestation at level 10, round 2, with digest of "a".
fn marks() -> Watermarks {
    let mut marks = Watermarks::default();
    marks.raise(
        key(1),
        &payload(ConsensusKind::Attestation, 10, 2),
        digest(b"a"),
        &signature(7),
    );
    marks
}

fn decide(rule: Rule, kind: ConsensusKind, level: u32, round: u32, bytes: &[u8]) -> Decision {
    marks().decide(rule, key(1), &payload(kind, level, round), &digest(bytes))
}

fn refused(sentence: &str) -> Decision {
    Decision::Refuse(sentence.to_owned())
}

#[test]
fn octez_rule_answers_as_its_table_says() {
    let table = [
        (11, 0, b"b", Decision::Sign),
        (10, 3, b"b", Decision::Sign),
        (10, 2, b"a", Decision::Replay(signature(7))),
        (
            10,
            2,
            b"b",
            refused("attestation level 10 and round 2 already signed with different data"),
        ),
        (
            10,
            1,
            b"a",
            refused("attestation level 10 and round 1 not above high watermark (10,2)"),
        ),
        (
            9,
            5,
            b"a",
            refused("attestation level 9 below high watermark 10"),
        ),
    ];
    for (level, round, bytes, expected) in table {
        let got = decide(Rule::Octez, ConsensusKind::Attestation, level, round, bytes);
        assert_eq!(got, expected, "level {level} round {round}");
    }
}

#[test]
fn kinds_keys_and_chains_have_marks_of_their_own() {
    for kind in [
        ConsensusKind::Block,
        ConsensusKind::Preattestation,
        ConsensusKind::LegacyEndorsement,
    ] {
        assert_eq!(
            decide(Rule::Octez, kind, 1, 0, b"b"),
            Decision::Sign,
            "{kind}"
        );
    }
    let low = payload(ConsensusKind::Attestation, 1, 0);
    assert_eq!(
        marks().decide(Rule::Octez, key(2), &low, &digest(b"b")),
        Decision::Sign
    );
    let elsewhere = ConsensusPayload {
        chain: "NetXo5iVw1vBoxM".parse().unwrap(),
        ..low
    };
    assert_eq!(
        marks().decide(Rule::Octez, key(1), &elsewhere, &digest(b"b")),
        Decision::Sign
    );
}

#[test]
fn a_legacy_block_shares_the_mark_of_blocks_and_its_sentence_has_no_round() {
    let mut marks = Watermarks::default();
    marks.raise(
        key(1),
        &payload(ConsensusKind::LegacyBlock, 10, 0),
        digest(b"a"),
        &signature(7),
    );
    let other = marks.decide(
        Rule::Octez,
        key(1),
        &payload(ConsensusKind::LegacyBlock, 10, 0),
        &digest(b"b"),
    );
    assert_eq!(
        other,
        refused("block level 10 already signed with different data")
    );
    let block = marks.decide(
        Rule::Octez,
        key(1),
        &payload(ConsensusKind::Block, 9, 0),
        &digest(b"b"),
    );
    assert_eq!(block, refused("block level 9 below high watermark 10"));
}

#[test]
fn a_device_that_refuses_repeats_refuses_only_them() {
    let attestation = ConsensusKind::Attestation;
    assert_eq!(
        decide(Rule::RefuseRepeats, attestation, 10, 2, b"a"),
        refused(LEDGER_REFUSAL)
    );
    assert_eq!(
        decide(Rule::RefuseRepeats, attestation, 10, 3, b"a"),
        Decision::Sign
    );
}

#[test]
fn a_shared_watermark_orders_block_preattestation_attestation_within_a_round() {
    let order = [
        ConsensusKind::Block,
        ConsensusKind::Preattestation,
        ConsensusKind::Attestation,
    ];
    for (at, signed) in order.into_iter().enumerate() {
        for (asked_at, asked) in order.into_iter().enumerate() {
            let mut marks = Watermarks::default();
            marks.raise(key(1), &payload(signed, 10, 2), digest(b"a"), &signature(7));
            let got = marks.decide(Rule::Shared, key(1), &payload(asked, 10, 2), &digest(b"a"));
            let expected = if at < asked_at {
                Decision::Sign
            } else {
                refused(LEDGER_REFUSAL)
            };
            assert_eq!(got, expected, "{asked} after {signed}");
        }
    }
    assert_eq!(
        decide(Rule::Shared, ConsensusKind::Block, 10, 3, b"b"),
        Decision::Sign
    );
    assert_eq!(
        decide(Rule::Shared, ConsensusKind::Block, 10, 1, b"b"),
        refused(LEDGER_REFUSAL)
    );
}

#[test]
fn without_a_watermark_everything_is_signed_and_marks_do_not_fall() {
    assert_eq!(
        decide(Rule::Off, ConsensusKind::Attestation, 1, 0, b"b"),
        Decision::Sign
    );
    let mut marks = marks();
    marks.raise(
        key(1),
        &payload(ConsensusKind::Attestation, 1, 0),
        digest(b"b"),
        &signature(8),
    );
    let low = payload(ConsensusKind::Attestation, 2, 0);
    for rule in [Rule::Octez, Rule::Shared] {
        let got = marks.decide(rule, key(1), &low, &digest(b"c"));
        assert!(
            matches!(got, Decision::Refuse(_)),
            "{rule:?} answered {got:?}"
        );
    }
}
