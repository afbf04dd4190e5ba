//! What the decision log holds, what `explain` makes of it, and that nothing waits for it.

mod faults;

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::Value;
use signer_proxy::dev_signer::keys_from_seed;
use signer_proxy::tezos::{Curve, SecretKey, authentication_bytes, digest};
use tokio::task::JoinSet;

use crate::harness::cli::Finished;
use crate::harness::direct::{Direct, FLOOR};
use crate::harness::payload::{attestation, block};
use crate::harness::proxy::Proxy;
use crate::harness::wait::until;

async fn explain(proxy: &Proxy, arguments: &[&str]) -> Finished {
    proxy.command(&["explain"], arguments).await
}

/// Entries of the log, oldest first, of a chain that must be whole.
pub(crate) async fn entries(proxy: &Proxy) -> Vec<Value> {
    let lines = explain(proxy, &["--json"]).await.ok().stdout;
    let lines = lines.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

/// Waits until the log has `count` entries of `event`, and gives them.
pub(crate) async fn until_noted(proxy: &Proxy, event: &str, count: usize) -> Vec<Value> {
    until(&format!("{count} times {event}"), async || {
        let mut entries = entries(proxy).await;
        entries.retain(|entry| entry["event"] == event);
        (entries.len() >= count).then_some(entries)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_explained_with_both_requesters_both_digests_and_the_reason() {
    let mut all = Direct::start(&[&[], &[]]).await;
    let key = all.key(Curve::Ed25519);
    let [ours, theirs] = [1, 2].map(|fill| attestation(FLOOR + 9).bytes(Curve::Ed25519, fill));
    all.baker.sign(&key, &ours).await.signature();
    all.baker.sign(&key, &ours).await.signature();
    all.baker.sign(&key, &theirs).await.refusal(409);
    let other = block(FLOOR + 10).bytes(Curve::Ed25519, 1);
    all.baker.sign(&key, &other).await.signature();
    let refused = until_noted(&all.proxy, "refused", 1).await;
    until_noted(&all.proxy, "released", 2).await;
    assert_eq!(refused[0]["code"], "conflict");
    assert_eq!(refused[0]["digest"], digest(&theirs).to_string());

    let (hash, level) = (key.hash().to_string(), (FLOOR + 9).to_string());
    let filter = ["--key", &hash, "--level", &level];
    // The proxy runs, and then it does not.
    for running in [true, false] {
        if !running {
            all.proxy.stop().await;
        }
        let told = explain(&all.proxy, &filter).await.ok().stdout;
        let lines: Vec<_> = told.lines().collect();
        let title = format!("attestation level {level} round 0 of {hash} on NetXdQprcVkpaWU");
        let at = lines.iter().position(|line| *line == title);
        let story = &lines[at.unwrap_or_else(|| panic!("no {title:?} in {told}")) + 1..][..4];
        let (ours, theirs) = (digest(&ours), digest(&theirs));
        for (line, parts) in story.iter().zip([
            ["asked by 127.0.0.1:", &format!("for bytes {ours}: claimed")],
            ["signed by home-a, ", "released to 127.0.0.1:"],
            [
                "asked by 127.0.0.1:",
                "given the signature of home-a from before",
            ],
            [
                &format!("for other bytes {theirs}: refused (conflict): "),
                &format!("claimed {} at ", ours.short()),
            ],
        ]) {
            assert!(
                parts.iter().all(|part| line.contains(part)),
                "{line}\n{told}"
            );
        }
        assert!(told.contains("the chain is whole"), "{told}");
        assert!(
            told.contains("watermark of"),
            "what operators did is told too: {told}"
        );
        assert!(!told.contains("block level"), "{told}");
    }
    let all_told = explain(&all.proxy, &[]).await.ok().stdout;
    for part in ["block level", "proxy started: version", "proxy ended"] {
        assert!(all_told.contains(part), "{part}: {all_told}");
    }
    all.assert_clean(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_on_a_slot_are_in_the_log_in_their_order_however_they_race() {
    let all = Direct::start(&[&["--no-watermark"]]).await;
    let key = all.key(Curve::Ed25519);
    let (levels, bakers) = (15, 6);
    for level in (FLOOR + 1..).take(levels) {
        let mut race = JoinSet::new();
        for fill in 0..bakers {
            let (baker, key) = (all.baker.clone(), key.clone());
            let bytes = block(level).bytes(Curve::Ed25519, fill);
            race.spawn(async move { baker.sign(&key, &bytes).await.signature.is_ok() });
        }
        let won = race.join_all().await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1);
    }
    let refusals = levels * usize::from(bakers - 1);
    until_noted(&all.proxy, "refused", refusals).await;
    until_noted(&all.proxy, "released", levels).await;
    let mut slots: HashMap<u64, Vec<Value>> = HashMap::new();
    for entry in entries(&all.proxy).await {
        if let (Some(level), Some(_)) = (entry["level"].as_u64(), entry["round"].as_u64()) {
            slots.entry(level).or_default().push(entry);
        }
    }
    assert_eq!(slots.len(), levels);
    for slot in slots.values() {
        assert_eq!(slot[0]["event"], "claimed", "{slot:#?}");
        let released = slot
            .iter()
            .find(|entry| entry["event"] == "released")
            .unwrap();
        for field in ["digest", "requester", "key", "chain", "kind"] {
            assert_eq!(released[field], slot[0][field]);
        }
        let refused = slot.iter().filter(|entry| entry["event"] == "refused");
        assert!(refused.clone().all(|entry| entry["code"] == "conflict"));
        assert_eq!(refused.count(), usize::from(bakers - 1));
        assert_eq!(slot.len(), usize::from(bakers) + 1);
    }
    all.assert_clean(levels);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_who_joined_a_request_is_named_at_its_release() {
    let all = Direct::start(&[&["--latency-ms", "400"]]).await;
    let key = all.key(Curve::Ed25519);
    let bytes = block(FLOOR + 1).bytes(Curve::Ed25519, 1);
    let mut bakers = JoinSet::new();
    for _ in 0..5 {
        let (baker, key, bytes) = (all.baker.clone(), key.clone(), bytes.clone());
        bakers.spawn(async move { baker.sign(&key, &bytes).await.signature() });
    }
    bakers.join_all().await;
    let released = until_noted(&all.proxy, "released", 5).await;
    let mut requesters: Vec<_> = released
        .iter()
        .map(|entry| entry["requester"].as_str().unwrap())
        .collect();
    requesters.sort_unstable();
    requesters.dedup();
    assert_eq!(requesters.len(), 5, "{requesters:?}");
    assert_eq!(until_noted(&all.proxy, "claimed", 1).await.len(), 1);
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_nobody_waited_for_is_in_the_log_with_its_signer() {
    // A baker that closed its side may still read: it is given a second.
    let all = Direct::start(&[&["--latency-ms", "2500"]]).await;
    let key = all.key(Curve::Ed25519);
    let bytes = block(FLOOR + 1).bytes(Curve::Ed25519, 1);
    let asked = all.baker.sign(&key, &bytes);
    tokio::select! {
        outcome = asked => panic!("too fast: {outcome:?}"),
        () = all.until_received(1) => {}
    }
    let recorded = until_noted(&all.proxy, "recorded", 1).await;
    assert_eq!(recorded[0]["signer"], "home-a");
    assert_eq!(recorded[0]["digest"], digest(&bytes).to_string());
    all.baker.sign(&key, &bytes).await.signature();
    until_noted(&all.proxy, "replayed", 1).await;
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_holds_no_payload_no_signature_and_no_authentication() {
    let identity = || -> SecretKey {
        let mut keys = keys_from_seed("the baker", &[Curve::Ed25519]);
        keys.remove(0)
    };
    let tables = format!(
        "[auth]\nauthorized-keys = [\"{}\"]",
        identity().public_key()
    );
    let all = Direct::with(&[&[]], "", &tables).await;
    let baker = all.baker.clone().with_identity(identity());
    let mut secrets: Vec<Vec<u8>> = Vec::new();
    for curve in [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls] {
        let key = all.key(curve);
        for fill in [1, 2] {
            let bytes = block(FLOOR + 1).bytes(curve, fill);
            let outcome = baker.sign(&key, &bytes).await;
            if let Ok(signature) = &outcome.signature {
                secrets.push(signature.encode(curve).into_bytes());
            }
            let message = authentication_bytes(&key.hash(), &bytes);
            let scheme = crate::harness::baker::scheme_of(Curve::Ed25519);
            let proof = identity().sign(scheme, &message).encode(Curve::Ed25519);
            // Sent with other bytes it is refused, and is in the request all the same.
            let query = format!("?authentication={proof}");
            let wrong = attestation(FLOOR + 2).bytes(curve, 1);
            all.baker
                .post(&key, &query, &wrong)
                .await
                .unwrap()
                .refusal(403);
            let torn = &wrong[..40];
            all.baker
                .post(&key, &query, torn)
                .await
                .unwrap()
                .refusal(400);
            secrets.extend([proof.into_bytes(), bytes, wrong]);
        }
    }
    let refused = until_noted(&all.proxy, "refused", 20).await;
    assert!(refused.iter().any(|entry| entry["code"] == "auth"));
    assert!(refused.iter().any(|entry| entry["code"] == "malformed"));
    until_noted(&all.proxy, "released", 4).await;
    let log = std::fs::read(all.proxy.config.state.join("decisions.log")).unwrap();
    let holds = |bytes: &[u8]| log.windows(bytes.len()).any(|window| window == bytes);
    assert!(holds(
        digest(&block(FLOOR + 1).bytes(Curve::P256, 1))
            .to_string()
            .as_bytes()
    ));
    assert_eq!(secrets.len(), 4 + 8 * 3);
    for secret in secrets {
        // Any sixteen bytes of it, as they are or in hexadecimal digits.
        for part in secret.chunks_exact(16) {
            let mut digits = String::new();
            for byte in part {
                write!(digits, "{byte:02x}").unwrap();
            }
            assert!(!holds(part), "{}", String::from_utf8_lossy(part));
            assert!(!holds(digits.as_bytes()), "{digits}");
        }
    }
    all.assert_clean(4);
}

async fn stop_at(proxy: &Proxy, key: &str, level: u32) {
    let level = level.to_string();
    let arguments = ["--key", key, "--level", &level];
    let stopped = proxy.command(&["watermark", "stop-at"], &arguments);
    stopped.await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_operators_change_is_in_the_log_with_the_proxy_running_or_not() {
    let mut all = Direct::start(&[&[]]).await;
    let key = all.key(Curve::Ed25519);
    let hash = key.hash().to_string();
    stop_at(&all.proxy, &hash, FLOOR + 50).await;
    until_noted(&all.proxy, "stopped", 1).await;
    let over = block(FLOOR + 51).bytes(Curve::Ed25519, 1);
    all.baker.sign(&key, &over).await.refusal(409);
    let refused = until_noted(&all.proxy, "refused", 1).await;
    assert_eq!(refused[0]["code"], "stopped");
    all.proxy.stop().await;
    stop_at(&all.proxy, &hash, FLOOR + 40).await;

    let shown = all.proxy.command(&["watermark", "show"], &[]).await.stdout;
    let lineage = shown
        .lines()
        .next()
        .unwrap()
        .strip_prefix("lineage ")
        .unwrap();
    let level = (FLOOR + 60).to_string();
    let arguments = [
        "--danger",
        "--below-head",
        "--lineage",
        lineage,
        "--level",
        &level,
    ];
    all.proxy
        .command(&["watermark", "reset"], &arguments)
        .await
        .ok();

    let changes: Vec<_> = entries(&all.proxy)
        .await
        .into_iter()
        .filter(|entry| entry["key"] == hash && entry["digest"].is_null())
        .map(|entry| format!("{} {}", entry["event"].as_str().unwrap(), entry["level"]))
        .collect();
    assert_eq!(
        changes,
        [
            format!("watermark-raised {FLOOR}"),
            format!("stopped {}", FLOOR + 50),
            format!("stopped {}", FLOOR + 40),
            format!("reset {}", FLOOR + 60),
        ]
    );
    // They are told to whoever asks about a level of this key, and not about another.
    let level = (FLOOR + 51).to_string();
    let filter = ["--key", &hash, "--level", &level];
    let told = explain(&all.proxy, &filter).await.ok().stdout;
    for part in ["refused (stopped)", "stop level of", "RESET to level"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let other = all.key(Curve::P256).hash().to_string();
    let told = explain(&all.proxy, &["--key", &other]).await.ok().stdout;
    assert!(!told.contains("stop level of"), "{told}");
}
