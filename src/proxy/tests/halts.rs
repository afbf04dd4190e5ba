//! Halts that the store cannot make durable at once: kept, in force for their key alone, and made durable later.

use std::net::SocketAddr;

use crate::dev_signer::{Faults, Listen, Options, start};
use crate::fixture::{at, secret};
use crate::guard::{ClaimError, StoreError};
use crate::signer::Lookout as _;
use crate::tezos::Curve;

use super::super::error::ProxyError;
use super::super::{respond, tripwire};
use super::stubborn::{NOBODY, Scene, sighting, slot};
use super::*;

#[tokio::test]
async fn a_halt_that_is_not_durable_yet_holds_for_its_key_alone_and_becomes_durable_when_the_store_can()
 {
    let scene = Scene::new(NOBODY).await;
    let seen = slot(1, ConsensusKind::Attestation, at(101, 0));
    assert_eq!(respond::outcome(&scene.ask(1, 101).await), "no-signer");
    assert!(scene.is_claimed(seen));
    scene.set_stubborn(true);
    tripwire::halt(&scene.proxy, &sighting(seen, "other bytes at 101")).await;
    assert_eq!(scene.halt(1), None);

    let error = scene.ask(1, 102).await;
    let ProxyError::Claim {
        cause: ClaimError::Store(StoreError::Unavailable(reason)),
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    for part in [
        "somebody else signs",
        "the disk is full",
        "other bytes at 101",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    let next = slot(1, ConsensusKind::Attestation, at(102, 0));
    assert!(!scene.is_claimed(next));
    // Another key is not touched.
    assert_eq!(respond::outcome(&scene.ask(2, 102).await), "no-signer");

    scene.set_stubborn(false);
    let error = scene.ask(1, 102).await;
    assert_eq!(respond::refusal_reason(&error), Some("halted"), "{error:?}");
    assert!(scene.halt(1).unwrap().contains("other bytes at 101"));
    assert_eq!(scene.halt(2), None);
    // The claim of the slot that was seen ended, so resuming the key does not bring it back.
    assert!(!scene.is_claimed(seen));
}

#[tokio::test]
async fn what_is_seen_late_is_kept_at_once_and_made_durable_without_being_asked() {
    let scene = Scene::new(NOBODY).await;
    let tasks = Tasks::new();
    let watching = tripwire::watch(Arc::clone(&scene.proxy), tasks.clone());
    tasks.spawn("tripwire", watching);
    scene.set_stubborn(true);
    // Far more than any queue would hold, of several kinds, and the highest slot not last.
    for level in (1..300).chain([150]) {
        for kind in [ConsensusKind::Attestation, ConsensusKind::Block] {
            let words = format!("late words at {level}");
            let sighting = sighting(slot(1, kind, at(level, 0)), &words);
            scene.proxy.due_halts.seen_late(sighting);
        }
    }
    let error = scene.ask(1, 400).await;
    assert!(matches!(error, ProxyError::Claim { .. }), "{error:?}");
    assert_eq!(scene.halt(1), None);

    scene.set_stubborn(false);
    scene.until(|scene| scene.halt(1).is_some()).await;
    assert!(scene.halt(1).unwrap().contains("late words at 1"));
    for kind in [ConsensusKind::Attestation, ConsensusKind::Block] {
        let streams = scene.store.streams();
        let of_kind = streams
            .iter()
            .find(|report| report.stream == slot(1, kind, at(1, 0)).stream);
        assert_eq!(of_kind.unwrap().floor, at(299, 0), "{kind}");
    }
    tasks.begin_shutdown();
    tasks.finished().await;
}

#[tokio::test]
async fn a_signature_under_way_does_not_leave_while_a_halt_of_its_key_is_not_durable() {
    let tasks = Tasks::new();
    let options = Options {
        listen: Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))),
        faults: Faults {
            latency_ms: 300,
            ..Faults::default()
        },
        ..Options::loopback(vec![secret(Curve::Ed25519, 1), secret(Curve::Ed25519, 2)])
    };
    let device = start(options, &tasks).await.unwrap();
    let Listen::Tcp(address) = device.address else {
        panic!("{:?}", device.address)
    };
    let scene = Scene::new(address).await;
    scene.sign(1, 101).await.unwrap();

    let under_way = slot(1, ConsensusKind::Attestation, at(102, 0));
    let seeing = async {
        scene.until(|scene| scene.is_claimed(under_way)).await;
        scene.set_stubborn(true);
        let earlier = slot(1, ConsensusKind::Attestation, at(101, 0));
        let sighting = sighting(earlier, "other bytes at 101");
        scene.proxy.due_halts.seen_late(sighting);
    };
    let (signed, ()) = tokio::join!(scene.sign(1, 102), seeing);
    let Err(ProxyError::Record(StoreError::Unavailable(reason))) = signed else {
        panic!("{signed:?}")
    };
    assert!(reason.contains("other bytes at 101"), "{reason}");
    assert_eq!(scene.store.lookup(&under_way).unwrap().record, None);
    // Neither does it once the halt is durable.
    scene.set_stubborn(false);
    let error = scene.ask(1, 102).await;
    assert_eq!(respond::refusal_reason(&error), Some("halted"), "{error:?}");
    scene.sign(2, 102).await.unwrap();
    tasks.begin_shutdown();
}
