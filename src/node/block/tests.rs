//! Samples in the form that Octez nodes of the protocols since Ithaca answer with, for keys of the fixture.

mod header;

use serde_json::{Value, json};

use crate::fixture::{at, secret};
use crate::tezos::Curve;

use super::ConsensusKind::{Attestation, Preattestation};
use super::*;

const BLOCK: &str = "BMABzWp5Y3iSJRaCkWVwsPKXVZ1iCwB94dB7GfKsigahQ3v5Czc";
const BEFORE: &str = "BLwNFCbHuF21bF4S9KybZd52si5QQG6k29mQTshbY7fVnehrxbh";
const PAYLOAD: &str = "vh2TyrWeZ2dydEy9ZjmvrjQvyCs5sdHZPypcZrXDUSM1tNuPermf";

/// A key of ours.
fn mine(curve: Curve) -> PublicKeyHash {
    secret(curve, 1).public_key().hash()
}

/// Somebody else's.
fn other(curve: Curve) -> PublicKeyHash {
    secret(curve, 9).public_key().hash()
}

fn ours() -> Ours {
    [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls]
        .map(mine)
        .into_iter()
        .collect()
}

fn seen(key: PublicKeyHash, delegate: PublicKeyHash, kind: ConsensusKind, place: Position) -> Seen {
    Seen {
        key,
        delegate: delegate.to_string(),
        kind,
        position: place,
        block: BLOCK.to_owned(),
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn operation(contents: &Value) -> Value {
    json!({
        "protocol": "PtTALLiNtPec7mE7yY4m3k26J8Qukef3E3ehzhfXgFZKGtDdAXu",
        "chain_id": "NetXdQprcVkpaWU",
        "hash": "ooqgVxC8XDYHXSnznWSdkXktgUaA2PZdUs4azRbco9i6fhiY1ui",
        "branch": BEFORE,
        "contents": [contents],
        "signature": "sig"
    })
}

fn vote(kind: &str, metadata: &Value) -> Value {
    operation(&json!({
        "kind": kind,
        "slot": 7,
        "level": 11_680_081,
        "round": 2,
        "block_payload_hash": PAYLOAD,
        "metadata": metadata
    }))
}

fn votes(operations: &[Value]) -> Votes {
    read_votes(
        &bytes(&json!(operations)),
        at(11_680_082, 0).level,
        BLOCK,
        &ours(),
    )
    .unwrap()
}

#[test]
fn single_votes_of_every_name_and_age_are_read() {
    let place = at(11_680_081, 2);
    let (tz2, tz3) = (mine(Curve::Secp256k1), mine(Curve::P256));
    let foreign = other(Curve::Ed25519);
    for (kind, expected) in [
        ("attestation", Attestation),
        ("attestation_with_dal", Attestation),
        ("endorsement", Attestation),
        ("endorsement_with_dal", Attestation),
        ("preattestation", Preattestation),
        ("preendorsement", Preattestation),
    ] {
        for (metadata, key, delegate) in [
            (
                json!({"delegate": tz2, "consensus_power": 12, "consensus_key": tz2}),
                tz2,
                tz2,
            ),
            (
                json!({"balance_updates": [], "delegate": foreign,
                       "consensus_power": {"slots": 3, "baking_power": "12345678901234567890"},
                       "consensus_key": tz3}),
                tz3,
                foreign,
            ),
            (json!({"delegate": tz2, "endorsement_power": 3}), tz2, tz2),
        ] {
            let read = votes(&[vote(kind, &metadata)]);
            let expected = Votes {
                seen: vec![seen(key, delegate, expected, place)],
                unread: 0,
            };
            assert_eq!(read, expected, "{kind} {metadata}");
        }
        let metadata = json!({"delegate": tz2, "consensus_key": foreign});
        assert_eq!(votes(&[vote(kind, &metadata)]), Votes::default(), "{kind}");
    }
}

#[test]
fn a_vote_of_a_level_above_its_block_is_not_read() {
    let metadata = json!({"delegate": mine(Curve::P256)});
    let body = bytes(&json!([vote("preattestation", &metadata)]));
    for (level, expected) in [(11_680_081, 0), (11_680_080, 1)] {
        let votes = read_votes(&body, at(level, 0).level, BLOCK, &ours()).unwrap();
        assert_eq!((votes.seen.len(), votes.unread), (1 - expected, expected));
    }
}

#[test]
fn every_member_of_an_aggregate_has_signed() {
    let place = at(11_680_081, 2);
    let (tz4, foreign) = (mine(Curve::Bls), other(Curve::Bls));
    let member = |delegate: PublicKeyHash, key: PublicKeyHash, power: Value| json!({"delegate": delegate, "consensus_pkh": key, "consensus_power": power});
    let content = json!({"level": 11_680_081, "round": 2, "block_payload_hash": PAYLOAD});
    let committee = json!([
        member(foreign, foreign, json!(1435)),
        member(
            mine(Curve::Ed25519),
            tz4,
            json!({"slots": 47, "baking_power": "2038150029478"})
        ),
        // The baker is ours, the key is not.
        member(mine(Curve::P256), foreign, json!(1)),
    ]);
    for (kind, members, expected) in [
        (
            "attestations_aggregate",
            json!([{"slot": 0, "dal_attestation": "0"}, {"slot": 4}, {"slot": 15}]),
            Attestation,
        ),
        (
            "preattestations_aggregate",
            json!([0, 3, 4]),
            Preattestation,
        ),
    ] {
        let aggregate = operation(&json!({
            "kind": kind,
            "consensus_content": content,
            "committee": members,
            "metadata": {"committee": committee, "total_consensus_power": 1483}
        }));
        let read = votes(&[aggregate]);
        let expected = Votes {
            seen: vec![seen(tz4, mine(Curve::Ed25519), expected, place)],
            unread: 0,
        };
        assert_eq!(read, expected, "{kind}");
    }
}

#[test]
fn what_does_not_say_who_signed_is_counted_and_hides_nothing_else() {
    let place = at(11_680_081, 2);
    let tz1 = mine(Curve::Ed25519);
    let content = json!({"level": 5, "round": 0});
    let mut pruned = vote("attestation", &json!(null));
    let aggregate = |metadata: Value| {
        operation(
            &json!({"kind": "attestations_aggregate", "consensus_content": content,
                          "committee": [], "metadata": metadata}),
        )
    };
    let mut large = vote("attestation", &json!(null));
    large["metadata"] = json!("too large");
    let mut opaque = vote("attestation", &json!(null));
    opaque.as_object_mut().unwrap().remove("contents");
    pruned["contents"][0]
        .as_object_mut()
        .unwrap()
        .remove("metadata");
    let read = votes(&[
        pruned,
        large,
        opaque,
        aggregate(json!({})),
        aggregate(json!(null)),
        operation(&json!({"kind": "attestation_of_tomorrow", "level": {"era": 2}})),
        vote(
            "attestation",
            &json!({"delegate": tz1, "consensus_key": tz1}),
        ),
    ]);
    let expected = Votes {
        seen: vec![seen(tz1, tz1, Attestation, place)],
        unread: 6,
    };
    assert_eq!(read, expected);
}

#[test]
fn votes_without_a_place_or_with_an_impossible_one_are_not_read() {
    let good = vote("attestation", &json!({"delegate": mine(Curve::P256)}));
    for (field, value) in [
        ("level", json!(-5)),
        ("level", json!("5")),
        ("round", json!(-1)),
        ("round", json!(4_294_967_296_u64)),
        ("metadata", json!({"consensus_key": mine(Curve::P256)})),
        ("metadata", json!({"delegate": 5})),
        ("kind", json!(13)),
    ] {
        let mut bad = good.clone();
        bad["contents"][0][field] = value.clone();
        let read = read_votes(
            &bytes(&json!([bad])),
            at(11_680_082, 0).level,
            BLOCK,
            &ours(),
        );
        assert!(matches!(read, Err(Unreadable::Json(_))), "{field} {value}");
        let mut bad = good.clone();
        bad["contents"][0].as_object_mut().unwrap().remove(field);
        let read = read_votes(
            &bytes(&json!([bad])),
            at(11_680_082, 0).level,
            BLOCK,
            &ours(),
        );
        assert_eq!(read.is_err(), field != "metadata", "{field}");
    }
    for text in ["", "{}", "[5]", "null", "[{\"contents\":5}]"] {
        assert!(
            read_votes(text.as_bytes(), at(11_680_082, 0).level, BLOCK, &ours()).is_err(),
            "{text}"
        );
    }
    assert_eq!(votes(&[]), Votes::default());
}

#[test]
fn the_companion_key_is_the_active_one() {
    let (tz4, foreign) = (mine(Curve::Bls), other(Curve::Bls));
    let next = json!([{"cycle": 1130, "pkh": tz4, "pk": "BLpk"}]);
    for (answer, expected) in [
        (json!({"active": {"pkh": tz4, "pk": "BLpk"}}), Some(tz4)),
        (
            json!({"active": {"pkh": foreign, "pk": "BLpk"}, "pendings": next}),
            None,
        ),
        (json!({"active": null, "pendings": next}), None),
    ] {
        let read = read_companion(&bytes(&answer), &ours()).unwrap();
        assert_eq!(read, expected, "{answer}");
    }
    assert!(read_companion(b"[]", &ours()).is_err());
}

#[test]
fn any_cut_of_an_answer_is_an_error_and_never_half_read() {
    let tz1 = json!({"delegate": mine(Curve::Ed25519)});
    let whole = bytes(&json!([
        vote("attestation", &tz1),
        vote("preattestation", &tz1)
    ]));
    for end in 0..whole.len() {
        assert!(
            read_votes(&whole[..end], at(11_680_082, 0).level, BLOCK, &ours()).is_err(),
            "{end}"
        );
    }
    assert_eq!(
        read_votes(&whole, at(11_680_082, 0).level, BLOCK, &ours())
            .unwrap()
            .seen
            .len(),
        2
    );
}
