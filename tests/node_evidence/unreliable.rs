//! Nodes that are no evidence: nothing is halted on their word, and the reason is told.

use jiff::Timestamp;
use serde_json::json;
use signer_proxy::node::Verdict;
use signer_proxy::tezos::ConsensusKind::{Attestation, Preattestation};
use signer_proxy::tezos::Curve;

use super::node::Fault;
use super::scene::{CHAIN, FOREIGN, Scene, at, key, level};
use super::wait::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_be_relied_on_halts_nothing_and_is_named() {
    let ours = key(Curve::Ed25519, 1);
    for (fault, said) in [
        (Fault::Status(403), "status 403"),
        (Fault::Status(404), "status 404"),
        (Fault::Nonsense, "is not as expected"),
        (Fault::Huge, "more than 8192 KiB"),
        (Fault::Astray, "is another block than the one asked for"),
    ] {
        let mut scene = Scene::new(&[ours], 1_010).await;
        scene.node.set_fault(fault);
        let cause = scene.not_checked(1_010).await;
        assert!(cause.contains(said), "{fault:?}: {cause}");
        assert!(cause.contains(&scene.node.url()), "{cause}");
        assert_eq!(scene.halt(ours), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_never_answers_is_given_up() {
    let ours = key(Curve::Ed25519, 1);
    let mut scene = Scene::new(&[ours], 1_010).await;
    scene.node.set_fault(Fault::Silent);
    let cause = scene.not_checked(1_010).await;
    assert!(cause.contains("silent for 10s"), "{cause}");
    assert_eq!(scene.halt(ours), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_is_not_looked_at_whatever_it_shows() {
    let ours = key(Curve::Ed25519, 1);
    let mut scene = Scene::new(&[ours], 1_010).await;
    scene.node.show(ours, Attestation, at(1_005, 0));
    scene.leave().await;
    let verdict = scene.outlook.borrow().verdict.clone();
    let Verdict::NotChecked(cause) = verdict else {
        panic!("{verdict:?}")
    };
    assert!(cause.contains("is on chain NetXxkAx4woPLyu"), "{cause}");
    assert!(scene.node.asked().is_empty());
    // And if it goes over while it is looked at.
    scene.node.set_chain(FOREIGN);
    let cause = scene.not_checked(1_010).await;
    assert!(
        cause.contains("went over to chain NetXxkAx4woPLyu"),
        "{cause}"
    );
    assert_eq!(scene.halt(ours), None);
    // Back on its own, it is evidence: the key was not looked for yet.
    scene.node.set_chain(&CHAIN.to_string());
    scene.leave().await;
    scene.check(1_010, 1_001).await;
    assert!(scene.halt(ours).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lags_is_evidence_for_what_it_shows_and_no_all_clear() {
    let (ours, other) = (key(Curve::Ed25519, 1), key(Curve::Ed25519, 2));
    let mut scene = Scene::new(&[ours, other], 1_010).await;
    scene.node.set_age(90);
    scene.node.show(ours, Preattestation, at(1_005, 0));
    let cause = scene.not_checked(1_010).await;
    assert!(
        cause.contains("lags: its head is 90s old, more than 12s"),
        "{cause}"
    );
    assert!(scene.halt(ours).is_some());
    assert_eq!(scene.halt(other), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_slow_does_not_lag_by_it() {
    let ours = key(Curve::Ed25519, 1);
    let mut scene = Scene::new(&[ours], 1_010).await;
    // Two block times are twelve seconds: this head is of the present now, and not when the look is over.
    scene.node.set_age(11);
    let begun = Timestamp::now();
    scene.node.hold_operations(true);
    scene.outlook.mark_unchanged();
    scene.head.send_replace(Some((CHAIN, level(1_010))));
    until("the head to be too old", async || {
        let age = Timestamp::now().duration_since(begun).as_secs() + 11;
        (scene.count_asked("/operations/0") > 0 && age > 12).then_some(())
    })
    .await;
    scene.node.hold_operations(false);
    scene.told().await;
    let verdict = scene.outlook.borrow().verdict.clone();
    assert!(matches!(verdict, Verdict::Checked { .. }), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_that_do_not_say_who_signed_them_are_no_all_clear() {
    let ours = key(Curve::Ed25519, 1);
    let mut scene = Scene::new(&[ours], 1_010).await;
    let opaque = json!({"contents": [{"kind": "attestation", "level": 1_004, "round": 0}]});
    let unknown = json!({"contents": [{"kind": "attestation_of_tomorrow"}]});
    scene.node.show_operation(1_005, opaque);
    scene.node.show_operation(1_005, unknown);
    let cause = scene.not_checked(1_010).await;
    assert!(
        cause.starts_with("2 consensus operations of node"),
        "{cause}"
    );
    assert_eq!(scene.halt(ours), None);
}
