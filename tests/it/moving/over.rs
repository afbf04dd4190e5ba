//! From an embedded store to one in etcd and back, while two bakers that differ go on asking.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use signer_proxy::tezos::{PublicKey, Signature};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::harness::baker::Baker;
use crate::harness::checker::judge;
use crate::harness::config::Config;
use crate::harness::direct::FLOOR;
use crate::harness::payload::{Kind, Slot, slot};
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;
use crate::replicas::{WILLING, ask_on, etcd_table};

use super::import;

/// Slots for which both bakers have asked, before each step of a move.
const BEFORE: u32 = 60;

/// What came of all that was asked.
#[derive(Default)]
struct Seen {
    released: HashMap<(String, Slot), Signature>,
    /// The longest time without any signature.
    longest: Duration,
}

/// Two bakers ask for other bytes, slot after slot, until `ends`. Each leaves a proxy that does not sign for the next one.
async fn bake(
    bakers: Vec<Baker>,
    keys: Vec<PublicKey>,
    asked: watch::Sender<u32>,
    ends: watch::Receiver<bool>,
) -> Seen {
    let (mut seen, mut last) = (Seen::default(), Instant::now());
    for level in 1.. {
        for kind in Kind::ALL {
            for key in &keys {
                if *ends.borrow() {
                    return seen;
                }
                let slot = slot(kind, FLOOR + level, 0);
                let (one, two) = (slot.bytes(key.curve(), 1), slot.bytes(key.curve(), 2));
                let (one, two) =
                    tokio::join!(ask_on(&bakers, 0, key, &one), ask_on(&bakers, 0, key, &two));
                assert!(
                    one.is_none() || two.is_none(),
                    "{slot:?}: both bakers got a signature"
                );
                if let Some(signature) = one.or(two) {
                    seen.longest = seen.longest.max(last.elapsed());
                    last = Instant::now();
                    let place = (key.hash().to_string(), slot);
                    assert_eq!(seen.released.insert(place, signature), None);
                }
                asked.send_modify(|asked| *asked += 1);
            }
        }
    }
    seen
}

/// Waits until the bakers have asked for some slots more.
async fn some_slots(asked: &mut watch::Receiver<u32>) {
    let until = *asked.borrow() + BEFORE;
    asked.wait_for(|asked| *asked >= until).await.unwrap();
}

/// Moves everything from a running proxy to one that is started then.
async fn move_over(from: &Proxy, to: &mut Proxy, file: &Path) {
    let arguments = ["--seal", "--output", file.to_str().unwrap()];
    let sealed = from.command(&["watermark", "export"], &arguments).await;
    assert!(sealed.ok().stderr.contains("the store is sealed"));
    std::fs::create_dir_all(&to.config.state).unwrap();
    import(to, file, &[]).await.ok();
    to.start().await;
    to.until_signers(&["home-a"], "up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_moves_to_etcd_and_back_while_two_bakers_that_differ_go_on() {
    let cluster = Cluster::start(3).await;
    let scenes = [Scene::new(), Scene::new(), Scene::new()];
    let signer = Signer::start(&scenes[0], "home-a", WILLING).await;
    let keys = signer.keys().to_vec();
    let url = format!("http://{}", signer.address());
    let proxy = |scene: &Scene, table: &str| {
        let config = Config::new(scene).table(table).keys(&keys);
        Proxy::new(config.signer("home-a", 1, "", std::slice::from_ref(&url)))
    };
    let mut one = proxy(&scenes[0], "");
    let mut two = proxy(&scenes[1], &etcd_table(&cluster));
    let mut three = proxy(&scenes[2], "");
    one.init(&keys, FLOOR).await;
    one.start().await;
    one.until_signers(&["home-a"], "up").await;

    let bakers = [&one, &two, &three]
        .map(|proxy| proxy.baker(&keys))
        .to_vec();
    let ((told, mut asked), (end, ends)) = (watch::channel(0), watch::channel(false));
    let mut baking = JoinSet::new();
    baking.spawn(bake(bakers, keys.clone(), told, ends));
    some_slots(&mut asked).await;
    move_over(&one, &mut two, &scenes[0].file("to-etcd.json")).await;
    some_slots(&mut asked).await;
    move_over(&two, &mut three, &scenes[1].file("from-etcd.json")).await;
    some_slots(&mut asked).await;
    end.send_replace(true);
    let seen = baking.join_next().await.unwrap().unwrap();

    judge(&[&signer]).unwrap_or_else(|conflicts| panic!("{conflicts:#?}"));
    let mut parts = Vec::new();
    for proxy in [&one, &two, &three] {
        let metrics = proxy.metrics().await;
        let lines = metrics.lines().filter(|line| {
            line.starts_with("signer_proxy_sign_requests_total{")
                && line.contains("outcome=\"signed\"")
        });
        let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        parts.push(counts.sum::<u64>());
    }
    println!(
        "{} slots, {} released, by each proxy {parts:?}; the longest time without one {:?}",
        *asked.borrow(),
        seen.released.len(),
        seen.longest
    );
    // Each had its time.
    assert!(parts.iter().all(|part| *part > 0), "{parts:?}");
}
