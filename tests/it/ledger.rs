//! Signers that are slow, do one thing at a time, never repeat themselves and keep one position over all
//! kinds, as a Ledger does.

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

const SETTINGS: &str = "capacity = 1\nrepeat = \"refuse\"\nshared-watermark = true";

const LEDGER: [&str; 5] = [
    "--latency-ms",
    "1200",
    "--serial",
    "--refuse-repeats",
    "--shared-watermark",
];

/// Signs block, preattestation and attestation of `levels` levels above the floor with each key, the keys
/// side by side; returns how many signatures there are.
async fn bake(baker: &Baker, keys: &[PublicKey], levels: u32) -> usize {
    let mut bakers = JoinSet::new();
    for key in keys {
        let (baker, key) = (baker.clone(), key.clone());
        bakers.spawn(async move {
            for level in FLOOR + 1..=FLOOR + levels {
                for kind in Kind::ALL {
                    let bytes = slot(kind, level, 0).bytes(key.curve(), 1);
                    baker.sign(&key, &bytes).await.signature();
                }
            }
        });
    }
    bakers.join_all().await;
    keys.len() * usize::try_from(levels).unwrap() * Kind::ALL.len()
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
    let signed = bake(&proxy.baker(ledger.keys()), ledger.keys(), 2).await;
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
    let (signed, ()) = tokio::join!(bake(&homes.baker, homes.signers[0].keys(), 3), async {
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
