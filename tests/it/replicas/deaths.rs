//! Members and proxies that die while two bakers go on to ask for different bytes.

use std::collections::HashMap;

use signer_proxy::tezos::Signature;
use tokio::sync::watch;

use super::{Replicas, ask_on};
use crate::cluster::Cluster;
use crate::harness::direct::FLOOR;
use crate::harness::luck::{Luck, from_environment, seed};
use crate::harness::payload::{Kind, Slot, slot};
use crate::harness::proxy::Proxy;

/// Levels that are baked while members and proxies fail, unless `REPLICAS` says how many.
const LEVELS: u32 = 40;

/// What each slot was given, over all replicas.
type Released = HashMap<(String, Slot), (u8, Signature)>;

/// Kills members and proxies, one of each at a time, at the moment in which a slot is asked for, and starts them again
/// while others are. Gives the number of kills once nothing is asked for any more.
async fn kill_beside(
    cluster: &mut Cluster,
    proxies: &mut [Proxy],
    mut luck: Luck,
    mut asked: watch::Receiver<u32>,
) -> u32 {
    let mut kills = 0;
    while asked.changed().await.is_ok() {
        if !luck.percent(8) {
            continue;
        }
        // A little into the request: what is first, what is claimed, and what is signed already.
        for _ in 0..luck.number(0..30) {
            tokio::task::yield_now().await;
        }
        kills += 1;
        let nth = usize::try_from(luck.number(0..3)).unwrap();
        if luck.percent(50) {
            cluster.members[nth].kill();
            let until = *asked.borrow() + 3;
            asked.wait_for(|asked| *asked >= until).await.ok();
            cluster.start_all();
            cluster.ready().await;
        } else {
            proxies[nth].kill9();
            proxies[nth].start().await;
        }
    }
    kills
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bakers_that_differ_get_one_signature_a_slot_while_members_and_proxies_die() {
    let mut luck = Luck::new(seed("REPLICAS_SEED").into());
    let levels = from_environment("REPLICAS").unwrap_or(LEVELS);
    let mut all = Replicas::start(3, 3).await;
    let bakers: Vec<_> = all
        .proxies
        .iter()
        .map(|proxy| proxy.baker(&all.keys))
        .collect();
    let (told, asked) = watch::channel(0);
    let killing = kill_beside(&mut all.cluster, &mut all.proxies, luck.split(), asked);
    let keys = &all.keys;
    let baking = async move {
        let (mut released, mut lost) = (Released::new(), 0);
        for level in 1..=levels {
            for kind in Kind::ALL {
                for key in keys {
                    let slot = slot(kind, FLOOR + level, 0);
                    let bytes = |fill| slot.bytes(key.curve(), fill);
                    let pick = |luck: &mut Luck| usize::try_from(luck.number(0..3)).unwrap();
                    let (one, two) = (pick(&mut luck), pick(&mut luck));
                    let (first, other) = (bytes(1), bytes(2));
                    told.send_modify(|asked| *asked += 1);
                    let (first, other) = tokio::join!(
                        ask_on(&bakers, one, key, &first),
                        ask_on(&bakers, two, key, &other)
                    );
                    let signed: Vec<_> = [(1, first), (2, other)]
                        .into_iter()
                        .filter_map(|(fill, signature)| Some((fill, signature?)))
                        .collect();
                    lost += u32::from(signed.is_empty());
                    assert!(signed.len() < 2, "{slot:?}: both bakers got a signature");
                    for (fill, signature) in signed {
                        let place = (key.hash().to_string(), slot);
                        let before = released.insert(place, (fill, signature));
                        assert_eq!(before, None);
                    }
                }
            }
        }
        // With its end there is nothing left to kill beside.
        let asked = *told.borrow();
        (asked, released, lost)
    };
    let ((asked, released, lost), kills) = tokio::join!(baking, killing);
    println!(
        "{asked} slots, {kills} kills, {} released, {lost} lost",
        released.len()
    );
    all.assert_no_conflict();
    assert!(kills > 0);
    // A lost leader costs an election; nothing else may.
    assert!(lost * 50 <= asked, "{lost} of {asked} slots were lost");
}
