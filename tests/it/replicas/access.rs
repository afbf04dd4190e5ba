//! An etcd that lets only some in: by certificates both ways, and by user and password.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::config::Config;
use crate::harness::direct::FLOOR;
use crate::harness::http::{exchange, sized_post};
use crate::harness::payload::attestation;
use crate::harness::ports;
use crate::harness::process::Process;
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;
use crate::harness::tls::{Authority, Flaw};
use crate::harness::wait::until;

const NAME: &str = "localhost";
const PASSWORD: &str = "correct horse";

/// One member with a door that speaks TLS, and one for the operator.
struct Member {
    tls: u16,
    plain: String,
    authority: Authority,
    scene: Scene,
    _process: Process,
}

impl Member {
    async fn start(asks_for_certificates: bool) -> Self {
        let scene = Scene::new();
        let authority = Authority::new("etcd");
        let file = authority.write(&scene.file("ca.crt"));
        // etcd's JSON gateway is a client of etcd, with the certificate of the member.
        let usage = if asks_for_certificates {
            Flaw::EveryUse
        } else {
            Flaw::None
        };
        let (certificate, key) = authority
            .server(NAME, usage)
            .write(scene.file("").as_path(), "etcd");
        let [tls, plain, peer] = [(); 3].map(|()| ports::free());
        let clients = format!("https://127.0.0.1:{tls},http://127.0.0.1:{plain}");
        let peer = format!("http://127.0.0.1:{peer}");
        let mut command = Command::new("etcd");
        command
            .args(["--name", "m", "--initial-cluster", &format!("m={peer}")])
            .args([
                "--listen-client-urls",
                &clients,
                "--advertise-client-urls",
                &clients,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .arg("--data-dir")
            .arg(scene.file("data"))
            .arg("--cert-file")
            .arg(&certificate)
            .arg("--key-file")
            .arg(&key);
        if asks_for_certificates {
            command
                .args(["--client-cert-auth", "--trusted-ca-file"])
                .arg(&file);
        }
        let process = Process::start("etcd", &mut command);
        let member = Self {
            tls,
            plain: format!("127.0.0.1:{plain}"),
            authority,
            scene,
            _process: process,
        };
        until("etcd", async || {
            let answer = member.call("/v3/maintenance/status", &json!({})).await?;
            answer["leader"].is_string().then_some(())
        })
        .await;
        member
    }

    /// What the operator asks for.
    async fn call(&self, path: &str, body: &Value) -> Option<Value> {
        let request = sized_post("etcd", path, &body.to_string());
        let answer = exchange(&self.plain, &request).await.ok()?;
        (answer.status == 200).then(|| answer.json())
    }

    /// A proxy with `more` in its `[store]`; `tls` is the inside of `store.tls`.
    fn proxy(&self, scene: &Scene, signer: &Signer, tls: &str, more: &str) -> Proxy {
        let store = format!(
            "[store]\nkind = \"etcd\"\nprefix = \"/it\"\nendpoints = [\"https://{NAME}:{}\"]\ntls = {{ {tls} }}\n{more}",
            self.tls
        );
        let url = format!("http://{}", signer.address());
        let config = Config::new(scene).table(&store).keys(signer.keys());
        Proxy::new(config.signer("home-a", 1, "", &[url]))
    }

    fn ca(&self) -> PathBuf {
        self.scene.file("ca.crt")
    }
}

/// Signs one slot through it, and another one after a restart.
async fn assert_signs(mut proxy: Proxy, signer: &Signer) {
    proxy.init(signer.keys(), FLOOR).await;
    let key = &signer.keys()[0];
    for level in [1, 2] {
        proxy.start().await;
        proxy.until_signers(&["home-a"], "up").await;
        let bytes = attestation(FLOOR + level).bytes(key.curve(), 1);
        let baker = proxy.baker(signer.keys());
        baker.sign(key, &bytes).await.signature();
        proxy.stop().await;
    }
}

/// What `watermark init` says when it is not let in.
async fn refusal(proxy: &Proxy, signer: &Signer) -> String {
    let hash = signer.keys()[0].hash().to_string();
    let arguments = ["--key", &hash, "--level", "1"];
    let finished = proxy.command(&["watermark", "init"], &arguments).await;
    assert_ne!(finished.code, Some(0), "{finished:?}");
    finished.stderr
}

fn inline(ca: &Path, identity: Option<&(PathBuf, PathBuf)>) -> String {
    let identity = identity.map_or_else(String::new, |(certificate, key)| {
        let (certificate, key) = (certificate.display(), key.display());
        format!(", certificate = \"{certificate}\", key = \"{key}\"")
    });
    format!("ca = \"{}\"{identity}", ca.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_asks_for_certificates_gets_ours_and_is_known_by_its_own() {
    let member = Member::start(true).await;
    let scene = Scene::new();
    let signer = Signer::start(&scene, "home-a", &[]).await;
    let ours = member.authority.client("proxy", Flaw::None);
    let ours = ours.write(scene.file("").as_path(), "proxy");
    let with = |tls: &str| member.proxy(&scene, &signer, tls, "");
    let stranger = Authority::new("stranger").write(&scene.file("stranger.crt"));
    let refused = refusal(&with(&inline(&stranger, Some(&ours))), &signer).await;
    assert!(refused.contains("certificate"), "{refused}");
    let refused = refusal(&with(&inline(&member.ca(), None)), &signer).await;
    assert!(refused.contains("no member of etcd answers"), "{refused}");
    assert_signs(with(&inline(&member.ca(), Some(&ours))), &signer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_asks_for_a_password_lets_in_who_has_rights_on_the_prefix() {
    let member = Member::start(false).await;
    let encoded = |text: &str| STANDARD.encode(text);
    let role = |name: &str| json!({"name": name, "perm": {"permType": "READWRITE", "key": encoded("/it/"), "range_end": encoded("/it0")}});
    for (path, body) in [
        ("user/add", json!({"name": "root", "password": "root"})),
        ("role/add", json!({"name": "root"})),
        ("user/grant", json!({"user": "root", "role": "root"})),
        ("user/add", json!({"name": "proxy", "password": PASSWORD})),
        ("user/add", json!({"name": "guest", "password": PASSWORD})),
        ("role/add", json!({"name": "proxies"})),
        ("role/grant", role("proxies")),
        ("user/grant", json!({"user": "proxy", "role": "proxies"})),
        ("enable", json!({})),
    ] {
        let done = member.call(&format!("/v3/auth/{path}"), &body).await;
        assert!(done.is_some(), "{path} {body}");
    }
    let scene = Scene::new();
    let signer = Signer::start(&scene, "home-a", &[]).await;
    let file = scene.file("password");
    let with = |user: &str, password: &str| {
        std::fs::write(&file, format!("{password}\n")).unwrap();
        let more = format!("user = \"{user}\"\npassword-file = \"{}\"", file.display());
        member.proxy(&scene, &signer, &inline(&member.ca(), None), &more)
    };
    let refused = refusal(&with("proxy", "wrong"), &signer).await;
    assert!(refused.contains("authentication failed"), "{refused}");
    let refused = refusal(&with("guest", PASSWORD), &signer).await;
    assert!(refused.contains("permission denied"), "{refused}");
    assert_signs(with("proxy", PASSWORD), &signer).await;
}
