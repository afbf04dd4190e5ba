//! When the chain is looked at, and how much is asked for.

use signer_proxy::tezos::ConsensusKind::{Attestation, Block, Preattestation};
use signer_proxy::tezos::{ConsensusKind, Curve};

use super::scene::{CHAIN, FLOOR, Scene, at, key, level};

#[tokio::test(flavor = "multi_thread")]
async fn only_blocks_that_can_be_evidence_are_asked_for_one_after_the_other() {
    let ours = key(Curve::Ed25519, 1);
    let mut scene = Scene::new(&[ours], 5_000).await;
    scene.raise(ours, Attestation, at(4_999, 0)).await;
    scene.raise(ours, Preattestation, at(5_000, 0)).await;
    // It has not made a block for a long time: bounded all the same.
    scene.check(5_000, 4_937).await;
    assert_eq!(scene.count_asked("/header"), 64);
    assert_eq!(scene.count_asked("/metadata"), 64);
    assert_eq!(scene.count_asked("/operations/0"), 2);
    assert_eq!(scene.node.most_at_once(), 1);
    // Once is enough, however often the head is read.
    for head in [5_001, 5_002, 5_010] {
        scene.head.send_replace(Some((CHAIN, level(head))));
    }
    scene.raise(ours, Block, at(5_020, 0)).await;
    scene.raise(ours, Attestation, at(5_020, 0)).await;
    scene.raise(ours, Preattestation, at(5_020, 0)).await;
    scene.node.set_head(5_021);
    scene.check(5_021, 5_020).await;
    assert_eq!(scene.count_asked("/metadata"), 66);
    assert_eq!(scene.count_asked("/operations/0"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_is_looked_at_again_after_the_node_was_gone_or_time_went_by_unseen() {
    let [one, two] = [1, 2].map(|nth| key(Curve::Ed25519, nth));
    let mut scene = Scene::new(&[one, two], 1_010).await;
    scene.check(1_010, 1_001).await;
    scene.node.show(one, Attestation, at(1_010, 0));
    scene.leave().await;
    scene.check(1_011, 1_001).await;
    assert!(scene.halt(one).is_some());
    scene.node.show(two, Attestation, at(1_029, 0));
    scene.check(1_030, 1_001).await;
    assert!(scene.halt(two).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_later_is_looked_for_then() {
    let [one, two] = [1, 2].map(|nth| key(Curve::Ed25519, nth));
    let mut scene = Scene::new(&[one], 1_010).await;
    scene.node.show(two, Attestation, at(1_005, 0));
    scene.check(1_010, 1_001).await;
    for kind in ConsensusKind::ALL {
        scene.raise(two, kind, at(FLOOR, 0)).await;
    }
    scene.check(1_010, FLOOR).await;
    assert!(scene.halt(two).is_some());
    assert_eq!(scene.halt(one), None);
}
