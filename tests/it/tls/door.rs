//! Towards bakers: their certificates, ours, and what is replaced while they ask.

use std::fmt::Write as _;

use signer_proxy::tezos::{Curve, PublicKey, sign_body};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::harness::baker::signature_of;
use crate::harness::config::Config;
use crate::harness::direct::FLOOR;
use crate::harness::http;
use crate::harness::payload::attestation;
use crate::harness::ports;
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;
use crate::harness::tls::{Authority, Flaw, Identity, TlsClient};
use crate::harness::wait::{PATIENCE, until};

/// A proxy with an https door.
struct Door {
    proxy: Proxy,
    port: u16,
    signer: Signer,
    scene: Scene,
}

impl Door {
    async fn start(identity: &Identity, client_ca: Option<&str>, tables: &str) -> Self {
        let scene = Scene::new();
        let signer = Signer::start(&scene, "home-a", &[]).await;
        let port = ports::free();
        let (certificate, key) = identity.write(scene.file("x").parent().unwrap(), "door");
        let mut lines = format!(
            "https = \"127.0.0.1:{port}\"\n[listen.tls]\ncertificate = \"{}\"\nkey = \"{}\"",
            certificate.display(),
            key.display()
        );
        if let Some(pem) = client_ca {
            std::fs::write(scene.file("clients.crt"), pem).unwrap();
            let file = scene.file("clients.crt");
            write!(lines, "\nclient-ca = \"{}\"", file.display()).unwrap();
        }
        let url = format!("http://{}", signer.address());
        let config =
            Config::new(&scene)
                .listen(&lines)
                .table(tables)
                .signer("home-a", 1, "", &[url]);
        let mut proxy = Proxy::new(config);
        let is_served = |key: &&PublicKey| {
            !tables.contains("[[key]]") || tables.contains(&key.hash().to_string())
        };
        proxy
            .init(signer.keys().iter().filter(is_served), FLOOR)
            .await;
        proxy.start().await;
        proxy.until_signers(&["home-a"], "up").await;
        Self {
            proxy,
            port,
            signer,
            scene,
        }
    }

    /// Asks for the vote of a level.
    async fn vote(
        &self,
        client: &TlsClient,
        curve: Curve,
        level: u32,
    ) -> std::io::Result<http::Answer> {
        let key = self.signer.key(curve);
        let bytes = attestation(level).bytes(curve, 1);
        let request = http::sized_post(
            "localhost",
            &format!("/keys/{}?version=3", key.hash()),
            &sign_body(&bytes),
        );
        client.exchange(self.port, &request).await
    }

