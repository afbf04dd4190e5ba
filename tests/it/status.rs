//! What operators and their dashboards read.

use signer_proxy::tezos::Curve;

use crate::harness::direct::{Direct, FLOOR};
use crate::harness::http;
use crate::harness::payload::block;

/// Everything that dashboards are built on.
const METRICS: [&str; 19] = [
    "attempts_total",
    "build_info",
    "cache_requests_total",
    "deadline_margin_seconds",
    "decision_log_dropped_total",
    "decision_log_failures_total",
    "failovers_total",
    "hedges_total",
    "held_requests",
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
    let present = |value: &serde_json::Value, names: &[&str]| {
        for name in names {
            assert!(value.get(name).is_some(), "no {name}: {value}");
        }
    };
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
            "name", "priority", "state", "active", "since", "cause", "paths",
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
