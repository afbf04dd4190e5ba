//! Every door in, every kind of path out, every curve: all sign.

mod patience;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use signer_proxy::dev_signer::keys_from_seed;
use signer_proxy::tezos::{AuthorizedKeys, Curve, PublicKey, decode_public_key, sign_body};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::harness::baker::signature_of;
use crate::harness::config::Config;
use crate::harness::direct::FLOOR;
use crate::harness::frames::{Door, Front, sign_request, words_of};
use crate::harness::http;
use crate::harness::payload::{attestation, slot};
use crate::harness::ports;
use crate::harness::proxy::Proxy;
use crate::harness::relay::relay;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;
use crate::harness::tls::{Authority, Flaw, TlsClient, TlsFront};

const CURVES: [Curve; 4] = [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls];

/// A proxy with all four doors.
struct Doors {
    proxy: Proxy,
    https: u16,
    tls: TlsClient,
    tcp: Door,
    unix: Door,
    keys: Vec<PublicKey>,
    // Last, so that they outlive what uses them.
    _scene: Scene,
}

impl Doors {
    /// In front of one signer, whose table has `path` after its url and `settings`.
    async fn before(
        scene: Scene,
        keys: &[PublicKey],
        (url, path): (&str, &str),
        settings: &str,
        tables: &str,
    ) -> Self {
        let authority = Authority::new("bakers");
        let (certificate, key) = authority
            .server("localhost", Flaw::None)
            .write(scene.file("x").parent().unwrap(), "door");
        let (https, tcp) = (ports::free(), ports::free());
        let socket = scene.socket("s");
        let lines = format!(
            "https = \"127.0.0.1:{https}\"\ntcp = \"127.0.0.1:{tcp}\"\nunix = \"{}\"\n[listen.tls]\n\
             certificate = \"{}\"\nkey = \"{}\"",
            socket.display(),
            certificate.display(),
            key.display()
        );
        let signer = format!(
            "[[signer]]\nname = \"home-a\"\n{settings}\n[[signer.path]]\nurl = \"{url}\"\n{path}"
        );
        let config = Config::new(&scene)
            .listen(&lines)
            .table(tables)
            .keys(keys)
            .table(&signer);
        let mut proxy = Proxy::new(config);
        proxy.init(keys, FLOOR).await;
        proxy.start().await;
        proxy.until_signers(&["home-a"], "up").await;
        Self {
            proxy,
            https,
            tls: TlsClient::new(&authority.pem(), None),
            tcp: Door::Tcp(format!("127.0.0.1:{tcp}")),
            unix: Door::Unix(socket),
            keys: keys.to_vec(),
            _scene: scene,
        }
    }

    /// A signature of every key through every door, each at a level of its own.
    async fn all_sign(&self) -> usize {
        let mut level = FLOOR;
        for key in &self.keys {
            let mut next = || {
                level += 1;
                attestation(level).bytes(key.curve(), 1)
            };
            let baker = self.proxy.baker(&self.keys);
            baker.sign(key, &next()).await.signature();
            let bytes = next();
            let request = http::sized_post(
                "localhost",
                &format!("/keys/{}?version=3", key.hash()),
                &sign_body(&bytes),
            );
            let answer = self.tls.exchange(self.https, &request).await;
            signature_of(key, &bytes, &answer).unwrap();
            self.tcp.sign(key, &next(), None).await.unwrap();
            self.unix.sign(key, &next(), None).await.unwrap();
        }
        4 * self.keys.len()
    }
}

/// How a proxy reaches its signer.
#[derive(Clone, Copy, Debug)]
enum Way {
    Http,
    HttpUnix,
    Https,
    Tcp,
    Unix,
}

/// What stands between; ends when dropped.
#[expect(dead_code, reason = "held for what it does when it is dropped")]
enum Between {
    Nothing,
    Frames(Front),
    Tls(TlsFront),
    Relay(JoinSet<()>),
}

/// The url of the signer, further lines of its path, and what stands between.
async fn lead(way: Way, scene: &Scene, signer: &Signer) -> (String, String, Between) {
    let address = signer.address();
    let plain = String::new();
    match way {
        Way::Http => (format!("http://{address}"), plain, Between::Nothing),
        Way::HttpUnix => {
            let socket = scene.socket("h");
            let relay = Between::Relay(relay(&socket, address));
            (format!("http+unix://{}", socket.display()), plain, relay)
        }
        Way::Https => {
            let authority = Authority::new("signers");
            let identity = authority.server("localhost", Flaw::None);
            let front = TlsFront::start(address, &identity, None).await;
            let ca = authority.write(&scene.file("ca.crt"));
            let path = format!("tls = {{ ca = \"{}\" }}", ca.display());
            (front.url(), path, Between::Tls(front))
        }
        Way::Tcp => {
            let front = Front::tcp(address).await;
            (front.url.clone(), plain, Between::Frames(front))
        }
        Way::Unix => {
            let front = Front::unix(address, &scene.socket("f"));
            (front.url.clone(), plain, Between::Frames(front))
        }
    }
}