    async fn signs(&self, client: &TlsClient, level: u32) -> bool {
        let key = self.signer.key(Curve::Ed25519);
        let answer = self.vote(client, Curve::Ed25519, level).await;
        let bytes = attestation(level).bytes(Curve::Ed25519, 1);
        signature_of(&key, &bytes, &answer).is_ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bakers_certificates_are_checked_and_an_authority_that_is_removed_lets_nobody_in() {
    let (doors, bakers, others) = (
        Authority::new("doors"),
        Authority::new("bakers"),
        Authority::new("others"),
    );
    let identity = doors.server("localhost", Flaw::None);
    let door = Door::start(&identity, Some(&bakers.pem()), "").await;
    let client = |identity: Option<&Identity>| TlsClient::new(&doors.pem(), identity);
    let good = bakers.client("baker-1", Flaw::None);
    assert!(door.signs(&client(Some(&good)), FLOOR + 1).await);
    let bad = [
        None,
        Some(bakers.client("baker-1", Flaw::Expired)),
        Some(bakers.client("baker-1", Flaw::NotYetValid)),
        Some(bakers.client("baker-1", Flaw::WrongUse)),
        Some(others.client("baker-1", Flaw::None)),
        Some(bakers.below("between").client("baker-1", Flaw::None)),
    ];
    for identity in &bad {
        assert!(
            !door.signs(&client(identity.as_ref()), FLOOR + 2).await,
            "{identity:?}"
        );
    }
    assert_eq!(door.signer.received().await, 1);
    // Bakers of another authority from now on.
    std::fs::write(door.scene.file("clients.crt"), others.pem()).unwrap();
    let new = client(Some(&others.client("baker-2", Flaw::None)));
    until("the new authority to be trusted", async || {
        door.signs(&new, FLOOR + 3).await.then_some(())
    })
    .await;
    assert!(!door.signs(&client(Some(&good)), FLOOR + 4).await);
}

/// Asks over a connection that stays open; whether there was an answer.
async fn answers(kept: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> bool {
    let request = b"GET /authorized_keys HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut said = Vec::new();
    if kept.write_all(request).await.is_err() {
        return false;
    }
    while !said.contains(&b'}') {
        match kept.read_buf(&mut said).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return false,
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_removed_ends_what_its_bakers_have_open() {
    let (doors, bakers, others) = (
        Authority::new("doors"),
        Authority::new("bakers"),
        Authority::new("others"),
    );
    let identity = doors.server("localhost", Flaw::None);
    let both = format!("{}{}", bakers.pem(), others.pem());
    let door = Door::start(&identity, Some(&both), "").await;
    let client = |of: &Authority| TlsClient::new(&doors.pem(), Some(&of.client("b", Flaw::None)));
    let mut removed = client(&bakers).connect(door.port).await.unwrap();
    let mut stays = client(&others).connect(door.port).await.unwrap();
    assert!(answers(&mut removed).await && answers(&mut stays).await);
    std::fs::write(door.scene.file("clients.crt"), others.pem()).unwrap();
    // Without being asked anything.
    let ended = tokio::time::timeout(PATIENCE, removed.read(&mut [0])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    assert!(answers(&mut stays).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_be_bound_to_names_of_certificates() {
    let (doors, bakers) = (Authority::new("doors"), Authority::new("bakers"));
    let identity = doors.server("localhost", Flaw::None);
    let scene = Scene::new();
    let signer = Signer::start(&scene, "keys", &[]).await;
    let bound = signer.key(Curve::Ed25519).hash();
    let free = signer.key(Curve::P256).hash();
    let keys =
        format!("[[key]]\nhash = \"{bound}\"\nclients = [\"baker-1\"]\n[[key]]\nhash = \"{free}\"");
    let door = Door::start(&identity, Some(&bakers.pem()), &keys).await;
    let client = |name: &str| {
        let identity = bakers.client(name, Flaw::None);
        TlsClient::new(&doors.pem(), Some(&identity))
    };
    assert!(door.signs(&client("baker-1"), FLOOR + 1).await);
    let other = client("baker-2");
    let refused = door.vote(&other, Curve::Ed25519, FLOOR + 2).await.unwrap();
    let refused = refused.refusal(403);
    assert!(
        refused.starts_with("[auth] ") && refused.contains("baker-2"),
        "{refused}"
    );
    let answer = door.vote(&other, Curve::P256, FLOOR + 2).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    // The plain door shows no certificate.
    let baker = door.proxy.baker(door.signer.keys());
    let bytes = attestation(FLOOR + 3).bytes(Curve::Ed25519, 1);
    let refused = baker.sign(&door.signer.key(Curve::Ed25519), &bytes).await;
    assert!(refused.refusal(403).starts_with("[auth] "));
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_certificates_under_load_loses_nothing_and_a_broken_one_changes_nothing() {
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let door = Door::start(&first.server("localhost", Flaw::None), None, "").await;
    let folder = door.scene.file("x").parent().unwrap().to_owned();
    let both = TlsClient::new(&format!("{}{}", first.pem(), second.pem()), None);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let key = door.signer.key(Curve::Ed25519);
    let mut load = JoinSet::new();
    for worker in 0..4_u32 {
        let (both, stopped, port) = (both.clone(), stopped.clone(), door.port);
        let hash = key.hash();
        load.spawn(async move {
            let mut asked = 0_u32;
            while !*stopped.borrow() {
                let path = format!("/keys/{hash}?worker={worker}");
                let answer = both
                    .exchange(port, &http::get_request("localhost", &path))
                    .await;
                assert_eq!(answer.unwrap().status, 200);
                asked += 1;
            }
            asked
        });
    }
    let only_second = TlsClient::new(&second.pem(), None);
    let get = || http::get_request("localhost", "/authorized_keys");
    assert!(only_second.exchange(door.port, &get()).await.is_err());
    second
        .server("localhost", Flaw::None)
        .write(&folder, "door");
    until("the new certificate to be shown", async || {
        only_second.exchange(door.port, &get()).await.ok()
    })
    .await;
    // A key that is not the certificate's.
    std::fs::write(
        folder.join("door.key"),
        first.server("localhost", Flaw::None).key,
    )
    .unwrap();
    let broken = until("the broken one to be told", async || {
        let status = door.proxy.status().await;
        let certificate = status["certificates"][0].clone();
        (certificate["state"] == "broken").then_some(certificate)
    })
    .await;
    assert!(
        broken["cause"]
            .as_str()
            .unwrap()
            .contains("the key is not the one of the certificate"),
        "{broken}"
    );
    assert!(only_second.exchange(door.port, &get()).await.is_ok());
    stop.send(true).unwrap();
    let mut asked = 0;
    while let Some(worker) = load.join_next().await {
        asked += worker.unwrap();
    }
    assert!(asked > 20, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_certificate_is_in_metric_and_status() {
    let authority = Authority::new("doors");
    let door = Door::start(&authority.server("localhost", Flaw::Expired), None, "").await;
    let metrics = until("the metric", async || {
        let metrics = http::get(&door.proxy.admin(), "/metrics")
            .await
            .unwrap()
            .body;
        metrics
            .contains("certificate_expiry_timestamp_seconds")
            .then_some(metrics)
    })
    .await;
    // 2021-01-01T00:00:00Z
    let line =
        "signer_proxy_certificate_expiry_timestamp_seconds{certificate=\"listen.tls\"} 1609459200";
    assert!(metrics.contains(line), "{metrics}");
    let status = door.proxy.status().await;
    assert_eq!(status["certificates"][0]["state"], "expired", "{status}");
    assert_eq!(status["certificates"][0]["expires"], "2021-01-01T00:00:00Z");
}
