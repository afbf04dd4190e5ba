//! Claims whose outcome comes after their requester was told that the disk stalls.

use crate::decision_log::Event;
use crate::fixture::at;
use crate::guard::{ClaimError, StoreError};

use super::super::error::ProxyError;
use super::stubborn::{NOBODY, Scene, slot};
use super::*;

fn assert_stalled(error: &ProxyError) {
    let ProxyError::Claim {
        cause: ClaimError::Store(StoreError::Unavailable(reason)),
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert!(reason.contains("its disk stalls"), "{reason}");
}

/// What is in the decision log once nothing is under way.
async fn events(scene: &Scene) -> Vec<(Event, Option<String>)> {
    scene.proxy.operations.begin_shutdown();
    scene.proxy.operations.finished().await;
    let entries = scene.proxy.decisions.noted().into_iter();
    entries.map(|entry| (entry.event, entry.reason)).collect()
}

#[tokio::test]
async fn a_claim_that_outlives_its_requester_is_noted_as_what_it_became() {
    let scene = Scene::new(NOBODY).await;
    scene.set_slow(true);
    assert_stalled(&scene.ask(1, 101).await);
    assert!(scene.is_claimed(slot(1, ConsensusKind::Attestation, at(101, 0))));
    scene.set_slow(false);
    let events = events(&scene).await;
    let [
        (Event::Refused, Some(stalled)),
        (Event::Claimed, Some(late)),
    ] = &events[..]
    else {
        panic!("{events:#?}")
    };
    assert!(stalled.contains("its disk stalls"), "{stalled}");
    assert!(late.contains("after the request's deadline"), "{late}");
}

#[tokio::test]
async fn a_request_that_did_not_get_its_turn_in_time_claims_nothing_afterwards() {
    let scene = Scene::new(NOBODY).await;
    scene.set_slow(true);
    let (first, second) = tokio::join!(scene.sign_bytes(1, 101, 1), scene.sign_bytes(1, 101, 2));
    assert_stalled(&first.unwrap_err());
    assert_stalled(&second.unwrap_err());
    scene.set_slow(false);
    let events: Vec<_> = events(&scene)
        .await
        .into_iter()
        .map(|(event, _)| event)
        .collect();
    assert_eq!(events, [Event::Refused, Event::Refused, Event::Claimed]);
    // Whoever asks next is told by the claim that stands, and not by that of the other.
    let claimed = slot(1, ConsensusKind::Attestation, at(101, 0));
    let row = scene.store.lookup(&claimed).unwrap();
    let ours = crate::fixture::attestation(crate::tezos::Curve::Ed25519, at(101, 0), 1);
    assert_eq!(row.digest, crate::tezos::digest(&ours));
}
