//! Tunnels that die, freeze, come back and lead elsewhere.

use std::time::Duration;

use signer_proxy::dev_signer::log::Event;
use signer_proxy::tezos::Curve;
use tokio::time::Instant;

use crate::harness::baker::Baker;
use crate::harness::checker::assert_clean;
use crate::harness::config::Config;
use crate::harness::direct::{FLOOR, NAMES};
use crate::harness::homes::Homes;
use crate::harness::load::Load;
use crate::harness::payload::attestation;
use crate::harness::proxy::Proxy;
use crate::harness::scene::{Scene, turn};
use crate::harness::signer::Signer;
use crate::harness::sshd::Sshd;
use crate::harness::tunnel::Tunnel;
use crate::harness::wait::{lasts, until};

/// The load that the promises are about: ten seconds, the fault after two.
const COUNT: usize = 200;
const RATE: u32 = 20;
const FAULT_AFTER: usize = 40;

/// How many signatures a home has made.
async fn signed(homes: &Homes, home: usize) -> usize {
    let entries = homes.signers[home].entries().await;
    let signed = entries.iter().filter(|entry| entry.event == Event::Signed);
    signed.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_without_a_fault_and_the_preferred_home_does_most() {
    let _turn = turn().await;
    let homes = Homes::start("").await;
    Load::new(COUNT, RATE * 4)
        .run(&homes.baker, FLOOR)
        .await
        .assert_all(COUNT);
    // On a starved machine some are rightly asked of both.
    assert!(signed(&homes, 0).await > COUNT / 2);
    homes.assert_clean(COUNT);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_active_tunnel_is_killed() {
    let _turn = turn().await;
    let mut homes = Homes::start("").await;
    let load = Load::new(COUNT, RATE);
    let (report, ()) = tokio::join!(load.run(&homes.baker, FLOOR), async {
        load.issued(FAULT_AFTER).await;
        homes.tunnels[0].kill();
    });
    report.assert_all(COUNT);
    assert!(signed(&homes, 1).await > COUNT / 2);
    homes.assert_clean(COUNT);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_active_tunnel_stalls() {
    let _turn = turn().await;
    let homes = Homes::start("").await;
    let load = Load::new(COUNT, RATE);
    let (report, ()) = tokio::join!(load.run(&homes.baker, FLOOR), async {
        load.issued(FAULT_AFTER).await;
        homes.tunnels[0].stall();
    });
    report.assert_all(COUNT);
    assert!(signed(&homes, 1).await > COUNT / 2);
    homes.assert_clean(COUNT);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_both_tunnels_are_gone_for_less_than_the_deadline() {
    let _turn = turn().await;
    let mut homes = Homes::start("[deadline]\nconsensus = \"15s\"").await;
    let load = Load::new(COUNT, RATE);
    let (report, ()) = tokio::join!(load.run(&homes.baker, FLOOR), async {
        load.issued(FAULT_AFTER).await;
        let gone = Instant::now();
        let [a, b] = &mut homes.tunnels;
        a.kill();
        b.kill();
        lasts(gone, Duration::from_secs(10)).await;
        tokio::join!(a.open(), b.open());
    });
    report.assert_all(COUNT);
    homes.assert_clean(COUNT);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_the_preferred_tunnel_flaps() {
    let _turn = turn().await;
    let mut homes = Homes::start("").await;
    let load = Load::new(COUNT, RATE);
    let (report, ()) = tokio::join!(load.run(&homes.baker, FLOOR), async {
        for flap in 1..5 {
            load.issued(flap * FAULT_AFTER).await;
            homes.tunnels[0].kill();
            homes.tunnels[0].open().await;
        }
    });
    report.assert_all(COUNT);
    homes.assert_clean(COUNT);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preferred_home_takes_over_again_only_after_it_has_been_good_for_a_while() {
    let mut homes = Homes::with(&["--curve", "tz2"], "", "").await;
    homes.tunnels[0].kill();
    homes.proxy.until_signers(&NAMES[..1], "down").await;
    let load = Load::new(1, RATE);
    load.run(&homes.baker, FLOOR).await.assert_all(1);
    homes.tunnels[0].open().await;
    homes.proxy.until_signers(&NAMES, "up").await;

    // Forty seconds, of which the first thirty belong to the home that has proved itself.
    let load = Load::new(80, 2);
    let report = load.run(&homes.baker, FLOOR + 1).await;
    report.assert_all(80);
    let (first, second) = (signed(&homes, 0).await, signed(&homes, 1).await);
    assert!(
        (10..=30).contains(&first) && second > 50,
        "{first} {second}"
    );
    homes.assert_clean(81);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_first_of_two_tunnels_to_one_signer_stalls_and_dies() {
    let _turn = turn().await;
    let scene = Scene::new();
    let sshd = Sshd::start(&scene).await;
    let signer = Signer::start(&scene, NAMES[0], &["--random-nonce"]).await;
    let mut fibre = Tunnel::tcp(&sshd, "fibre", signer.port());
    let mut mobile = Tunnel::unix(&sshd, "mobile", scene.socket("mobile.sock"), signer.port());
    fibre.open().await;
    mobile.open().await;
    let urls = [fibre.url(), mobile.url()];
    let config = Config::new(&scene).keys(signer.keys());
    let mut proxy = Proxy::new(config.signer(NAMES[0], 1, "", &urls));
    proxy.init(signer.keys(), FLOOR).await;
    proxy.start().await;
    proxy
        .until("both paths to be up", |status| {
            let paths = status["signers"][0]["paths"].as_array().unwrap();
            paths.iter().all(|path| path["state"] == "up")
        })
        .await;
    let baker = proxy.baker(signer.keys());
    let load = Load::new(COUNT / 2, RATE);
    let (report, ()) = tokio::join!(load.run(&baker, FLOOR), async {
        load.issued(FAULT_AFTER / 2).await;
        fibre.stall();
        load.issued(FAULT_AFTER * 3 / 2).await;
        fibre.kill();
    });
    report.assert_all(COUNT / 2);
    assert_clean(&[&signer], COUNT / 2);
}

/// One home behind a forwarded Unix socket, with a first session that is open.
struct Forwarded {
    baker: Baker,
    // Named for Drop alone.
    _proxy: Proxy,
    session: Tunnel,
    signer: Signer,
    sshd: Sshd,
    scene: Scene,
}

impl Forwarded {
    async fn start() -> Self {
        let scene = Scene::new();
        let sshd = Sshd::start(&scene).await;
        let signer = Signer::start(&scene, NAMES[0], &[]).await;
        let mut session = Self::session(&scene, &sshd, &signer, "first session");
        session.open().await;
        let config = Config::new(&scene).table("[deadline]\nconsensus = \"15s\"");
        let config = config.keys(signer.keys());
        let mut proxy = Proxy::new(config.signer(NAMES[0], 1, "", &[session.url()]));
        proxy.init(signer.keys(), FLOOR).await;
        proxy.start().await;
        proxy.until_signers(&NAMES[..1], "up").await;
        Self {
            baker: proxy.baker(signer.keys()),
            _proxy: proxy,
            session,
            signer,
            sshd,
            scene,
        }
    }

    /// Another session with the same socket; not open yet.
    fn another(&self) -> Tunnel {
        Self::session(&self.scene, &self.sshd, &self.signer, "second session")
    }

    fn session(scene: &Scene, sshd: &Sshd, signer: &Signer, name: &str) -> Tunnel {
        Tunnel::unix(sshd, name, scene.socket("home-a.sock"), signer.port())
    }

    async fn sign(&self, level: u32) {
        let key = self.signer.key(Curve::P256);
        let bytes = attestation(level).bytes(Curve::P256, 1);
        self.baker.sign(&key, &bytes).await.signature();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_session_takes_the_socket_of_a_stalled_one_at_once() {
    let home = Forwarded::start().await;
    home.sign(FLOOR + 1).await;
    home.session.stall();
    let mut second = home.another();
    second.open().await;
    home.sign(FLOOR + 2).await;
    assert_clean(&[&home.signer], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_a_stalled_session_swallowed_is_asked_again_through_a_new_one() {
    let home = Forwarded::start().await;
    home.sign(FLOOR + 1).await;
    home.session.stall();
    let mut second = home.another();
    tokio::join!(home.sign(FLOOR + 2), second.open());
    assert_clean(&[&home.signer], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_answered_and_signatures_wait_when_every_tunnel_is_down_at_the_start() {
    let mut homes = Homes::start("[deadline]\nconsensus = \"30s\"").await;
    let key = homes.signers[0].key(Curve::Bls);
    let vote = |level| attestation(level).bytes(Curve::Bls, 1);
    homes.baker.sign(&key, &vote(FLOOR + 1)).await.signature();
    // Keys are learnt one a tick and kept a moment later.
    let kept = homes.proxy.config.state.join("metadata.json");
    until("all public keys to be kept", async || {
        let kept = std::fs::read_to_string(&kept).ok()?;
        let mut keys = homes.baker.keys().iter();
        keys.all(|key| kept.contains(&key.to_string()))
            .then_some(())
    })
    .await;
    homes.proxy.kill9();
    for tunnel in &mut homes.tunnels {
        tunnel.kill();
    }
    homes.proxy.start().await;

    let asked = Instant::now();
    let list = homes.baker.get("/authorized_keys").await.unwrap();
    assert_eq!((list.status, list.body.trim()), (200, "{}"), "{list:?}");
    for key in homes.baker.keys() {
        let path = format!("/keys/{}", key.hash());
        let shown = homes.baker.get(&path).await.unwrap();
        assert_eq!(shown.json()["public_key"], key.to_string());
    }
    // From the disk: holding one of them for signers that may come would take two seconds.
    assert!(asked.elapsed() < Duration::from_secs(2));

    let next = vote(FLOOR + 2);
    let (outcome, ()) = tokio::join!(homes.baker.sign(&key, &next), async {
        homes.proxy.until_held().await;
        homes.tunnels[1].open().await;
    });
    outcome.signature();
    homes.assert_clean(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_session_gives_its_port_up_although_the_proxy_watches_it() {
    let mut homes = Homes::with(&["--curve", "tz1"], "", "").await;
    let [tunnel, _] = &mut homes.tunnels;
    tunnel.stall();
    let another = tunnel.another();
    let _stale = std::mem::replace(tunnel, another);
    homes.proxy.until_signers(&NAMES[..1], "down").await;
    // The home starts ssh again and again, and nobody but the proxy looks at the port.
    let back = async {
        // Longer than anybody waits for a state.
        while homes.proxy.signer(NAMES[0]).await["state"] != "up" {
            lasts(Instant::now(), Duration::from_secs(1)).await;
        }
    };
    let given_up = tokio::time::timeout(Duration::from_secs(100), async {
        tokio::select! {
            never = tunnel.keep() => match never {},
            () = back => {}
        }
    });
    given_up.await.unwrap();
    Load::new(8, RATE)
        .run(&homes.baker, FLOOR)
        .await
        .assert_all(8);
    homes.assert_clean(8);
}
