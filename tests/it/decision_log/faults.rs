//! The decision log in adversity: killed proxies, broken disks, changed files and floods.

use std::collections::HashMap;

use serde_json::{Value, json};
use signer_proxy::tezos::Curve;
use tokio::task::JoinSet;

use super::{entries, explain, until_noted};
use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::payload::{Kind, block, slot};
use crate::harness::wait::until;

#[tokio::test(flavor = "multi_thread")]
async fn killed_under_load_it_leaves_a_log_that_verifies_and_says_so_at_the_next_start() {
    let mut all = Direct::start(&[&[]]).await;
    for run in 0..4_u32 {
        let mut load = JoinSet::new();
        for curve in [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls] {
            let (baker, key) = (all.baker.clone(), all.key(curve));
            load.spawn(async move {
                for level in (FLOOR + 1 + run * 100..).take(100) {
                    let bytes = slot(Kind::Block, level, 0).bytes(curve, 1);
                    if baker.sign(&key, &bytes).await.signature.is_err() {
                        return;
                    }
                }
            });
        }
        let some = (all.received().await + 10).max(10);
        all.until_received(some).await;
        all.proxy.kill9();
        load.join_all().await;
        // Whole as it lies there, and after the next start.
        let before = entries(&all.proxy).await;
        let claimed = |entries: &[Value]| {
            let claims = entries.iter().filter(|entry| entry["event"] == "claimed");
            claims.count()
        };
        assert!(claimed(&before) >= 8, "{before:#?}");
        all.proxy.start().await;
        all.proxy.until_signers(&NAMES[..1], "up").await;
        until_noted(&all.proxy, "started", usize::try_from(run).unwrap() + 2).await;
        let after = entries(&all.proxy).await;
        assert!(claimed(&after) >= claimed(&before));
    }
    let all_entries = entries(&all.proxy).await;
    assert!(all_entries.iter().all(|entry| entry["event"] != "ended"));
    all.proxy.stop().await;
    let last = entries(&all.proxy).await.pop().unwrap();
    assert_eq!(last["event"], "ended");
    all.assert_clean(30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_stops_no_signature_and_says_so() {
    let mut all = Direct::cold(&[&[]], "", "").await;
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    let log = all.proxy.config.state.join("decisions.log");
    std::fs::remove_file(&log).unwrap();
    std::fs::create_dir(&log).unwrap();
    all.proxy.start().await;
    all.proxy.until_signers(&NAMES[..1], "up").await;
    let key = all.key(Curve::Ed25519);
    for level in (FLOOR + 1..).take(20) {
        let bytes = block(level).bytes(Curve::Ed25519, 1);
        all.baker.sign(&key, &bytes).await.signature();
    }
    let warns = |status: &Value| status["warnings"].to_string().contains("decision log");
    let status = all.proxy.until("a warning", warns).await;
    assert_eq!(status["state"], "ok", "{status}");
    assert!(
        all.proxy
            .metric("signer_proxy_decision_log_failures_total")
            .await
            >= 1.0
    );
    assert_eq!(all.proxy.logged("decision log is not written").len(), 1);
    let unreadable = explain(&all.proxy, &[]).await;
    assert_eq!(unreadable.code, Some(74), "{unreadable:?}");

    // Nothing was lost meanwhile.
    std::fs::remove_dir(&log).unwrap();
    all.proxy
        .until("the end of it", |status| !warns(status))
        .await;
    assert_eq!(until_noted(&all.proxy, "released", 20).await.len(), 20);
    let dropped = all.proxy.metric("signer_proxy_decision_log_dropped_total");
    assert!(dropped.await < 1.0);
    all.assert_clean(20);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_without_end_does_not_push_the_claims_out_of_the_log() {
    let mut all = Direct::start(&[&[]]).await;
    let key = all.key(Curve::Ed25519);
    let mut forbidden = block(FLOOR + 1).bytes(Curve::Ed25519, 1);
    forbidden[0] = 0x03;
    for _ in 0..100 {
        all.baker.sign(&key, &forbidden).await.refusal(403);
        let answer = all.baker.post_body("/keys/tz1nonsense", "\"13\"").await;
        answer.unwrap().refusal(400);
    }
    all.proxy.stop().await;
    let entries = entries(&all.proxy).await;
    let listed = entries.iter().filter(|entry| entry["event"] == "refused");
    assert_eq!(listed.clone().count(), 30);
    assert!(listed.clone().all(|entry| entry["code"] == "policy"));
    let counted: Vec<_> = entries
        .iter()
        .filter(|entry| entry["event"] == "gap")
        .collect();
    let counted: HashMap<_, _> = counted
        .iter()
        .map(|entry| (entry["code"].as_str().unwrap(), &entry["count"]))
        .collect();
    assert_eq!(
        counted,
        HashMap::from([("malformed", &json!(100)), ("policy", &json!(70))])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_ends_with_1_where_the_log_was_changed_or_says_nothing_of_what_is_asked() {
    let mut all = Direct::cold(&[&[]], "", "").await;
    let nothing = explain(&all.proxy, &[]).await;
    assert_eq!(nothing.code, Some(74), "no state directory: {nothing:?}");
    std::fs::create_dir(&all.proxy.config.state).unwrap();
    let nothing = explain(&all.proxy, &[]).await;
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
    assert!(
        nothing.stderr.contains("there is no decision log"),
        "{nothing:?}"
    );
    std::fs::remove_dir(&all.proxy.config.state).unwrap();

    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    all.proxy.start().await;
    all.proxy.until_signers(&NAMES[..1], "up").await;
    let key = all.key(Curve::Ed25519);
    for level in (FLOOR + 1..).take(3) {
        let bytes = block(level).bytes(Curve::Ed25519, 1);
        all.baker.sign(&key, &bytes).await.signature();
    }
    all.proxy.stop().await;
    for filter in [
        ["--level", "7"],
        ["--key", "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb"],
    ] {
        let nothing = explain(&all.proxy, &filter).await;
        assert_eq!(nothing.code, Some(1), "{nothing:?}");
        let sentence = format!(
            "nothing is in the decision log for {} {}",
            &filter[0][2..],
            filter[1]
        );
        assert!(nothing.stderr.contains(&sentence), "{nothing:?}");
    }
    for wrong in [["--level", "x"], ["--key", "tz1x"]] {
        assert_eq!(explain(&all.proxy, &wrong).await.code, Some(64));
    }

    let file = all.proxy.config.state.join("decisions.log");
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text
        .lines()
        .position(|line| line.contains("\"claimed\""))
        .unwrap();
    std::fs::write(&file, text.replacen("\"claimed\"", "\"refused\"", 1)).unwrap();
    let changed = explain(&all.proxy, &[]).await;
    assert_eq!(changed.code, Some(1), "{changed:?}");
    let place = format!("{}:{}: the line was changed", file.display(), line + 1);
    assert!(changed.stderr.contains(&place), "{changed:?}");
    assert!(
        !changed.stdout.contains("the chain is whole"),
        "{changed:?}"
    );

    // The next start puts it aside and signs on.
    all.proxy.start().await;
    all.proxy.until_signers(&NAMES[..1], "up").await;
    let bytes = block(FLOOR + 5).bytes(Curve::Ed25519, 1);
    all.baker.sign(&key, &bytes).await.signature();
    let place = format!("{}.1:{}: the line was changed", file.display(), line + 1);
    let changed = until("the new file", async || {
        let changed = explain(&all.proxy, &[]).await;
        changed.stderr.contains(&place).then_some(changed)
    })
    .await;
    assert_eq!(changed.code, Some(1), "{changed:?}");
    assert!(
        changed.stderr.contains("a new chain begins here"),
        "{changed:?}"
    );
    all.assert_clean(4);
}
