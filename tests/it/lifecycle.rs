//! Start, end, drain, commands, and what operators and their dashboards read.

use std::process::Command;

use signer_proxy::tezos::{Curve, PublicKey, decode_public_key};
use tokio::net::TcpStream;

use crate::harness::baker::{Baker, signature_of};
use crate::harness::cli::{self, EXECUTABLE};
use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::http;
use crate::harness::payload::{attestation, block};
use crate::harness::process::{Order, Process};
use crate::harness::scene::Scene;
use crate::harness::wait::until;

const CURVES: [Curve; 4] = [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls];

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_it_finishes_what_has_arrived_and_takes_nothing_new() {
    for order in [Order::Terminate, Order::Interrupt] {
        let mut all = Direct::start(&[&["--latency-ms", "1500"]]).await;
        let key = all.key(Curve::P256);
        let bytes = block(FLOOR + 1).bytes(Curve::P256, 1);
        let baker = all.baker.clone();
        let (outcome, ()) = tokio::join!(baker.sign(&key, &bytes), async {
            all.signers[0].until_received(1).await;
            all.proxy.order(order);
            until("the port to be closed", async || {
                TcpStream::connect(baker.address()).await.err()
            })
            .await;
        });
        outcome.signature();
        let status = all.proxy.end().await;
        assert_eq!(status.code(), Some(0), "{order:?}: {status}");
        all.assert_clean(1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_it_still_holds_what_waits_for_a_signer() {
    let mut all = Direct::with(&[&[]], "", "[deadline]\nconsensus = \"15s\"").await;
    let key = all.key(Curve::Ed25519);
    let bytes = block(FLOOR + 1).bytes(Curve::Ed25519, 1);
    let gone = serde_json::json!({"reset": "all"});
    all.signers[0].faults(&gone).await;
    all.proxy.until_signers(&NAMES[..1], "down").await;
    let baker = all.baker.clone();
    let (outcome, ()) = tokio::join!(baker.sign(&key, &bytes), async {
        all.proxy.until_held().await;
        all.proxy.order(Order::Terminate);
        until("the port to be closed", async || {
            TcpStream::connect(baker.address()).await.err()
        })
        .await;
        all.signers[0].heal().await;
    });
    outcome.signature();
    assert_eq!(all.proxy.end().await.code(), Some(0));
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_state_ends_with_75() {
    let all = Direct::start(&[&[]]).await;
    let mut second = all.proxy.config.clone();
    second.file = all.scene.file("second.toml");
    for port in [second.baker_port, second.admin_port] {
        let free = crate::harness::ports::free();
        second.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
    }
    let socket = all.scene.socket("control.sock").display().to_string();
    let other = all.scene.socket("second.sock").display().to_string();
    second.replace(&socket, &other);
    let finished = cli::run(&["run", "--config", second.file.to_str().unwrap()]).await;
    assert_eq!(finished.code, Some(75), "{finished:?}");
    let state = second.state.display().to_string();
    assert!(finished.stderr.contains(&state), "{finished:?}");
    // The first one has not noticed.
    let key = all.key(Curve::Bls);
    let bytes = attestation(FLOOR + 1).bytes(Curve::Bls, 1);
    all.baker.sign(&key, &bytes).await.signature();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_ends_with_78_and_every_problem() {
    let scene = Scene::new();
    let file = scene.file("wrong.toml");
    let text = "[listen]\nhttp = \"nowhere\"\n[state]\ndirectory = \"/tmp/x\"\n[deadline]\n\
                consensus = \"soon\"\n[guard]\nlevel-gab = 5\n[[key]]\nhash = \"tz1nonsense\"\n\
                [[signer]]\nname = \"a\"\n[[signer.path]]\nurl = \"htp://x:1\"\n";
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let problems = [
        "listen.http",
        "deadline.consensus",
        "level-gap",
        "key[0].hash",
        "signer[0].path[0].url",
    ];
    for command in [&["check-config", file][..], &["run", "--config", file]] {
        let finished = cli::run(command).await;
        assert_eq!(finished.code, Some(78), "{finished:?}");
        for problem in problems {
            assert!(finished.stderr.contains(problem), "{problem}: {finished:?}");
        }
        assert!(finished.stderr.contains("wrong.toml:2"), "{finished:?}");
    }
    let missing = cli::run(&["run", "--config", "/nonexistent/signer-proxy.toml"]).await;
    assert_eq!(missing.code, Some(78), "{missing:?}");
    let usage = cli::run(&["run", "--konfig", file]).await;
    assert_eq!(usage.code, Some(64), "{usage:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_configuration_is_printed_as_it_is_in_effect() {
    let all = Direct::cold(&[&[]], "", "").await;
    let file = all.proxy.config.file.to_str().unwrap();
    let shown = cli::run(&["check-config", file]).await.ok().stdout;
    for key in ["level-gap = 1000", "period = \"500ms\"", "home-a"] {
        assert!(shown.contains(key), "{key}: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_directory_is_never_made_by_run() {
    let mut all = Direct::cold(&[&[]], "", "").await;
    assert!(!all.proxy.config.state.exists());
    let file = all.proxy.config.file.to_str().unwrap().to_owned();
    let finished = cli::run(&["run", "--config", &file]).await;
    assert!(matches!(finished.code, Some(74 | 78)), "{finished:?}");
    assert!(finished.stderr.contains("watermark init"), "{finished:?}");
    assert!(!all.proxy.config.state.exists());
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    all.proxy.start().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_signer_is_left_alone_until_it_is_undrained() {
    let all = Direct::start(&[&[], &[]]).await;
    let key = all.key(Curve::Ed25519);
    let sign = async |level| {
        let bytes = attestation(level).bytes(Curve::Ed25519, 1);
        all.baker.sign(&key, &bytes).await.signature();
        let mut signed = [0; 2];
        for (signed, signer) in signed.iter_mut().zip(&all.signers) {
            *signed = signer.counts().await.sign;
        }
        signed
    };
    assert_eq!(sign(FLOOR + 1).await, [1, 0]);
    all.proxy.command(&["drain", NAMES[0]], &[]).await.ok();
    let drained = all.proxy.signer(NAMES[0]).await;
    assert_eq!(drained["state"], "draining", "{drained}");
    assert_eq!(sign(FLOOR + 2).await, [1, 1]);
    all.proxy.command(&["undrain", NAMES[0]], &[]).await.ok();
    all.proxy.until_signers(&NAMES, "up").await;
    all.proxy.command(&["drain", NAMES[1]], &[]).await.ok();
    assert_eq!(sign(FLOOR + 3).await, [2, 1]);
    let unknown = all.proxy.command(&["drain", "home-z"], &[]).await;
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    all.assert_clean(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_outlives_a_restart() {
    let mut all = Direct::start(&[&[], &[]]).await;
    all.proxy.command(&["drain", NAMES[0]], &[]).await.ok();
    all.proxy.crash().await;
    all.proxy.until_signers(&NAMES[..1], "draining").await;
    let key = all.key(Curve::P256);
    let bytes = attestation(FLOOR + 1).bytes(Curve::P256, 1);
    all.baker.sign(&key, &bytes).await.signature();
    assert_eq!(all.signers[0].counts().await.sign, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_request_after_a_start_is_held_until_a_signer_is_known() {
    let mut all = Direct::cold(&[&["--get-latency-ms", "300"]], "", "").await;
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    all.proxy.start().await;
    let key = all.key(Curve::Ed25519);
    let bytes = block(FLOOR + 1).bytes(Curve::Ed25519, 1);
    all.baker.sign(&key, &bytes).await.signature();
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_with_no_proxy_running_is_a_problem_and_not_a_silence() {
    let all = Direct::cold(&[&[]], "", "").await;
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    let finished = all.proxy.command(&["drain", NAMES[0]], &[]).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn watermarks_are_shown_alike_with_and_without_a_running_proxy() {
    let mut all = Direct::start(&[&[]]).await;
    let key = all.key(Curve::Secp256k1);
    let bytes = block(FLOOR + 77).bytes(Curve::Secp256k1, 1);
    all.baker.sign(&key, &bytes).await.signature();
    let running = all.proxy.command(&["watermark", "show"], &[]).await.ok();
    let line = running.stdout.lines().find(|line| {
        line.contains(&key.hash().to_string()) && line.contains(&(FLOOR + 77).to_string())
    });
    assert!(
        line.is_some_and(|line| line.contains("block")),
        "{running:?}"
    );
    all.proxy.stop().await;
    let stopped = all.proxy.command(&["watermark", "show"], &[]).await.ok();
    assert_eq!(running.stdout, stopped.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watermark_is_never_lowered() {
    let all = Direct::start(&[&[]]).await;
    let key = all.key(Curve::Ed25519);
    let before = all.proxy.command(&["watermark", "show"], &[]).await.ok();
    let hash = key.hash().to_string();
    let low = (FLOOR - 500).to_string();
    let arguments = ["--key", &hash[..], "--level", &low];
    all.proxy.command(&["watermark", "init"], &arguments).await;
    let after = all.proxy.command(&["watermark", "show"], &[]).await.ok();
    assert_eq!(before.stdout, after.stdout);
    let bytes = attestation(FLOOR).bytes(Curve::Ed25519, 1);
    all.baker.sign(&key, &bytes).await.refusal(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_prints_a_line_for_each_curve_that_signs_when_pasted() {
    let mut command = Command::new(EXECUTABLE);
    command.args(["dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let mut dev = Process::start("dev", &mut command);
    let address = dev.says("listening http://").await;
    let lines = dev.stdout();
    let pasted: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("curl "))
        .collect();
    assert_eq!(pasted.len(), 4, "{lines:#?}");
    for (line, curve) in pasted.into_iter().zip(CURVES) {
        // What the shell would make of it: quoted words.
        let words: Vec<_> = line.split('\'').collect();
        let body = words.iter().find(|word| word.starts_with('"')).unwrap();
        let url = words.iter().find(|word| word.starts_with("http://"));
        let path = url.unwrap().strip_prefix(&format!("http://{address}"));
        let path = path.unwrap();
        let shown = http::get(&address, path).await.unwrap();
        let key: PublicKey = decode_public_key(shown.body.as_bytes()).unwrap();
        assert_eq!(key.curve(), curve);
        let bytes = hex::decode(body.trim_matches('"')).unwrap();
        let answer = http::exchange(&address, &http::sized_post(&address, path, body)).await;
        signature_of(&key, &bytes, &answer).unwrap();
        // And a baker can go on from there.
        let baker = Baker::new(&address, std::slice::from_ref(&key));
        let next = attestation(2).bytes(curve, 1);
        baker.sign(&key, &next).await.signature();
    }
    dev.order(Order::Interrupt);
    assert_eq!(dev.end().await.code(), Some(0));
}

/// Everything that dashboards are built on.
const METRICS: [&str; 17] = [
    "attempts_total",
    "build_info",
    "cache_requests_total",
    "deadline_margin_seconds",
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
