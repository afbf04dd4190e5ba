//! What the node says, in the form of Octez.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use signer_proxy::tezos::{Curve, PublicKeyHash};

use super::{Fault, State};

/// Seconds between two blocks.
const BLOCK_SECONDS: u32 = 6;

/// The name of the block of a level.
pub(super) fn block_name(level: u32) -> String {
    format!("BL{level:049}")
}

fn level_of(block: &str, state: &State) -> u32 {
    match block {
        "head" => state.head,
        name => name.trim_start_matches("BL").parse().unwrap(),
    }
}

pub(super) fn operation(key: PublicKeyHash, name: &str, level: u32, round: u32) -> Value {
    let payload = "vh2TyrWeZ2dydEy9ZjmvrjQvyCs5sdHZPypcZrXDUSM1tNuPermf";
    let power = json!({"slots": 12, "baking_power": "38150029478"});
    let contents = match key.curve() {
        Curve::Bls => json!({
            "kind": format!("{name}s_aggregate"),
            "consensus_content": {"level": level, "round": round, "block_payload_hash": payload},
            "committee": [{"slot": 3, "dal_attestation": "0"}],
            "metadata": {
                "committee": [{"delegate": key, "consensus_pkh": key, "consensus_power": power}],
                "total_consensus_power": power
            }
        }),
        Curve::Ed25519 | Curve::Secp256k1 | Curve::P256 | Curve::MlDsa => json!({
            "kind": name, "slot": 7, "level": level, "round": round, "block_payload_hash": payload,
            "metadata": {"delegate": key, "consensus_power": power, "consensus_key": key}
        }),
    };
    json!({"hash": "oo", "branch": block_name(level.saturating_sub(1)), "contents": [contents]})
}

/// Status and body, or nothing at all.
pub(super) fn answer(path: &str, state: &State) -> Option<(u16, String)> {
    match state.fault {
        Fault::Silent => return None,
        Fault::Status(status) => return Some((status, "[]".to_owned())),
        Fault::Nonsense => return Some((200, r#"{"never":["mind"]}"#.to_owned())),
        Fault::None | Fault::Huge | Fault::Astray => {}
    }
    let parts: Vec<_> = path
        .trim_start_matches("/chains/main/")
        .split('/')
        .collect();
    let body = match parts[..] {
        ["chain_id"] => json!(state.chain),
        ["is_bootstrapped"] => json!({"bootstrapped": true, "sync_state": "synced"}),
        ["blocks", block, "header"] => header(block, state),
        ["blocks", _, ..] if state.fault == Fault::Huge => json!("x".repeat(9 << 20)),
        ["blocks", block, "metadata"] => metadata(level_of(block, state), state),
        ["blocks", block, "operations", "0"] => {
            let block = state.blocks.get(&level_of(block, state));
            json!(block.map(|block| &block.operations[..]).unwrap_or_default())
        }
        [
            "blocks",
            _,
            "context",
            "delegates",
            delegate,
            "companion_key",
        ] => {
            let key = state.companions.get(delegate);
            json!({"active": key.map(|key| json!({"pkh": key, "pk": "BLpk"}))})
        }
        _ => panic!("unexpected question {path}"),
    };
    Some((200, body.to_string()))
}

fn header(block: &str, state: &State) -> Value {
    let asked = level_of(block, state);
    let level = match state.fault {
        Fault::Astray if block != "head" => asked - 1,
        Fault::None
        | Fault::Status(_)
        | Fault::Nonsense
        | Fault::Huge
        | Fault::Silent
        | Fault::Astray => asked,
    };
    let (_, round) = baker(level, state);
    let behind = i64::from((state.head - level) * BLOCK_SECONDS);
    let at = Timestamp::now() - state.age - SignedDuration::from_secs(behind);
    let fitness = [
        "02",
        &format!("{level:08x}"),
        "",
        "ffffffff",
        &format!("{round:08x}"),
    ];
    json!({
        "protocol": "PtTALLiNtPec7mE7yY4m3k26J8Qukef3E3ehzhfXgFZKGtDdAXu", "chain_id": state.chain,
        "hash": block_name(level), "level": level, "predecessor": block_name(level - 1),
        "timestamp": at, "fitness": fitness, "payload_round": 0
    })
}

fn metadata(level: u32, state: &State) -> Value {
    let (baker, _) = baker(level, state);
    json!({
        "proposer": baker, "baker": baker, "level_info": {"level": level}, "balance_updates": [],
        "proposer_consensus_key": baker, "baker_consensus_key": baker
    })
}

/// Who made a block, and its round; a stranger if nobody else did.
fn baker(level: u32, state: &State) -> (String, u32) {
    let baker = state.blocks.get(&level).and_then(|block| block.baker);
    let stranger = || ("tz1burnburnburnburnburnburnburjAYjjX".to_owned(), 0);
    baker.map_or_else(stranger, |(key, round)| (key.to_string(), round))
}
