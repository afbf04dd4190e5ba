//! Who may come in, how much one may ask, and what the admin port shows to whom.

use serde_json::json;
use signer_proxy::tezos::{Curve, PublicKey};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;

use crate::harness::config::Config;
use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::http;
use crate::harness::payload::attestation;
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;
use crate::harness::tls::{Authority, Flaw, TlsClient};
use crate::harness::wait::until;

#[tokio::test(flavor = "multi_thread")]
async fn networks_that_are_not_listed_cannot_connect() {
    let scene = Scene::new();
    let signer = Signer::start(&scene, "home-a", &[]).await;
    let url = format!("http://{}", signer.address());
    let config = Config::new(&scene)
        .listen("[listen.sources]\nhttp = [\"10.0.0.0/8\", \"127.0.0.2\"]")
        .signer("home-a", 1, "", &[url]);
    let mut proxy = Proxy::new(config);
    proxy.init(signer.keys(), FLOOR).await;
    proxy.start().await;
    let address = proxy.baker(signer.keys()).address().to_owned();
    let refused = http::get(&address, "/authorized_keys").await;
    assert!(refused.is_err(), "{refused:?}");
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let listed = socket.connect(address.parse().unwrap()).await.unwrap();
    let request = http::get_request(&address, "/authorized_keys");
    assert_eq!(http::over(listed, &[&request]).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_cannot_take_all_places_and_is_told_so() {
    let limits = "[limits]\nclient-concurrency = 2";
    let all = Direct::with(&[&[]], "", limits).await;
    all.signers[0].faults(&json!({"stall": "sign"})).await;
    let mut held = JoinSet::new();
    for curve in [Curve::Ed25519, Curve::P256] {
        let (baker, key) = (all.baker.clone(), all.key(curve));
        held.spawn(async move {
            let bytes = attestation(FLOOR + 1).bytes(curve, 1);
            baker.post(&key, "?version=3", &bytes).await.unwrap()
        });
    }
    // A key that nobody has: told at once, one way or the other.
    let stranger = PublicKey::from_raw(Curve::Ed25519, &[9; 32]).unwrap();
    let vote = attestation(FLOOR + 1).bytes(Curve::Ed25519, 1);
    let refused = until("the client to be at its limit", async || {
        let answer = all.baker.post(&stranger, "", &vote).await.unwrap();
        (answer.status != 404).then_some(answer)
    })
    .await;
    let words = refused.refusal(502);
    assert!(words.contains("limits.client-concurrency"), "{words}");
    // What is no vote is counted apart.
    assert_eq!(all.baker.get("/authorized_keys").await.unwrap().status, 200);
    all.signers[0].heal().await;
    while let Some(answer) = held.join_next().await {
        assert_eq!(answer.unwrap().status, 200);
    }
    let answer = all.baker.post(&stranger, "", &vote).await.unwrap();
    assert_eq!(answer.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_can_have_a_certificate_and_a_token() {
    let scene = Scene::new();
    let signer = Signer::start(&scene, "home-a", &[]).await;
    let authority = Authority::new("admins");
    let identity = authority.server("localhost", Flaw::None);
    let (certificate, key) = identity.write(scene.file("x").parent().unwrap(), "admin");
    let token = "0123456789abcdef0123456789abcdef";
    std::fs::write(scene.file("token"), token).unwrap();
    let lines = format!(
        "token-file = \"{}\"\ntls = {{ certificate = \"{}\", key = \"{}\" }}",
        scene.file("token").display(),
        certificate.display(),
        key.display()
    );
    let url = format!("http://{}", signer.address());
    let config = Config::new(&scene)
        .admin(&lines)
        .signer(NAMES[0], 1, "", &[url]);
    let mut proxy = Proxy::new(config);
    proxy.init(signer.keys(), FLOOR).await;
    proxy.spawn();
    let port = proxy.config.admin_port;
    let client = TlsClient::new(&authority.pem(), None);
    until("the admin port", async || {
        let probe = client
            .exchange(port, &http::get_request("localhost", "/readyz"))
            .await;
        probe.is_ok_and(|answer| answer.status == 200).then_some(())
    })
    .await;
    for (path, header, status) in [
        ("/livez", "", 200),
        ("/status", "", 401),
        ("/metrics", "authorization: Bearer wrong\r\n", 401),
        (
            "/metrics",
            &format!("authorization: Bearer {token}\r\n"),
            200,
        ),
        (
            "/status",
            &format!("authorization: Bearer {token}\r\n"),
            200,
        ),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{header}\r\n");
        let answer = client.exchange(port, &request).await.unwrap();
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    // Without TLS nobody says anything there.
    let mut plain = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut said = Vec::new();
    plain.read_to_end(&mut said).await.ok();
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    // The command knows the way by the configuration.
    let status = proxy.command(&["status"], &["--json"]).await;
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["signers"][0]["name"], NAMES[0]);
    std::fs::write(scene.file("token"), "fedcba9876543210fedcba9876543210").unwrap();
    let status = proxy.command(&["status"], &["--json"]).await;
    assert!(
        status
            .stderr
            .contains("another token than is in admin.token-file"),
        "{status:?}"
    );
    assert_eq!(status.code, Some(1));
}
