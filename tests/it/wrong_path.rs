//! Paths that lead elsewhere than the configuration says.

use serde_json::json;
use signer_proxy::tezos::Curve;

use crate::harness::config::Config;
use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::payload::{block, preattestation};
use crate::harness::ports;
use crate::harness::proxy::Proxy;
use crate::harness::relay::relay;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;
use crate::harness::sshd::Sshd;
use crate::harness::tunnel::Tunnel;

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_shows_another_key_is_ejected_with_that_cause() {
    let all = Direct::start(&[&[], &[]]).await;
    all.signers[0]
        .faults(&json!({"wrong_public_key": true}))
        .await;
    all.proxy.until_signers(&NAMES[..1], "down").await;
    let signer = all.proxy.signer(NAMES[0]).await;
    let path = &signer["paths"][0];
    assert_eq!(path["state"], "down", "{signer}");
    for cause in [&signer["cause"], &path["cause"]] {
        let cause = cause.as_str().unwrap();
        assert!(cause.contains("public key"), "{signer}");
    }
    let key = all.key(Curve::Bls);
    let bytes = preattestation(FLOOR + 1).bytes(Curve::Bls, 1);
    all.baker.sign(&key, &bytes).await.signature();
    assert_eq!(all.signers[0].counts().await.sign, 0);
    all.signers[0].heal().await;
    all.proxy.until_signers(&NAMES, "up").await;
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_that_leads_back_to_the_proxy_is_found_out() {
    let scene = Scene::new();
    let sshd = Sshd::start(&scene).await;
    let signer = Signer::start(&scene, NAMES[1], &[]).await;
    let config = Config::new(&scene).keys(signer.keys());
    let mut mirror = Tunnel::tcp(&sshd, "mirror", config.baker_port);
    let config = config.signer("mirror", 1, "", &[mirror.url()]);
    let url = format!("http://{}", signer.address());
    let mut proxy = Proxy::new(config.signer(NAMES[1], 2, "", &[url]));
    proxy.init(signer.keys(), FLOOR).await;
    proxy.start().await;
    mirror.open().await;

    // State and cause are read one after the other.
    proxy
        .until("the loop to be seen", |status| {
            let mirror = &status["signers"][0];
            let cause = mirror["cause"].as_str().unwrap_or_default();
            cause.contains("leads back to this proxy") && mirror["state"] == "down"
        })
        .await;
    let key = signer.key(Curve::Ed25519);
    let bytes = block(FLOOR + 1).bytes(Curve::Ed25519, 1);
    let baker = proxy.baker(signer.keys());
    baker.sign(&key, &bytes).await.signature();
    assert_eq!(signer.counts().await.sign, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_leads_back_to_the_proxy_is_found_out_as_well() {
    let scene = Scene::new();
    let signer = Signer::start(&scene, NAMES[1], &[]).await;
    let door = ports::free();
    let config = Config::new(&scene)
        .listen(&format!("tcp = \"127.0.0.1:{door}\""))
        .keys(signer.keys());
    let socket = scene.socket("mirror");
    let _mirror = relay(&socket, &format!("127.0.0.1:{door}"));
    let back = format!("unix://{}", socket.display());
    let config = config.signer("mirror", 1, "", &[back]);
    let url = format!("http://{}", signer.address());
    let mut proxy = Proxy::new(config.signer(NAMES[1], 2, "", &[url]));
    proxy.init(signer.keys(), FLOOR).await;
    proxy.start().await;
    proxy
        .until("the loop to be seen", |status| {
            let cause = status["signers"][0]["cause"].as_str().unwrap_or_default();
            cause.contains("leads back to this proxy")
        })
        .await;
    let key = signer.key(Curve::Ed25519);
    let bytes = block(FLOOR + 1).bytes(Curve::Ed25519, 1);
    let baker = proxy.baker(signer.keys());
    baker.sign(&key, &bytes).await.signature();
    assert_eq!(signer.counts().await.sign, 1);
}
