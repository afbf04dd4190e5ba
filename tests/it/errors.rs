//! What a baker and an operator read when something is wrong: the cause, in the right status.

use serde_json::json;
use signer_proxy::dev_signer::keys_from_seed;
use signer_proxy::tezos::{Curve, sign_body};

use crate::harness::config::Config;
use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::http;
use crate::harness::payload::{attestation, block};
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;

const SHORT: &str = "[deadline]\nconsensus = \"1500ms\"";

#[tokio::test(flavor = "multi_thread")]
async fn with_every_signer_down_the_error_names_each_with_url_cause_and_time() {
    let mut all = Direct::with(&[&[], &[]], "", SHORT).await;
    let key = all.key(Curve::Ed25519);
    let vote = |level| attestation(level).bytes(Curve::Ed25519, 1);
    all.baker.sign(&key, &vote(FLOOR + 1)).await.signature();
    let urls = [0, 1].map(|n| format!("http://{}", all.signers[n].address()));
    drop(all.signers.remove(0));
    all.signers[0].faults(&json!({"stall": "all"})).await;
    all.proxy.until_signers(&NAMES, "down").await;

    let outcome = all.baker.sign(&key, &vote(FLOOR + 2)).await;
    let refusal = outcome.refusal(500);
    assert!(
        refusal.starts_with("[no-signer] no signature within 1.5s: "),
        "{refusal}"
    );
    let causes = [
        "connection refused since ",
        "accepts but does not answer since ",
    ];
    for ((name, url), cause) in NAMES.iter().zip(&urls).zip(causes) {
        let at = refusal.find(&format!("{name} ({url})"));
        let at = at.unwrap_or_else(|| panic!("{name} {url}: {refusal}"));
        let since = refusal[at..].find(cause);
        let since = at + since.unwrap_or_else(|| panic!("{cause}: {refusal}")) + cause.len();
        let clock: Vec<_> = refusal[since..since + 8].split(':').collect();
        assert!(
            clock.len() == 3 && clock.iter().all(|part| part.parse::<u8>().is_ok()),
            "{refusal}"
        );
    }
    // A claim that reached nobody is kept for its bytes.
    let other = attestation(FLOOR + 2).bytes(Curve::Ed25519, 2);
    let refusal = all.baker.sign(&key, &other).await.refusal(409);
    assert!(refusal.starts_with("[watermark] "), "{refusal}");
    all.signers[0].heal().await;
    all.proxy.until_signers(&NAMES[1..], "up").await;
    all.baker.sign(&key, &vote(FLOOR + 2)).await.signature();
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_ever_shown_is_an_error_with_its_cause_and_never_503() {
    let mut all = Direct::cold(&[&[], &[]], "", SHORT).await;
    let keys = all.signers[0].keys().to_vec();
    all.proxy.init(&keys, FLOOR).await;
    all.signers.clear();
    all.proxy.start().await;
    let path = format!("/keys/{}", keys[0].hash());
    for path in ["/authorized_keys", &path] {
        let refusal = all.baker.get(path).await.unwrap().refusal(500);
        assert!(refusal.starts_with("[no-signer] "), "{refusal}");
        for name in NAMES {
            assert!(refusal.contains(name), "{refusal}");
        }
        assert!(refusal.contains("connection refused"), "{refusal}");
    }
    let bytes = attestation(FLOOR + 1).bytes(Curve::Ed25519, 1);
    let answer = all
        .baker
        .post(&keys[0], "?version=3", &bytes)
        .await
        .unwrap();
    let refusal = answer.refusal(500);
    assert!(refusal.starts_with("[no-signer] "), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_keys_are_404() {
    let all = Direct::start(&[&[]]).await;
    let unknown = keys_from_seed("somebody else", &[Curve::Ed25519]);
    let unknown = unknown[0].public_key();
    let path = format!("/keys/{}", unknown.hash());
    let shown = all.baker.get(&path).await.unwrap().refusal(404);
    assert!(shown.starts_with("[unknown-key] "), "{shown}");
    let bytes = attestation(FLOOR + 1).bytes(Curve::Ed25519, 1);
    let signed = all.baker.sign(unknown, &bytes).await.refusal(404);
    assert!(signed.starts_with("[unknown-key] "), "{signed}");
    assert!(signed.contains(&unknown.hash().to_string()), "{signed}");
    assert_eq!(all.signers[0].counts().await.sign, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_every_signer_denies_is_404_without_a_list_of_keys() {
    let scene = Scene::new();
    let signer = Signer::start(&scene, NAMES[0], &[]).await;
    let url = format!("http://{}", signer.address());
    let mut proxy = Proxy::new(Config::new(&scene).signer(NAMES[0], 1, "", &[url]));
    proxy.init(signer.keys(), FLOOR).await;
    proxy.start().await;
    proxy.until_signers(&NAMES[..1], "up").await;
    let baker = proxy.baker(signer.keys());
    let unknown = keys_from_seed("somebody else", &[Curve::P256]);
    let path = format!("/keys/{}", unknown[0].public_key().hash());
    let shown = baker.get(&path).await.unwrap().refusal(404);
    assert!(shown.starts_with("[unknown-key] "), "{shown}");
    let bytes = attestation(FLOOR + 1).bytes(Curve::P256, 1);
    let refused = baker.sign(unknown[0].public_key(), &bytes).await;
    let refusal = refused.refusal(404);
    assert!(refusal.starts_with("[unknown-key] "), "{refusal}");
    let key = signer.key(Curve::P256);
    baker.sign(&key, &bytes).await.signature();
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_400_and_reach_no_signer() {
    let all = Direct::start(&[&[]]).await;
    let key = all.key(Curve::Ed25519);
    let path = format!("/keys/{}", key.hash());
    let good = sign_body(&attestation(FLOOR + 1).bytes(Curve::Ed25519, 1));
    let bodies = [
        "",
        "{}",
        "[]",
        "17",
        "null",
        "\"\"",
        "\"zz\"",
        "\"130\"",
        "\"13",
        "13ab",
        "{\"data\":\"13ab\"}",
        "\"13\" \"13\"",
        &good[..good.len() - 3],
        &format!("{good}{good}"),
    ];
    for body in bodies {
        let answer = all.baker.post_body(&path, body).await.unwrap();
        let refusal = answer.refusal(400);
        assert!(refusal.starts_with("[malformed] "), "{body}: {refusal}");
    }
    let paths = [
        format!("{path}?version=4"),
        format!("{path}?version=-1"),
        format!("{path}?version=two"),
        format!("{path}?version=2&version=3"),
        format!("{path}?authentication=edsigNonsense"),
        "/keys/tz1nonsense".to_owned(),
        path.to_ascii_lowercase(),
    ];
    for path in paths {
        let answer = all.baker.post_body(&path, &good).await.unwrap();
        let refusal = answer.refusal(400);
        assert!(refusal.starts_with("[malformed] "), "{path}: {refusal}");
    }
    assert_eq!(all.signers[0].counts().await.sign, 0);
    let bytes = attestation(FLOOR + 1).bytes(Curve::Ed25519, 1);
    all.baker.sign(&key, &bytes).await.signature();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_prove_nothing_are_400_and_no_signer_is_asked() {
    let all = Direct::start(&[&[]]).await;
    for curve in [Curve::Ed25519, Curve::Secp256k1, Curve::P256] {
        let path = format!("/bls_prove_possession/{}", all.key(curve).hash());
        let refusal = all.baker.get(&path).await.unwrap().refusal(400);
        assert!(
            refusal.starts_with("[malformed] only tz4 keys prove possession"),
            "{refusal}"
        );
    }
    assert_eq!(all.signers[0].counts().await.prove_possession, 0);
    let path = format!("/bls_prove_possession/{}", all.key(Curve::Bls).hash());
    let proved = all.baker.get(&path).await.unwrap();
    assert_eq!(proved.status, 200, "{proved:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baker_that_is_refused_is_one_line_in_the_log() {
    let all = Direct::start(&[&[]]).await;
    let key = all.key(Curve::Ed25519);
    let mut bytes = block(FLOOR + 1).bytes(Curve::Ed25519, 1);
    bytes[0] = 0x03;
    for _ in 0..3 {
        all.baker.sign(&key, &bytes).await.refusal(403);
    }
    let lines = all.proxy.until_logged("request refused").await;
    assert!((1..3).contains(&lines.len()), "{lines:?}");
    assert_eq!(
        (&lines[0]["level"], &lines[0]["code"]),
        (&"WARN".into(), &"policy".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_policy_does_not_allow_is_403_and_moves_nothing() {
    let all = Direct::start(&[&[]]).await;
    let key = all.key(Curve::Secp256k1);
    let good = block(FLOOR + 1).bytes(Curve::Secp256k1, 1);
    let mut elsewhere = good.clone();
    elsewhere[1] ^= 1;
    let mut endorsement = vec![0x02];
    endorsement.extend_from_slice(&good[1..5]);
    endorsement.extend([1; 32]);
    endorsement.push(0);
    endorsement.extend((FLOOR + 1).to_be_bytes());
    let mut refused = vec![elsewhere, endorsement];
    for magic in [0x00, 0x03, 0x04, 0x05, 0x14, 0xff] {
        refused.push([&[magic], &good[1..]].concat());
    }
    for bytes in refused {
        let refusal = all.baker.sign(&key, &bytes).await.refusal(403);
        assert!(refusal.starts_with("[policy] "), "{refusal}");
    }
    assert_eq!(all.signers[0].counts().await.sign, 0);
    all.baker.sign(&key, &good).await.signature();
}

#[tokio::test(flavor = "multi_thread")]
async fn other_routes_methods_and_sizes_are_refused_in_the_octez_form() {
    let all = Direct::start(&[&[]]).await;
    let address = all.baker.address();
    let key = format!("/keys/{}", all.key(Curve::P256).hash());
    for (method, path, allow) in [
        ("POST", "/authorized_keys", "get"),
        ("DELETE", &key[..], "get, post"),
        ("PUT", &key[..], "get, post"),
    ] {
        let request = http::sized_post(address, path, "\"\"").replacen("POST", method, 1);
        let answer = http::exchange(address, &request).await.unwrap();
        answer.refusal(405);
        let allowed = format!("allow: {allow}");
        assert!(answer.head.contains(&allowed), "{answer:?}");
    }
    for path in ["/", "/elsewhere", "/keys", "/keys/a/b"] {
        all.baker.get(path).await.unwrap().refusal(404);
    }
    all.baker.get("/known_keys").await.unwrap().refusal(403);

    let long = format!("\"{}\"", "13".repeat(40_000));
    let sized = http::exchange(address, &http::sized_post(address, &key, &long)).await;
    sized.unwrap().refusal(413);
    let chunked = all.baker.post_body(&key, &long).await.unwrap();
    chunked.refusal(413);
    assert_eq!(all.signers[0].counts().await.sign, 0);
}
