//! What halts a key, and what does not.

use signer_proxy::guard::{Change, WatermarkStore as _};
use signer_proxy::node::Verdict;
use signer_proxy::tezos::ConsensusKind::{Attestation, Block, Preattestation};
use signer_proxy::tezos::{ConsensusKind, Curve, Position, PublicKeyHash};

use super::node::Node;
use super::scene::{CHAIN, FLOOR, Scene, account, at, key, level, open};
use super::wait::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_of_any_kind_above_the_floor_halts_its_key_durably_and_no_other() {
    for curve in [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls] {
        for (kind, shown_in) in [
            (Block, 1_005),
            (Preattestation, 1_005),
            (Attestation, 1_006),
        ] {
            let (ours, other) = (key(curve, 1), key(curve, 2));
            let mut scene = Scene::new(&[ours, other], 1_010).await;
            scene.node.show(ours, kind, at(1_005, 1));
            scene.node.show(other, kind, at(FLOOR, 3));
            scene.check(1_010, 1_001).await;

            assert_eq!(scene.count_halts(), 1);
            let reason = scene.halt(ours).expect("halted");
            for part in [
                format!(
                    "block {} of the chain shows the {kind} of {ours}",
                    Node::block_name(shown_in)
                ),
                "level 1005 round 1".to_owned(),
                format!(
                    "watermark resume --config proxy.toml --key {ours} --chain {CHAIN} --level 1020"
                ),
            ] {
                assert!(reason.contains(&part), "{part}: {reason}");
            }
            assert_eq!(scene.halt(other), None);
            // The look has ended and the task is told to.
            scene.tasks.begin_shutdown();
            scene.tasks.finished().await;
            let Scene { store, folder, .. } = scene;
            drop(store);
            let again = open(folder.path());
            let halt = again.account(account(ours)).halt.expect("halted for good");
            assert_eq!(halt.reason, reason);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_that_the_key_cannot_have_come_to_halts_it_and_raises_nothing() {
    let (near, far) = (key(Curve::Ed25519, 1), key(Curve::Ed25519, 2));
    for (key, head, raised) in [(near, 1_900, true), (far, 9_000, false)] {
        let mut scene = Scene::new(&[key], head).await;
        scene.node.show(key, Attestation, at(head - 1, 0));
        scene.check(head, head - 63).await;
        assert!(scene.halt(key).is_some(), "{head}");
        let floors = scene.store.streams();
        let floor = |kind| {
            let found = floors.iter().find(|report| report.stream.kind == kind);
            found.unwrap().floor.level.get()
        };
        assert_eq!(floor(Attestation), if raised { head - 1 } else { FLOOR });
        assert_eq!(floor(Block), FLOOR);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_store_claimed_is_no_evidence_however_it_got_onto_the_chain() {
    let ours = key(Curve::Ed25519, 1);
    let mut scene = Scene::new(&[ours], 1_000).await;
    for round in 0..3 {
        for number in 1_001..1_006 {
            for kind in [Block, Preattestation, Attestation] {
                scene.claim(ours, kind, at(number, round)).await;
                scene.node.show(ours, kind, at(number, round));
            }
        }
    }
    scene.check(1_006, 1_005).await;
    assert_eq!(scene.halt(ours), None);
    // Also once more after a gap, when more was signed.
    scene.claim(ours, Attestation, at(1_030, 0)).await;
    scene.node.show(ours, Attestation, at(1_030, 0));
    scene.check(1_031, 1_005).await;
    assert_eq!(scene.halt(ours), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_while_the_chain_is_looked_at_is_no_evidence() {
    let ours = key(Curve::Ed25519, 1);
    let mut scene = Scene::new(&[ours], 1_010).await;
    scene.node.hold_operations(true);
    scene.outlook.mark_unchanged();
    scene.head.send_replace(Some((CHAIN, level(1_010))));
    until("a question for operations", async || {
        (scene.count_asked("/operations/0") > 0).then_some(())
    })
    .await;
    for kind in [Preattestation, Attestation] {
        scene.claim(ours, kind, at(1_009, 0)).await;
        scene.node.show(ours, kind, at(1_009, 0));
    }
    scene.claim(ours, Preattestation, at(1_010, 0)).await;
    scene.node.show(ours, Preattestation, at(1_010, 0));
    scene.node.hold_operations(false);
    scene.told().await;
    let verdict = scene.outlook.borrow().verdict.clone();
    assert!(matches!(verdict, Verdict::Checked { .. }), "{verdict:?}");
    assert_eq!(scene.halt(ours), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_companion_key_is_halted_with_its_consensus_key() {
    let (consensus, companion) = (key(Curve::Bls, 1), key(Curve::Bls, 2));
    let other = key(Curve::Bls, 3);
    let mut scene = Scene::new(&[consensus, companion, other], 1_010).await;
    scene.node.set_companion(consensus, companion);
    scene.node.show(consensus, Attestation, at(1_005, 0));
    scene.check(1_010, 1_001).await;
    assert!(scene.halt(consensus).is_some());
    let reason = scene.halt(companion).expect("halted");
    assert!(
        reason.contains(&format!("consensus key {consensus} was halted")),
        "{reason}"
    );
    assert!(reason.contains(&format!("--key {companion} ")), "{reason}");
    assert_eq!(scene.floor(companion, Attestation), at(1_005, 0));
    assert_eq!(scene.floor(companion, Block), scene.floor(other, Block));
    assert_eq!(scene.count_halts(), 2);
    assert_eq!(scene.halt(other), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moved_away_as_planned_is_no_evidence() {
    let ours = key(Curve::Ed25519, 1);
    let stop_at = |stop| Change::StopAt {
        account: account(ours),
        level: level(stop),
    };
    let mut scene = Scene::new(&[ours], 1_010).await;
    scene.amend(stop_at(1_004)).await;
    scene.node.show(ours, Attestation, at(1_005, 0));
    scene.check(1_010, 1_001).await;
    assert_eq!(scene.halt(ours), None);

    // A sealed store signs nothing any more, and nobody is asked about it.
    let mut scene = Scene::new(&[ours], 1_010).await;
    scene.amend(Change::Seal).await;
    scene.node.show(ours, Attestation, at(1_005, 0));
    scene.head.send_replace(None);
    scene.told().await;
    assert_eq!(scene.read_head(1_010).await, Verdict::Waiting);
    assert!(scene.node.asked().is_empty());
    assert_eq!(scene.halt(ours), None);
}

/// The end of a halt, without a level.
async fn resume(scene: &Scene, key: PublicKeyHash) {
    let account = account(key);
    scene.amend(Change::Resume { account }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_raises_the_watermark_of_each_kind_to_what_the_chain_shows_and_no_further() {
    let (ours, other) = (key(Curve::Ed25519, 1), key(Curve::Ed25519, 2));
    let mut scene = Scene::new(&[ours, other], 1_010).await;
    // The highest comes first, and halts; what is found lower down counts all the same.
    scene.node.show(ours, Attestation, at(1_008, 2));
    scene.node.show(ours, Attestation, at(1_008, 1));
    scene.node.show(ours, Preattestation, at(1_005, 3));
    scene.node.show(ours, Block, at(1_003, 1));
    scene.node.show(ours, Attestation, at(1_002, 0));
    scene.check(1_010, 1_001).await;
    let reason = scene.halt(ours).expect("halted");
    assert!(reason.contains("level 1008 round 2"), "{reason}");
    let unchanged = Position::end_of_level(level(FLOOR));
    for (kind, floor) in [
        (Attestation, at(1_008, 2)),
        (Preattestation, at(1_005, 3)),
        (Block, at(1_003, 1)),
        (ConsensusKind::LegacyBlock, unchanged),
    ] {
        assert_eq!(scene.floor(ours, kind), floor, "{kind}");
        assert_eq!(scene.floor(other, kind), unchanged, "{kind}");
    }
    assert_eq!(scene.count_halts(), 1);

    // So whoever resumes it without a level opens nothing that is known to be signed, and what is known is no
    // reason to halt it again.
    resume(&scene, ours).await;
    for (kind, position) in [(Attestation, at(1_008, 2)), (Block, at(1_003, 1))] {
        assert!(!scene.is_granted(ours, kind, position).await, "{kind}");
    }
    assert!(scene.is_granted(ours, Block, at(1_003, 2)).await);
    scene.node.set_head(1_011);
    scene.check(1_011, 1_001).await;
    assert_eq!(scene.halt(ours), None);
    assert_eq!(scene.count_halts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_sign_while_a_key_is_halted_raises_its_watermark_and_halts_it_again_once_it_is_resumed()
 {
    let ours = key(Curve::Ed25519, 1);
    let mut scene = Scene::new(&[ours], 1_010).await;
    scene.node.show(ours, Attestation, at(1_005, 0));
    scene.check(1_010, 1_001).await;
    let reason = scene.halt(ours).expect("halted");
    scene.node.show(ours, Attestation, at(1_011, 0));
    scene.leave().await;
    scene.check(1_012, 1_001).await;
    assert_eq!(scene.halt(ours), Some(reason));
    assert_eq!(scene.floor(ours, Attestation), at(1_011, 0));
    assert_eq!(scene.count_halts(), 1);
    scene.node.show(ours, Attestation, at(1_013, 0));
    resume(&scene, ours).await;
    scene.check(1_014, 1_001).await;
    let reason = scene.halt(ours).expect("halted again");
    assert!(reason.contains("level 1013 round 0"), "{reason}");
    assert_eq!(scene.count_halts(), 2);
    // Above everything that was signed it may go on.
    for kind in ConsensusKind::ALL {
        scene
            .raise(ours, kind, Position::end_of_level(level(1_020)))
            .await;
    }
    resume(&scene, ours).await;
    scene.node.set_head(1_021);
    scene.check(1_021, 1_021).await;
    assert_eq!(scene.halt(ours), None);
}
