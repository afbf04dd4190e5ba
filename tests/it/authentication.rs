//! Requests by somebody who may not ask.

use serde_json::json;
use signer_proxy::dev_signer::keys_from_seed;
use signer_proxy::tezos::{Curve, PublicKey, Scheme, SecretKey, authentication_bytes};
use tokio::task::JoinSet;

use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::payload::attestation;
use crate::harness::wait::until;

/// Signs as a baker does that is allowed to ask.
fn proof(identity: &SecretKey, key: &PublicKey, bytes: &[u8]) -> String {
    let message = authentication_bytes(&key.hash(), bytes);
    let proof = identity.sign(Scheme::Standard, &message);
    let proof = proof.encode(identity.public_key().curve());
    format!("?authentication={proof}&version=3")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unauthenticated_request_moves_no_floor_and_gets_no_replay() {
    let [identity, stranger] = ["baker", "stranger"].map(|seed| {
        let mut keys = keys_from_seed(seed, &[Curve::Ed25519]);
        keys.remove(0)
    });
    let listed = identity.public_key().to_string();
    let demanding = ["--authorized-key", &listed, "--demand-authentication"];
    let auth = format!("[auth]\nauthorized-keys = [\"{listed}\"]");
    let all = Direct::with(&[&demanding, &demanding], "", &auth).await;
    let key = all.key(Curve::P256);
    let vote = |level, fill| attestation(level).bytes(Curve::P256, fill);
    let (far, near) = (vote(FLOOR + 900, 1), vote(FLOOR + 1, 1));
    let floors = all.proxy.command(&["watermark", "show"], &[]).await.ok();

    let none = all.baker.post(&key, "?version=3", &far).await.unwrap();
    assert!(none.refusal(401).starts_with("[auth] "), "{none:?}");
    for wrong in [proof(&stranger, &key, &far), proof(&identity, &key, &near)] {
        let answer = all.baker.post(&key, &wrong, &far).await.unwrap();
        assert!(answer.refusal(403).starts_with("[auth] "), "{answer:?}");
    }
    let after = all.proxy.command(&["watermark", "show"], &[]).await.ok();
    assert_eq!(floors.stdout, after.stdout);
    assert_eq!(all.signers[0].counts().await.sign, 0);

    let list = all.baker.get("/authorized_keys").await.unwrap().json();
    let hash = identity.public_key().hash().to_string();
    assert_eq!(list, json!({"authorized_keys": [hash]}));
    let baker = all.baker.clone().with_identity(identity);
    let first = baker.sign(&key, &near).await.signature();
    let none = all.baker.post(&key, "?version=3", &near).await.unwrap();
    assert!(none.refusal(401).starts_with("[auth] "), "{none:?}");
    assert_eq!(baker.sign(&key, &near).await.signature(), first);
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_that_demands_what_the_proxy_cannot_check_is_not_asked() {
    let identity = keys_from_seed("baker", &[Curve::Ed25519]).remove(0);
    let listed = identity.public_key().to_string();
    let demanding = ["--authorized-key", &listed, "--demand-authentication"];
    let all = Direct::start(&[&demanding]).await;
    let key = all.key(Curve::P256);
    let bytes = attestation(FLOOR + 1).bytes(Curve::P256, 1);
    let floors = all.proxy.command(&["watermark", "show"], &[]).await.ok();
    let baker = all.baker.clone().with_identity(identity);
    for query in ["?version=3".to_owned()] {
        let refusal = all.baker.post(&key, &query, &bytes).await.unwrap();
        let refusal = refusal.refusal(403);
        assert!(refusal.starts_with("[auth] "), "{refusal}");
        assert!(refusal.contains("authorized-keys"), "{refusal}");
    }
    let refusal = baker.sign(&key, &bytes).await.refusal(403);
    assert!(refusal.contains(NAMES[0]), "{refusal}");
    let after = all.proxy.command(&["watermark", "show"], &[]).await.ok();
    assert_eq!(floors.stdout, after.stdout);
    assert_eq!(all.signers[0].counts().await.sign, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baker_that_a_signer_accepts_does_not_inherit_the_refusal_of_one_that_it_does_not() {
    let [ours, other] = ["baker", "other"].map(|seed| {
        let mut keys = keys_from_seed(seed, &[Curve::Ed25519]);
        keys.remove(0)
    });
    let [accepted, unknown] = [&ours, &other].map(|baker| baker.public_key().to_string());
    let demanding = [
        "--authorized-key",
        &accepted,
        "--demand-authentication",
        "--latency-ms",
        "700",
    ];
    // This proxy accepts both, its signer one of them.
    let auth = format!("[auth]\nauthorized-keys = [\"{accepted}\", \"{unknown}\"]");
    let all = Direct::with(&[&demanding], "capacity = 1", &auth).await;
    let sign = |baker: &SecretKey, curve| {
        let key = all.key(curve);
        let bytes = attestation(FLOOR + 1).bytes(curve, 1);
        let (arguments, asking) = (proof(baker, &key, &bytes), all.baker.clone());
        let mut request = JoinSet::new();
        request.spawn(async move { asking.post(&key, &arguments, &bytes).await.unwrap() });
        request
    };
    // The device is busy, so the request it will not accept waits for its turn, and is joined.
    let busy = sign(&ours, Curve::P256);
    all.until_received(1).await;
    let leader = sign(&other, Curve::Ed25519);
    let claimed = format!("attestation        level {} round 0", FLOOR + 1);
    let hash = all.key(Curve::Ed25519).hash().to_string();
    until("the claim of the leader", async || {
        let shown = all.proxy.command(&["watermark", "show"], &[]).await.ok();
        let mut lines = shown.stdout.lines();
        lines
            .any(|line| line.contains(&hash) && line.contains(&claimed))
            .then_some(())
    })
    .await;
    let joined = sign(&ours, Curve::Ed25519);
    assert_eq!(busy.join_all().await[0].status, 200);
    let refusal = leader.join_all().await[0].refusal(401);
    assert!(
        refusal.contains("invalid authentication signature"),
        "{refusal}"
    );
    assert_eq!(joined.join_all().await[0].status, 200);
    all.assert_clean(2);
}
