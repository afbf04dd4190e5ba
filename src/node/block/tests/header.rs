//! Headers and who made a block.

use serde_json::{Value, json};

use crate::fixture::at;
use crate::tezos::{ConsensusKind::Block, Curve};

use super::super::*;
use super::{BEFORE, BLOCK, PAYLOAD, bytes, mine, other, ours, seen};

fn header(change: &Value) -> Value {
    let mut header = json!({
        "protocol": "PtTALLiNtPec7mE7yY4m3k26J8Qukef3E3ehzhfXgFZKGtDdAXu",
        "chain_id": "NetXdQprcVkpaWU",
        "hash": BLOCK,
        "level": 11_680_082,
        "proto": 24,
        "predecessor": BEFORE,
        "timestamp": "2026-02-21T09:41:07Z",
        "validation_pass": 4,
        "operations_hash": "LLoaQsJwVveSXqAVHg9CgxVe4cJ2ChCKxmjRJYcS7AfpeeWQjwD68",
        "fitness": ["02", "00b23952", "", "ffffffff", "00000003"],
        "context": "CoV14gweYikebwoopTDJt8H5uHhswexiMVSx1ufLV1YcckNFTSL7",
        "payload_hash": PAYLOAD,
        "payload_round": 1,
        "proof_of_work_nonce": "60afd4da00000000",
        "liquidity_baking_toggle_vote": "pass",
        "signature": "sig"
    });
    for (name, value) in change.as_object().unwrap() {
        header[name] = value.clone();
    }
    header
}

#[test]
fn a_header_says_where_the_block_stands_and_its_round_is_that_of_the_fitness() {
    let read = read_header(&bytes(&header(&json!({})))).unwrap();
    let expected = Header {
        hash: BLOCK.to_owned(),
        predecessor: BEFORE.to_owned(),
        chain: ChainId::MAINNET,
        level: at(11_680_082, 0).level,
        at: "2026-02-21T09:41:07Z".parse().unwrap(),
        round: Round::new(3),
    };
    assert_eq!(read, expected);
    let locked = json!({"fitness": ["02", "00b23952", "00000002", "fffffffe", "00000004"]});
    let read = read_header(&bytes(&header(&locked))).unwrap();
    assert_eq!(read.round, Round::new(4));
    let far = json!({"fitness": ["02", "00b23952", "", "ffffffff", "000007d0"]});
    let read = read_header(&bytes(&header(&far))).unwrap();
    assert_eq!(read.round, Some(Round::MAX));
}

#[test]
fn a_block_that_no_baker_made_has_no_round() {
    for fitness in [
        json!([]),
        json!(["01", "0000000000000001"]),
        json!(["01", "00b23952", "", "ffffffff", "00000003"]),
    ] {
        let read = read_header(&bytes(&header(&json!({"fitness": fitness})))).unwrap();
        assert_eq!(read.round, None, "{fitness}");
    }
}

#[test]
fn a_header_that_contradicts_itself_or_is_none_is_not_read() {
    for (change, problem) in [
        (
            json!({"fitness": ["02", "00b23951", "", "ffffffff", "00000000"]}),
            "does not fit its level",
        ),
        (
            json!({"fitness": ["02", "00b23952", "", "ffffffff", "0"]}),
            "does not fit its level",
        ),
        (
            json!({"fitness": ["02", "00b23952", "", "ffffffff", "+0000000"]}),
            "does not fit its level",
        ),
        (json!({"fitness": "02"}), "invalid type"),
        (
            json!({"hash": "../../../injection/operation"}),
            "no block hash",
        ),
        (json!({"predecessor": ""}), "no block hash"),
        (json!({"predecessor": "B".repeat(65)}), "no block hash"),
        (json!({"level": -1}), "invalid value"),
        (json!({"level": 2_147_483_648_u32}), "above the limit"),
        (json!({"level": "5"}), "invalid type"),
        (json!({"chain_id": "NetX"}), "chain id"),
        (json!({"timestamp": 5}), "invalid type"),
    ] {
        let error = read_header(&bytes(&header(&change)))
            .unwrap_err()
            .to_string();
        assert!(error.contains(problem), "{change}: {error}");
    }
    for field in [
        "hash",
        "predecessor",
        "chain_id",
        "level",
        "timestamp",
        "fitness",
    ] {
        let mut header = header(&json!({}));
        header.as_object_mut().unwrap().remove(field);
        let error = read_header(&bytes(&header)).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
    for text in ["", "null", "[]", "\"moved\"", "<html>"] {
        assert!(read_header(text.as_bytes()).is_err(), "{text}");
    }
}

/// Metadata of a block, cut to what is near to what is read.
fn metadata(baker: &Value) -> Value {
    let mut metadata = json!({
        "protocol": "PtTALLiNtPec7mE7yY4m3k26J8Qukef3E3ehzhfXgFZKGtDdAXu",
        "max_operations_ttl": 150,
        "max_operation_list_length": [{"max_size": 4_194_304, "max_op": 2048}, {"max_size": 32_768}],
        "proposer": mine(Curve::P256),
        "level_info": {"level": 11_680_082, "cycle": 1126, "expected_commitment": false},
        "nonce_hash": null,
        "balance_updates": [
            {"kind": "freezer", "category": "deposits", "staker": {"baker_own_stake": mine(Curve::P256)},
             "change": "256955481", "origin": "block"}
        ],
        "proposer_consensus_key": mine(Curve::P256),
        "consumed_milligas": "3000000",
        "attestations": {"total_committee_power": "9", "threshold": "6", "recorded_power": "8"}
    });
    for (name, value) in baker.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    metadata
}

#[test]
fn a_block_is_signed_by_the_consensus_key_of_its_baker_and_nobody_else() {
    let place = at(11_680_082, 3);
    let (tz1, tz4) = (mine(Curve::Ed25519), mine(Curve::Bls));
    let foreign = other(Curve::Ed25519);
    for (baker, expected) in [
        (
            json!({"baker": foreign, "baker_consensus_key": tz4}),
            Some(seen(tz4, foreign, Block, place)),
        ),
        // Before Lima there were no consensus keys.
        (json!({"baker": tz1}), Some(seen(tz1, tz1, Block, place))),
        (
            json!({"baker": tz1, "baker_consensus_key": tz1}),
            Some(seen(tz1, tz1, Block, place)),
        ),
        // Another key signs for our baker: ours did not.
        (
            json!({"baker": tz1, "baker_consensus_key": other(Curve::Bls)}),
            None,
        ),
        (
            json!({"baker": foreign, "baker_consensus_key": foreign}),
            None,
        ),
        (
            json!({"baker": "tz9unknown", "baker_consensus_key": "tz9unknown"}),
            None,
        ),
    ] {
        let read = read_baker(&bytes(&metadata(&baker)), place, BLOCK, &ours()).unwrap();
        assert_eq!(read, expected, "{baker}");
    }
    for bad in [
        json!({}),
        json!({"baker": 1}),
        json!({"baker": tz1, "baker_consensus_key": 1}),
    ] {
        let read = read_baker(&bytes(&metadata(&bad)), place, BLOCK, &ours());
        assert!(matches!(read, Err(Unreadable::Json(_))), "{bad}");
    }
}
