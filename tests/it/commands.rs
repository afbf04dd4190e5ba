//! The command line: what it changes, prints and answers with.

use std::process::Command;

use signer_proxy::tezos::{Curve, PublicKey, decode_public_key};

use crate::harness::baker::{Baker, signature_of};
use crate::harness::cli::{self, EXECUTABLE};
use crate::harness::config::Config;
use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::http;
use crate::harness::payload::{Slot, attestation, block, preattestation};
use crate::harness::ports;
use crate::harness::process::{Order, Process};
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;

const CURVES: [Curve; 4] = [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls];

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
        // One line for each, all alike.
        let alike = |line: &str| line.starts_with(&format!("signer-proxy: {file}:"));
        assert_eq!(finished.stderr.lines().count(), problems.len());
        assert!(finished.stderr.lines().all(alike), "{finished:?}");
    }
    let missing = cli::run(&["run", "--config", "/nonexistent/signer-proxy.toml"]).await;
    assert_eq!(missing.code, Some(78), "{missing:?}");
    let public = cli::run(&["dev-signer", "--listen", "0.0.0.0:0"]).await;
    assert_eq!(public.code, Some(64), "{public:?}");
    assert!(public.stderr.contains("--force"), "{public:?}");
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
async fn a_drained_signer_ends_its_round_and_the_operator_is_told_who_is_left() {
    let all = Direct::start(&[&[], &[]]).await;
    let key = all.key(Curve::Ed25519);
    let sign = async |slot: Slot| {
        let bytes = slot.bytes(Curve::Ed25519, 1);
        all.baker.sign(&key, &bytes).await.signature();
        let mut signed = [0; 2];
        for (signed, signer) in signed.iter_mut().zip(&all.signers) {
            *signed = signer.counts().await.sign;
        }
        signed
    };
    assert_eq!(sign(preattestation(FLOOR + 1)).await, [1, 0]);
    let drained = all.proxy.command(&["drain", NAMES[0]], &[]).await.ok();
    let left = format!("{} is the only one left for {}", NAMES[1], key.hash());
    assert!(drained.stdout.contains(&left), "{drained:?}");
    assert!(drained.stdout.contains("no new round"), "{drained:?}");
    assert_eq!(sign(attestation(FLOOR + 1)).await, [2, 0]);
    assert_eq!(sign(preattestation(FLOOR + 2)).await, [2, 1]);
    assert_eq!(all.proxy.signer(NAMES[0]).await["state"], "draining");
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
async fn watermarks_of_a_store_that_refuses_are_shown_with_the_reason_and_exit_code_1() {
    let all = Direct::cold(&[&[]], "", "").await;
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    std::fs::write(all.proxy.config.state.join("watermarks.redb"), "torn").unwrap();
    let shown = all.proxy.command(&["watermark", "show"], &[]).await;
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(shown.stderr.contains("cannot be used"), "{shown:?}");
    assert!(shown.stdout.contains("lineage unknown"), "{shown:?}");
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

#[tokio::test(flavor = "multi_thread")]
async fn files_that_a_configuration_names_are_looked_at_before_a_start() {
    let scene = Scene::new();
    let signer = Signer::start(&scene, "home-a", &[]).await;
    let url = format!("http://{}", signer.address());
    let missing = scene.file("no.crt");
    let tls = format!(
        "https = \"127.0.0.1:{}\"\n[listen.tls]\ncertificate = \"{1}\"\nkey = \"{1}\"",
        ports::free(),
        missing.display()
    );
    let config = Config::new(&scene)
        .listen(&tls)
        .admin(&format!("token-file = \"{}\"", missing.display()))
        .signer("home-a", 1, "", &[url]);
    let proxy = Proxy::new(config);
    proxy.init(signer.keys(), 1).await;
    let file = proxy.config.file.to_str().unwrap().to_owned();
    let checked = cli::run(&["check-config", &file]).await;
    assert_eq!(checked.code, Some(78), "{checked:?}");
    for key in ["listen.tls: ", "admin.token-file: "] {
        assert!(checked.stderr.contains(key), "{checked:?}");
    }
    let started = cli::run(&["run", "--config", &file]).await;
    assert_eq!(started.code, Some(78), "{started:?}");
    assert!(started.stderr.contains("no.crt"), "{started:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_open_files_that_the_system_grants_are_taken_and_too_few_are_told() {
    for (limit, most, told) in [
        ("ulimit -S -n 200 && ulimit -H -n 2100", "2100", 0),
        ("ulimit -n 1500", "1500", 1),
    ] {
        let scene = Scene::new();
        let signer = Signer::start(&scene, "home-a", &[]).await;
        let url = format!("http://{}", signer.address());
        let config = Config::new(&scene).signer("home-a", 1, "", &[url]);
        let mut proxy = Proxy::new(config);
        proxy.init(signer.keys(), FLOOR).await;
        proxy.start_limited(limit).await;
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", proxy.id()));
        let files = limits.unwrap();
        let files = files
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let numbers: Vec<_> = files.unwrap().split_whitespace().collect();
        assert_eq!(numbers[3..5], [most, most]);
        let warnings = proxy.logged(
            "few files may be open: many clients at once can keep signers from being asked; raise the limit \
             (LimitNOFILE of systemd, --ulimit nofile of docker)",
        );
        assert_eq!(warnings.len(), told, "{warnings:?}");
        proxy.stop().await;
    }
}
