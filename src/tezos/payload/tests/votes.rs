//! Tags, layouts and lengths of votes.

use super::*;

const SLOTTED: [Curve; 3] = [Curve::Ed25519, Curve::Secp256k1, Curve::P256];

#[test]
fn votes_decode_in_the_layout_of_their_curve() {
    let (pre, att) = (ConsensusKind::Preattestation, ConsensusKind::Attestation);
    for curve in SLOTTED {
        assert_eq!(
            Payload::decode(curve, &vote(0x12, 0x14, 9, 2, &[])),
            slot(pre, 9, 2)
        );
        assert_eq!(
            Payload::decode(curve, &vote(0x13, 0x15, 9, 2, &[])),
            slot(att, 9, 2)
        );
        assert_eq!(
            Payload::decode(curve, &vote(0x13, 0x17, 9, 2, &[0])),
            slot(att, 9, 2)
        );
        for (magic, tag) in [(0x12, 0x28), (0x13, 0x29)] {
            let error = PayloadError::VoteTagOfOtherCurve { curve, tag };
            assert_eq!(
                Payload::decode(curve, &vote(magic, tag, 9, 2, &[])),
                Err(error)
            );
        }
    }
    let curve = Curve::Bls;
    assert_eq!(
        Payload::decode(curve, &vote(0x12, 0x28, 9, 2, &[])),
        slot(pre, 9, 2)
    );
    assert_eq!(
        Payload::decode(curve, &vote(0x13, 0x29, 9, 2, &[])),
        slot(att, 9, 2)
    );
    for (magic, tag) in [(0x12, 0x14), (0x13, 0x15), (0x13, 0x17)] {
        let error = PayloadError::VoteTagOfOtherCurve { curve, tag };
        assert_eq!(
            Payload::decode(curve, &vote(magic, tag, 9, 2, &[0])),
            Err(error)
        );
    }
}

#[test]
fn the_tag_of_a_vote_belongs_to_its_first_byte() {
    for (magic, tag) in [
        (0x12, 0x15),
        (0x12, 0x17),
        (0x12, 0x29),
        (0x13, 0x14),
        (0x13, 0x28),
    ] {
        let kind = ConsensusKind::from_code(magic).unwrap();
        let error = PayloadError::VoteTagOfOtherKind { kind, tag };
        assert_eq!(decode(&vote(magic, tag, 9, 2, &[])), Err(error));
    }
}

#[test]
fn an_unknown_vote_tag_has_its_own_error() {
    for magic in [0x12, 0x13] {
        for tag in (0..=u8::MAX).filter(|tag| ![0x14, 0x15, 0x17, 0x28, 0x29].contains(tag)) {
            assert_eq!(
                decode(&vote(magic, tag, 9, 2, &[])),
                Err(PayloadError::UnknownVoteTag { tag })
            );
        }
    }
}

#[test]
fn a_given_layout_makes_an_unknown_tag_known() {
    let layouts = [
        VoteLayout {
            tag: 0x40,
            level_offset: 38,
        },
        VoteLayout {
            tag: 0x15,
            level_offset: 44,
        },
    ];
    let decode = |bytes: &[u8]| Payload::decode_with(Curve::Ed25519, bytes, &layouts);
    assert_eq!(
        decode(&vote(0x13, 0x40, 9, 2, &[1; 512])),
        slot(ConsensusKind::Attestation, 9, 2)
    );
    assert_eq!(
        decode(&vote(0x13, 0x40, 9, 2, &[1; 513])),
        Err(PayloadError::TooLong {
            offset: 590,
            extra: 1
        })
    );
    assert_eq!(
        field_of(decode(&vote(0x13, 0x40, 9, 2, &[])[..77])),
        ("payload hash", 46)
    );
    // Known tags keep their layout.
    assert_eq!(
        decode(&vote(0x13, 0x15, 9, 2, &[])),
        slot(ConsensusKind::Attestation, 9, 2)
    );
    assert_eq!(
        decode(&vote(0x13, 0x41, 9, 2, &[])),
        Err(PayloadError::UnknownVoteTag { tag: 0x41 })
    );
}

#[test]
fn a_layout_whose_level_lies_before_the_tag_is_no_layout() {
    let layouts = [VoteLayout {
        tag: 0x40,
        level_offset: 37,
    }];
    let result = Payload::decode_with(Curve::Ed25519, &vote(0x13, 0x40, 9, 2, &[]), &layouts);
    assert_eq!(result, Err(PayloadError::UnknownVoteTag { tag: 0x40 }));
}

#[test]
fn votes_have_exact_lengths() {
    assert_eq!(
        decode(&vote(0x13, 0x15, 9, 2, &[0])),
        Err(PayloadError::TooLong {
            offset: 80,
            extra: 1
        })
    );
    assert_eq!(
        Payload::decode(Curve::Bls, &vote(0x12, 0x28, 9, 2, &[0])),
        Err(PayloadError::TooLong {
            offset: 78,
            extra: 1
        })
    );
    assert_eq!(
        field_of(decode(&vote(0x13, 0x17, 9, 2, &[]))),
        ("attested slots", 80)
    );
    assert_eq!(
        decode(&vote(0x13, 0x17, 9, 2, &[1; 512])),
        slot(ConsensusKind::Attestation, 9, 2)
    );
    assert_eq!(
        decode(&vote(0x13, 0x17, 9, 2, &[1; 514])),
        Err(PayloadError::TooLong {
            offset: 592,
            extra: 2
        })
    );
}
