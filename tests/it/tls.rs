//! Certificates that are wrong in every way that they can be, and certificates that are replaced.

mod door;

use std::fmt::Write as _;

use signer_proxy::tezos::Curve;

use crate::harness::config::Config;
use crate::harness::direct::FLOOR;
use crate::harness::payload::attestation;
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;
use crate::harness::tls::{Authority, Flaw, Identity, TlsFront};
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

    /// Waits for words of the other side. With TLS 1.3 they come after the handshake, and the end of the connection
    /// can overtake them.
    async fn until_cause(&self, words: &str) {
        until(words, async || {
            let status = self.proxy.status().await;
            let cause = status["signers"][0]["paths"][0]["cause"]
                .as_str()?
                .to_owned();
            cause.contains(words).then_some(())
        })
        .await;
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
                write!(
                    tls,
                    ", certificate = \"{}\", key = \"{}\"",
                    certificate.display(),
                    key.display()
                )
                .unwrap();
            }
            tls
        }
    };
    let ours = proxies.client("proxy", Flaw::None);
    let towards = Towards::start(&identity, Some(&proxies.pem()), with(Some(ours))).await;
    assert_eq!(towards.cause().await, "up");
    towards.signs().await;

    let towards = Towards::start(&identity, Some(&proxies.pem()), with(None)).await;
    towards.until_cause("wants a certificate of ours").await;

    let expired = proxies.client("proxy", Flaw::Expired);
    let towards = Towards::start(&identity, Some(&proxies.pem()), with(Some(expired))).await;
    towards.until_cause("our certificate has expired").await;
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
