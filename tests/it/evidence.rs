//! The chain as outside evidence: a state directory that was put back is found out, and nothing else is taken for it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use signer_proxy::dev_signer::log::{Entry, Event};
use signer_proxy::tezos::{
    ChainId, ConsensusKind, Curve, Level, Position, PublicKey, Round, Signature,
};

use crate::harness::baker::Baker;
use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::node::{Fault, Node};
use crate::harness::payload::{Kind, attestation, slot};
use crate::harness::signer::Signer;
use crate::harness::wait::until;

const CURVES: [Curve; 4] = [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls];

fn table(node: &Node) -> String {
    format!("[node]\nurl = \"{}\"", node.url())
}

/// The chain gets what signers have signed, all of it and at once; returns how many lines of the log that was.
fn bake(node: &Node, signer: &Signer, known: usize) -> usize {
    let log = std::fs::read_to_string(signer.log()).unwrap();
    let whole = log.rfind('\n').map_or("", |end| &log[..end]);
    let lines: Vec<_> = whole.lines().collect();
    for line in &lines[known..] {
        let entry: Entry = serde_json::from_str(line).unwrap();
        if entry.event == Event::Signed {
            let level = Level::new(entry.level.unwrap()).unwrap();
            let round = Round::new(entry.round.unwrap()).unwrap();
            let kind: ConsensusKind = entry.kind.parse().unwrap();
            node.show(entry.key, kind, Position::new(level, round));
        }
    }
    lines.len()
}