async fn every_door_before(way: Way, faults: Option<serde_json::Value>) {
    let scene = Scene::new();
    let signer = Signer::start(&scene, "home-a", &[]).await;
    if let Some(faults) = faults {
        signer.faults(&faults).await;
    }
    let (url, path, _between) = lead(way, &scene, &signer).await;
    let keys = signer.keys().to_vec();
    assert_eq!(keys.len(), CURVES.len());
    let doors = Doors::before(scene, &keys, (&url, &path), "", "").await;
    let count = doors.all_sign().await;
    crate::harness::checker::assert_clean(&[&signer], count);
}

/// octez-signer 24 answers 400 to version 3 over HTTP; over sockets nobody is asked for more than 2.
fn octez_24() -> serde_json::Value {
    json!({"max_version": 2})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_leads_to_a_signer_over_http() {
    every_door_before(Way::Http, None).await;
    every_door_before(Way::Http, Some(octez_24())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_leads_to_a_signer_over_http_on_a_unix_socket() {
    every_door_before(Way::HttpUnix, None).await;
    every_door_before(Way::HttpUnix, Some(octez_24())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_leads_to_a_signer_over_https() {
    every_door_before(Way::Https, None).await;
    every_door_before(Way::Https, Some(octez_24())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_leads_to_a_signer_over_octez_sockets() {
    every_door_before(Way::Tcp, None).await;
    every_door_before(Way::Tcp, Some(octez_24())).await;
    every_door_before(Way::Unix, None).await;
    every_door_before(Way::Unix, Some(octez_24())).await;
}

/// A signer with a proxy whose doors are all open, over HTTP.
async fn plain(signer: &[&str], settings: &str, tables: &str) -> (Signer, Doors) {
    let scene = Scene::new();
    let signer = Signer::start(&scene, "home-a", signer).await;
    let url = format!("http://{}", signer.address());
    let keys = signer.keys().to_vec();
    let doors = Doors::before(scene, &keys, (&url, ""), settings, tables).await;
    (signer, doors)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_door_answers_every_request_of_the_protocol() {
    let (_signer, doors) = plain(&[], "", "").await;
    let key = &doors.keys[0];
    let hash = key.hash().tagged();
    assert_eq!(doors.tcp.ask(&[2]).await.unwrap(), [0, 0]);
    let shown = doors.unix.ask(&[&[1], &hash[..]].concat()).await.unwrap();
    assert_eq!(shown, [&[0, key.curve().tag()], key.raw()].concat());
    // Keys are not listed unless the configuration says so.
    let known = doors.tcp.ask(&[6]).await.unwrap();
    assert!(words_of(&known).starts_with("[policy] "), "{known:?}");
    let supports = doors.tcp.ask(&[&[5], &hash[..]].concat()).await.unwrap();
    assert_eq!(supports, [0, 0]);
    for tag in [3, 4] {
        let request = [&[tag], &hash[..], &[0, 0, 0, 1, 7]].concat();
        let nonce = doors.tcp.ask(&request).await.unwrap();
        assert!(words_of(&nonce).contains("nonces"), "{nonce:?}");
    }
    let bls = doors
        .keys
        .iter()
        .find(|key| key.curve() == Curve::Bls)
        .unwrap();
    let request = [&[7], &bls.hash().tagged()[..], &[0]].concat();
    let proof = doors.unix.ask(&request).await.unwrap();
    assert_eq!((proof[0], proof.len()), (0, 97));
    let nonsense = doors.tcp.ask(&[99]).await.unwrap();
    assert!(
        words_of(&nonsense).starts_with("[malformed] "),
        "{nonsense:?}"
    );
    // What is not understood ends its connection: nothing more is answered there.
    let after = doors.tcp.converse(&[vec![99], vec![2]]).await;
    assert!(after.is_err(), "{after:?}");
    let baker = doors.proxy.baker(&doors.keys);
    let answer = baker.get(&format!("/keys/{}", key.hash())).await.unwrap();
    assert_eq!(decode_public_key(answer.body.as_bytes()).unwrap(), *key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_guard_is_an_error_on_a_socket_and_a_repeat_is_replayed_through_any_door()
{
    let (signer, doors) = plain(&[], "", "").await;
    let key = &doors.keys[0];
    let vote = |fill| attestation(FLOOR + 1).bytes(key.curve(), fill);
    let first = doors.tcp.sign(key, &vote(1), None).await.unwrap();
    let refused = doors.unix.sign(key, &vote(2), None).await.unwrap_err();
    assert!(refused.starts_with("[watermark] "), "{refused}");
    assert_eq!(doors.unix.sign(key, &vote(1), None).await.unwrap(), first);
    let baker = doors.proxy.baker(&doors.keys);
    assert_eq!(baker.sign(key, &vote(1)).await.signature(), first);
    crate::harness::checker::assert_clean(&[&signer], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn authentication_goes_through_every_door_and_on_to_every_kind_of_signer() {
    let identity = keys_from_seed("baker", &[Curve::Ed25519]).remove(0);
    let listed = identity.public_key().to_string();
    let scene = Scene::new();
    let demanding = ["--authorized-key", &listed, "--demand-authentication"];
    let signer = Signer::start(&scene, "home-a", &demanding).await;
    let front = Front::tcp(signer.address()).await;
    let keys = signer.keys().to_vec();
    let auth = format!("[auth]\nauthorized-keys = [\"{listed}\"]");
    let doors = Doors::before(scene, &keys, (&front.url, ""), "", &auth).await;
    let key = &keys[0];
    let vote = |level| attestation(level).bytes(key.curve(), 1);
    let list = doors.tcp.ask(&[2]).await.unwrap();
    assert_eq!(
        list,
        [
            &[0, 1, 0, 0, 0, 21],
            &identity.public_key().hash().tagged()[..]
        ]
        .concat()
    );
    let none = doors
        .tcp
        .sign(key, &vote(FLOOR + 1), None)
        .await
        .unwrap_err();
    assert!(none.starts_with("[auth] "), "{none}");
    doors
        .tcp
        .sign(key, &vote(FLOOR + 1), Some(&identity))
        .await
        .unwrap();
    let baker = doors.proxy.baker(&keys).with_identity(identity);
    baker.sign(key, &vote(FLOOR + 2)).await.signature();
    crate::harness::checker::assert_clean(&[&signer], 2);
}

/// A file that nobody else can read, with `text`.
fn secret_file(scene: &Scene, text: &str) -> PathBuf {
    let file = scene.file("auth.key");
    std::fs::write(&file, text).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, private).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn in_mode_own_signers_are_shown_the_proxys_own_signature() {
    let own = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";
    let public: PublicKey = "edpkuBknW28nW72KG6RoHtYW7p12T6GKc7nAbwYX5m8Wd9sDVC9yav"
        .parse()
        .unwrap();
    let scene = Scene::new();
    let file = secret_file(&scene, own);
    let demanding = [
        "--authorized-key",
        &public.to_string(),
        "--demand-authentication",
    ];
    let signer = Signer::start(&scene, "home-a", &demanding).await;
    let front = Front::tcp(signer.address()).await;
    let keys = signer.keys().to_vec();
    // One key for all, or one for this signer.
    let by_signer = format!("auth-key = \"{}\"", file.display());
    let doors = Doors::before(
        scene,
        &keys,
        (&front.url, ""),
        &by_signer,
        "[auth]\nmode = \"own\"",
    );
    let doors = doors.await;
    let vote = attestation(FLOOR + 1).bytes(keys[0].curve(), 1);
    doors.tcp.sign(&keys[0], &vote, None).await.unwrap();
    drop(doors);

    let scene = Scene::new();
    let file = secret_file(&scene, own);
    let auth = format!(
        "[auth]\nmode = \"own\"\nsigning-key-file = \"{}\"",
        file.display()
    );
    let signer = Signer::start(&scene, "home-a", &demanding).await;
    let front = Front::tcp(signer.address()).await;
    let doors = Doors::before(scene, &keys, (&front.url, ""), "", &auth).await;
    // Nothing is asked of bakers, whatever the signer demands.
    let list = http::get(doors.proxy.baker(&keys).address(), "/authorized_keys")
        .await
        .unwrap();
    let list = signer_proxy::tezos::decode_authorized_keys(list.body.as_bytes()).unwrap();
    assert_eq!(list, AuthorizedKeys::NotRequired);
    let count = doors.all_sign().await;
    crate::harness::checker::assert_clean(&[&signer], count);
}
