//! What operators and their dashboards read.

use signer_proxy::tezos::Curve;

use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::http;
use crate::harness::payload::block;
use crate::harness::wait::until;

/// Everything that dashboards are built on.
const METRICS: [&str; 20] = [
    "attempts_total",
    "build_info",
    "cache_requests_total",
    "deadline_margin_seconds",
    "decision_log_dropped_total",
    "decision_log_failures_total",
    "failovers_total",
    "hedges_total",
    "held_requests",
    "key_signers",
    "last_signature_timestamp_seconds",
    "path_up",
    "sign_duration_seconds",
    "sign_requests_total",
    "signer_up",
    "state_changes_total",
    "store_commit_duration_seconds",
    "unreleased_signatures_total",
    "watermark_level",
    "watermark_refusals_total",
];

fn present(value: &serde_json::Value, names: &[&str]) {
    for name in names {
        assert!(value.get(name).is_some(), "no {name}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_shows_every_metric_and_every_field_of_the_status() {
    let all = Direct::start(&[&[], &[]]).await;
    let key = all.key(Curve::Ed25519);
    let bytes = |fill| block(FLOOR + 1).bytes(Curve::Ed25519, fill);
    all.baker.sign(&key, &bytes(1)).await.signature();
    all.baker.sign(&key, &bytes(2)).await.refusal(409);

    let admin = all.proxy.admin();
    for path in ["/livez", "/readyz"] {
        assert_eq!(http::get(&admin, path).await.unwrap().status, 200, "{path}");
    }
    let text = all.proxy.metrics().await;
    let missing: Vec<_> = METRICS
        .iter()
        .filter(|name| !text.contains(&format!("\nsigner_proxy_{name}")))
        .collect();
    assert!(missing.is_empty(), "{missing:?} are not in\n{text}");

    let status = all.proxy.status().await;
    present(
        &status,
        &[
            "version",
            "config_hash",
            "uptime_seconds",
            "state",
            "summary",
            "signers",
            "keys",
            "authorized_keys",
            "store",
        ],
    );
    assert_eq!(status["state"], "ok", "{status}");
    let signer = &status["signers"][0];
    present(
        signer,
        &[
            "name",
            "priority",
            "state",
            "active",
            "since",
            "last_signed",
            "cause",
            "paths",
        ],
    );
    assert_eq!(
        (&signer["state"], &signer["active"]),
        (&"up".into(), &true.into())
    );
    present(
        &signer["paths"][0],
        &["name", "url", "state", "since", "cause", "rtt_ms"],
    );
    let keys = status["keys"].as_array().unwrap();
    let ours = keys
        .iter()
        .find(|entry| entry["hash"] == key.hash().to_string());
    let ours = ours.unwrap();
    present(ours, &["hash", "state", "cause", "signers", "last_signed"]);
    let last = &ours["last_signed"][0];
    present(last, &["chain", "kind", "level", "round", "at"]);
    assert_eq!(
        (&last["kind"], &last["level"]),
        (&"block".into(), &(FLOOR + 1).into())
    );
    present(&status["authorized_keys"], &["age_seconds", "source"]);
    present(&status["store"], &["kind", "state", "lineage"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_moment_one_signer_is_left_the_log_the_metrics_and_the_status_say_so() {
    let mut all = Direct::start(&[&[], &[]]).await;
    let key = all.key(Curve::Ed25519).hash().to_string();
    until("two signers for each of four keys", async || {
        let counted = all.proxy.metric("signer_proxy_key_signers").await;
        (counted >= 7.5).then_some(())
    })
    .await;
    let quiet = all.proxy.logged("left for key");
    assert!(quiet.is_empty(), "{quiet:#?}");
    let lost = all.signers.pop();
    drop(lost);
    // Nobody reads the status meanwhile.
    let said = until("the event", async || {
        let said = all.proxy.logged("one signer left for key");
        said.into_iter().find(|entry| entry["key"] == key)
    })
    .await;
    assert_eq!(said["level"], "WARN");
    assert_eq!(
        (&said["left"], &said["missing"]),
        (&NAMES[0].into(), &NAMES[1].into())
    );
    let metrics = all.proxy.metrics().await;
    let one = format!("signer_proxy_key_signers{{key=\"{key}\"}} 1");
    assert!(metrics.contains(&one), "{metrics}");
    let status = all.proxy.status().await;
    let keys = status["keys"].as_array().unwrap();
    let ours = keys.iter().find(|entry| entry["hash"] == key).unwrap();
    let cause = ours["cause"].as_str().unwrap();
    assert!(cause.starts_with("one signer left of 2: home-b"), "{cause}");
    let again = all.proxy.logged("one signer left for key");
    assert_eq!(again.len(), all.signers[0].keys().len(), "{again:#?}");
}