async fn sign_levels(all: &Direct, levels: impl Iterator<Item = u32>) {
    for level in levels {
        for kind in Kind::ALL {
            for curve in CURVES {
                let bytes = slot(kind, level, 0).bytes(curve, 1);
                all.baker.sign(&all.key(curve), &bytes).await.signature();
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

async fn until_checked(all: &Direct) -> Value {
    all.proxy
        .until("the chain to be checked", |status| {
            status["store"]["evidence"]["state"] == "checked"
        })
        .await
}

fn keys(status: &Value) -> &Vec<Value> {
    status["keys"].as_array().unwrap()
}

/// Fails if any key was halted.
async fn assert_nothing_halted(all: &Direct) {
    let status = all.proxy.status().await;
    for key in keys(&status) {
        assert_eq!(key["state"], "ok", "{status}");
    }
    assert!(all.proxy.logged("key halted").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_directory_that_was_put_back_halts_its_keys_before_they_sign_again() {
    let node = Node::start(ChainId::MAINNET, FLOOR).await;
    let mut all = Direct::with(&[&[]], "", &table(&node)).await;
    let (state, backup) = (all.proxy.config.state.clone(), all.scene.file("backup"));
    sign_levels(&all, FLOOR + 1..FLOOR + 4).await;
    all.proxy.stop().await;
    copy(&state, &backup);
    all.proxy.start().await;
    sign_levels(&all, FLOOR + 4..FLOOR + 7).await;
    all.proxy.stop().await;
    bake(&node, &all.signers[0], 0);
    copy(&backup, &state);

    all.proxy.start().await;
    let status = all
        .proxy
        .until("all keys to be halted", |status| {
            let stopped = keys(status).iter().filter(|key| key["state"] == "stopped");
            stopped.count() == CURVES.len()
        })
        .await;
    for key in keys(&status) {
        let cause = key["cause"].as_str().unwrap();
        let command = format!(
            "watermark resume --config {} --key {} --chain NetXdQprcVkpaWU --level {}",
            all.proxy.config.file.display(),
            key["hash"].as_str().unwrap(),
            FLOOR + 7 + 10
        );
        assert!(cause.contains(&command), "{command}: {cause}");
        assert!(cause.contains("of the chain shows the"), "{cause}");
        assert_eq!(cause.matches("watermark resume").count(), 1, "{cause}");
    }
    let refuse_everywhere = async |all: &Direct| {
        for level in [FLOOR + 4, FLOOR + 6, FLOOR + 50] {
            for (kind, curve) in Kind::ALL.into_iter().zip(CURVES.into_iter().cycle()) {
                let bytes = slot(kind, level, 0).bytes(curve, 2);
                let refusal = all.baker.sign(&all.key(curve), &bytes).await.refusal(409);
                assert!(refusal.starts_with("[watermark]"), "{refusal}");
                // Up to what the chain shows it is the watermark that refuses, and goes on to.
                if level > FLOOR + 6 {
                    assert!(refusal.contains("halted"), "{refusal}");
                    let commands = refusal.matches("watermark resume").count();
                    assert_eq!(commands, 1, "{refusal}");
                }
            }
        }
    };
    refuse_everywhere(&all).await;
    // What was recorded is still given.
    let again = attestation(FLOOR + 2).bytes(Curve::P256, 1);
    let key = all.key(Curve::P256);
    all.baker.sign(&key, &again).await.signature();
    // For good: neither a restart nor the loss of the node lifts it.
    drop(node);
    all.proxy.crash().await;
    all.proxy.until_signers(&NAMES[..1], "up").await;
    refuse_everywhere(&all).await;
    // The command that the sentence names lets the key sign again, above everything that the chain has shown.
    let resumed = [&key.hash().to_string()[..], &(FLOOR + 17).to_string()];
    let arguments = ["--key", resumed[0], "--level", resumed[1]];
    all.proxy
        .command(&["watermark", "resume"], &arguments)
        .await
        .ok();
    for level in [FLOOR + 4, FLOOR + 17] {
        let bytes = attestation(level).bytes(Curve::P256, 2);
        all.baker.sign(&key, &bytes).await.refusal(409);
    }
    let bytes = attestation(FLOOR + 18).bytes(Curve::P256, 1);
    all.baker.sign(&key, &bytes).await.signature();
    all.assert_clean(6 * 3 * CURVES.len() + 1);
}

/// What makes a node useless.
type Spoil = fn(&Node);

/// Asks until there is a signature, as an impatient baker would.
async fn insist(baker: &Baker, key: &PublicKey, bytes: &[u8]) -> Signature {
    until("a signature", async || {
        baker.sign(key, bytes).await.signature.ok()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_under_load_with_all_that_signers_signed_on_the_chain_halt_nothing() {
    let node = Node::start(ChainId::MAINNET, FLOOR).await;
    let slow: &[&str] = &["--latency-ms", "15", "--random-nonce"];
    let mut all = Direct::with(&[slow], "", &table(&node)).await;
    let (levels, restarts) = (12, 4);
    let baker = all.baker.clone();
    let load = CURVES.map(|curve| {
        let (baker, key) = (baker.clone(), all.key(curve));
        async move {
            for level in FLOOR + 1..=FLOOR + levels {
                for kind in Kind::ALL {
                    insist(&baker, &key, &slot(kind, level, 0).bytes(curve, 1)).await;
                }
            }
        }
    });
    let [a, b, c, d] = load;
    let done = AtomicBool::new(false);
    let signing = async {
        tokio::join!(a, b, c, d);
        done.store(true, Ordering::Release);
    };
    let expected = levels as usize * Kind::ALL.len() * CURVES.len();
    let killing = async {
        let mut known = 0;
        for nth in 1..=restarts {
            // Somewhere in the middle of whatever is going on.
            all.until_received(nth * expected / (restarts + 1)).await;
            all.proxy.kill9();
            known = bake(&node, &all.signers[0], known);
            all.proxy.start().await;
            until_checked(&all).await;
            assert_nothing_halted(&all).await;
        }
        assert!(!done.load(Ordering::Acquire), "the load was over too early");
    };
    tokio::join!(signing, killing);
    bake(&node, &all.signers[0], 0);
    all.proxy.crash().await;
    all.proxy.until_signers(&NAMES[..1], "up").await;
    let status = until_checked(&all).await;
    let evidence = &status["store"]["evidence"];
    assert_eq!(evidence["levels"][0], FLOOR + levels + 1, "{status}");
    assert_nothing_halted(&all).await;
    all.assert_clean(expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lags_is_of_another_chain_or_talks_nonsense_halts_nothing_and_stops_nothing() {
    let foreign = "NetXxkAx4woPLyu";
    let spoilers: [(Spoil, &str); 4] = [
        (|node| node.set_age(600), "lags"),
        (|node| node.set_chain("NetXxkAx4woPLyu"), "NetXxkAx4woPLyu"),
        (|node| node.set_fault(Fault::Nonsense), "does not answer"),
        (|node| node.set_fault(Fault::Silent), "does not answer"),
    ];
    for (spoil, said) in spoilers {
        let node = Node::start(ChainId::MAINNET, FLOOR - 100).await;
        spoil(&node);
        let mut all = Direct::cold(&[&[]], "", &table(&node)).await;
        let key = all.key(Curve::Ed25519);
        if said == foreign {
            // On its own chain the same keys may sign what they like.
            let level = Level::new(FLOOR + 40).unwrap();
            let position = Position::new(level, Round::ZERO);
            node.show(key.hash(), ConsensusKind::Attestation, position);
        }
        all.proxy.init(all.signers[0].keys(), FLOOR).await;
        all.proxy.start().await;
        all.proxy.until_signers(&NAMES[..1], "up").await;
        let bytes = attestation(FLOOR + 1).bytes(Curve::Ed25519, 1);
        all.baker.sign(&key, &bytes).await.signature();
        let status = all
            .proxy
            .until("the chain not to be checked", |status| {
                status["store"]["evidence"]["state"] == "not-checked"
            })
            .await;
        let cause = status["store"]["evidence"]["cause"].as_str().unwrap();
        assert!(cause.contains(said), "{said}: {cause}");
        assert_nothing_halted(&all).await;
        let logged = all.proxy.logged("chain not checked");
        assert_eq!(logged.len(), 1, "{logged:?}");
        let shown = all.proxy.command(&["status"], &[]).await.ok().stdout;
        assert!(shown.contains("chain not-checked"), "{shown}");
        let next = attestation(FLOOR + 2).bytes(Curve::Ed25519, 1);
        all.baker.sign(&key, &next).await.signature();
        all.assert_clean(2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_node_the_status_says_nothing_of_the_chain() {
    let all = Direct::start(&[&[]]).await;
    let status = all.proxy.status().await;
    assert!(status["store"].get("evidence").is_none(), "{status}");
}
