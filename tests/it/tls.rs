//! Certificates that are wrong in every way that they can be, and certificates that are replaced.

use signer_proxy::tezos::{Curve, PublicKey, sign_body};
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
use crate::harness::tls::{Authority, Flaw, Identity, TlsClient, TlsFront};
use crate::harness::wait::until;

/// A proxy before one signer that shows `identity`, with `tls` for its path.
struct Towards {
    proxy: Proxy,
    _front: TlsFront,
    signer: Signer,
    scene: Scene,
}

impl Towards {
    async fn start(
        identity: &Identity,
        clients: Option<&str>,
        tls: impl FnOnce(&Scene) -> String,
    ) -> Self {
        let scene = Scene::new();
        let signer = Signer::start(&scene, "home-a", &[]).await;
        let front = TlsFront::start(signer.address(), identity, clients).await;
        let path = format!(
            "[[signer]]\nname = \"home-a\"\n[[signer.path]]\nurl = \"{}\"\ntls = {{ {} }}",
            front.url(),
            tls(&scene)
        );
        let config = Config::new(&scene).keys(signer.keys()).table(&path);
        let mut proxy = Proxy::new(config);
        proxy.init(signer.keys(), FLOOR).await;
        proxy.start().await;
        Self {
            proxy,
            _front: front,
            signer,
            scene,
        }
    }

    /// What the status says of the path once it says something.
    async fn cause(&self) -> String {
        until("the path to be judged", async || {
            let status = self.proxy.status().await;
            let path = &status["signers"][0]["paths"][0];
            match path["state"].as_str().unwrap() {
                "down" => Some(path["cause"].as_str().unwrap().to_owned()),
                "up" => Some("up".to_owned()),
                _ => None,
            }
        })
        .await
    }

    async fn signs(&self) {
        let key = self.signer.key(Curve::Ed25519);
        let bytes = attestation(FLOOR + 1).bytes(Curve::Ed25519, 1);
        let baker = self.proxy.baker(self.signer.keys());
        baker.sign(&key, &bytes).await.signature();
    }
}

fn ca(authority: &Authority) -> impl FnOnce(&Scene) -> String {
    |scene| {
        let file = authority.write(&scene.file("ca.crt"));
        format!("ca = \"{}\"", file.display())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signers_certificate_is_checked_and_what_is_wrong_with_it_is_named() {
    let (authority, other) = (Authority::new("signers"), Authority::new("others"));
    let between = authority.below("between");
    let table = [
        (
            authority.server("localhost", Flaw::Expired),
            "the other side's certificate has expired",
        ),
        (
            authority.server("localhost", Flaw::NotYetValid),
            "the other side's certificate is not valid yet",
        ),
        (
            other.server("localhost", Flaw::None),
            "does not chain up to an authority that is trusted here",
        ),
        (
            authority.server("elsewhere.example", Flaw::None),
            "is not for localhost",
        ),
        (
            authority.server("localhost", Flaw::WrongUse),
            "is not meant for this use",
        ),
        // The authority in between is not shown.
        (
            between.server("localhost", Flaw::None),
            "does not chain up to an authority that is trusted here",
        ),
    ];
    for (identity, expected) in table {
        let towards = Towards::start(&identity, None, ca(&authority)).await;
        let cause = towards.cause().await;
        assert!(cause.contains(expected), "{expected}: {cause}");
    }
    let leaf = between.server("localhost", Flaw::None);
    let whole = Identity {
        certificate: format!("{}{}", leaf.certificate, between.pem()),
        ..leaf
    };
    let towards = Towards::start(&whole, None, ca(&authority)).await;
    assert_eq!(towards.cause().await, "up");
    towards.signs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_that_asks_for_a_certificate_gets_ours_and_its_name_may_be_another() {
    let (authority, proxies) = (Authority::new("signers"), Authority::new("proxies"));
    let identity = authority.server("home-a.example", Flaw::None);
    let with = |ours: Option<Identity>| {
        let ca = authority.pem();
        move |scene: &Scene| {
            std::fs::write(scene.file("ca.crt"), ca).unwrap();
            let mut tls = format!(
                "ca = \"{}\", server-name = \"home-a.example\"",
                scene.file("ca.crt").display()
            );
            if let Some(ours) = ours {
                let (certificate, key) = ours.write(scene.file("x").parent().unwrap(), "ours");
                tls.push_str(&format!(
                    ", certificate = \"{}\", key = \"{}\"",
                    certificate.display(),
                    key.display()
                ));
            }
            tls
        }
    };
    let ours = proxies.client("proxy", Flaw::None);
    let towards = Towards::start(&identity, Some(&proxies.pem()), with(Some(ours))).await;
    assert_eq!(towards.cause().await, "up");
    towards.signs().await;

    let towards = Towards::start(&identity, Some(&proxies.pem()), with(None)).await;
    let cause = towards.cause().await;
    assert!(cause.contains("wants a certificate of ours"), "{cause}");

    let expired = proxies.client("proxy", Flaw::Expired);
    let towards = Towards::start(&identity, Some(&proxies.pem()), with(Some(expired))).await;
    let cause = towards.cause().await;
    assert!(cause.contains("our certificate has expired"), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_without_tls_and_a_file_that_is_not_there_are_named() {
    let authority = Authority::new("signers");
    let identity = authority.server("localhost", Flaw::None);
    let missing = |scene: &Scene| format!("ca = \"{}\"", scene.file("no.crt").display());
    let towards = Towards::start(&identity, None, missing).await;
    let cause = towards.cause().await;
    assert!(cause.contains("no.crt: No such file"), "{cause}");
    // Once it is there the path comes up by itself.
    authority.write(&towards.scene.file("no.crt"));
    towards.proxy.until_signers(&["home-a"], "up").await;
    towards.signs().await;

    let scene = Scene::new();
    let signer = Signer::start(&scene, "home-a", &[]).await;
    let url = format!("https://{}", signer.address());
    let config = Config::new(&scene)
        .keys(signer.keys())
        .signer("home-a", 1, "", &[url]);
    let mut proxy = Proxy::new(config);
    proxy.init(signer.keys(), FLOOR).await;
    proxy.start().await;
    let cause = until("the path to be judged", async || {
        let status = proxy.status().await;
        let path = &status["signers"][0]["paths"][0];
        (path["state"] == "down").then(|| path["cause"].as_str().unwrap().to_owned())
    })
    .await;
    assert!(
        cause.contains("does not speak TLS") || cause.contains("while it is being secured"),
        "{cause}"
    );
}

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
            lines.push_str(&format!("\nclient-ca = \"{}\"", file.display()));
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
