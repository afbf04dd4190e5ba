//! Signers that are slow, do one thing at a time, never repeat themselves and keep one position over all
//! kinds, as a Ledger does.

use std::ops::RangeInclusive;

use signer_proxy::dev_signer::log::Event;
use signer_proxy::tezos::{Curve, PublicKey};
use tokio::task::JoinSet;

use crate::harness::baker::Baker;
use crate::harness::checker::assert_clean;
use crate::harness::config::Config;
use crate::harness::direct::{FLOOR, NAMES};
use crate::harness::homes::Homes;
use crate::harness::payload::{Kind, slot};
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;
use crate::harness::sshd::Sshd;
use crate::harness::tunnel::Tunnel;

const SETTINGS: &str = "capacity = 1\nrepeat = \"refuse\"\nshared-watermark = true";

const LEDGER: [&str; 5] = [
    "--latency-ms",
    "1200",
    "--serial",
    "--refuse-repeats",
    "--shared-watermark",
];

/// Signs block, preattestation and attestation of the `levels`, counted from the floor, with each key, the
/// keys side by side; returns how many signatures there are.
async fn bake(baker: &Baker, keys: &[PublicKey], levels: RangeInclusive<u32>) -> usize {
    let mut bakers = JoinSet::new();
    for key in keys {
        let (baker, key, levels) = (baker.clone(), key.clone(), levels.clone());
        bakers.spawn(async move {
            for level in levels {
                for kind in Kind::ALL {
                    let bytes = slot(kind, FLOOR + level, 0).bytes(key.curve(), 1);
                    baker.sign(&key, &bytes).await.signature();
                }
            }
        });
    }
    bakers.join_all().await;
    keys.len() * levels.count() * Kind::ALL.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_alone_signs_every_slot_of_two_keys() {
    let scene = Scene::new();
    let keys = ["--curve", "tz1,tz2"];
    let ledger = Signer::with_keys(&scene, "ledger", &[&keys[..], &LEDGER].concat()).await;
    let url = format!("http://{}", ledger.address());
    let config = Config::new(&scene)
        .keys(ledger.keys())
        .signer(NAMES[0], 1, SETTINGS, &[url]);
    let mut proxy = Proxy::new(config);
    proxy.init(ledger.keys(), FLOOR).await;
    proxy.start().await;
    proxy.until_signers(&NAMES[..1], "up").await;
    let signed = bake(&proxy.baker(ledger.keys()), ledger.keys(), 1..=2).await;
    assert_clean(&[&ledger], signed);
    // Every slot was asked for once: a repeat would have been refused and cost its slot.
    let counts = ledger.counts().await;
    assert_eq!(counts.sign, u64::try_from(signed).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ledger_takes_over_when_a_tunnel_stalls_in_the_middle_of_a_signature() {
    let keys = ["--curve", "tz1"];
    let mut homes = Homes::with(&[&keys[..], &LEDGER].concat(), SETTINGS, "").await;
    let key = homes.signers[0].key(Curve::Ed25519);
    let (signed, ()) = tokio::join!(bake(&homes.baker, homes.signers[0].keys(), 1..=3), async {
        // The fourth is the block of the second level.
        homes.signers[0].until_received(4).await;
        homes.tunnels[0].stall();
    });
    homes.assert_clean(signed);

    // The first home lives again; what it signed while nobody heard it is a position it will not sign twice.
    homes.tunnels[0].resume();
    homes.tunnels[0].open().await;
    homes.proxy.until_signers(&NAMES, "up").await;
    for kind in Kind::ALL {
        let bytes = slot(kind, FLOOR + 4, 0).bytes(key.curve(), 1);
        homes.baker.sign(&key, &bytes).await.signature();
    }
    homes.assert_clean(signed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_was_away_for_some_levels_goes_on_and_is_asked_for_nothing_below_what_it_signed()
 {
    let scene = Scene::new();
    let sshd = Sshd::start(&scene).await;
    let arguments = [
        &["--curve", "tz1,tz2"],
        &LEDGER[2..],
        &["--latency-ms", "300"],
    ]
    .concat();
    let away = Signer::with_keys(&scene, "away", &arguments).await;
    let home = Signer::with_keys(&scene, "home", &arguments).await;
    let mut fibre = Tunnel::tcp(&sshd, "fibre", away.port());
    let mut mobile = Tunnel::unix(&sshd, "mobile", scene.socket("mobile.sock"), away.port());
    tokio::join!(fibre.open(), mobile.open());
    let config = Config::new(&scene)
        .keys(away.keys())
        .signer(NAMES[0], 1, SETTINGS, &[fibre.url(), mobile.url()])
        .signer(
            NAMES[1],
            2,
            SETTINGS,
            &[format!("http://{}", home.address())],
        );
    let mut proxy = Proxy::new(config);
    proxy.init(away.keys(), FLOOR).await;
    proxy.start().await;
    proxy.until_signers(&NAMES, "up").await;
    let (baker, keys) = (proxy.baker(away.keys()), away.keys());
    let mut signed = bake(&baker, keys, 1..=2).await;

    // Both tunnels go within the third level, with something at the device that nobody will hear.
    let before = away.received().await;
    let (more, ()) = tokio::join!(bake(&baker, keys, 3..=6), async {
        away.until_received(before + 1).await;
        fibre.kill();
        mobile.kill();
    });
    signed += more;
    let left = away.received().await;
    tokio::join!(fibre.open(), mobile.open());
    proxy.until_signers(&NAMES, "up").await;
    proxy.command(&["drain", NAMES[1]], &[]).await.ok();
    signed += bake(&baker, keys, 7..=9).await;
    assert_clean(&[&away, &home], signed);

    let entries = away.entries().await;
    assert!(away.received().await >= left + 2 * 3 * Kind::ALL.len());
    for key in keys {
        let own = entries.iter().filter(|entry| entry.key == key.hash());
        let received = own.filter(|entry| entry.event == Event::Received);
        let order = ["block", "preattestation", "attestation"];
        // The same position again is no harm: it may be asked for over the other tunnel.
        let positions: Vec<_> = received
            .map(|entry| {
                (
                    entry.level,
                    order.iter().position(|kind| *kind == entry.kind),
                )
            })
            .collect();
        assert!(positions.is_sorted(), "{positions:?}");
    }
}
