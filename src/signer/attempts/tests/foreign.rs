//! What a signer says of bytes that were never sent through here: seen at once or late, and not when it may be ours.

use crate::fixture::attestation;
use crate::guard::Scope;

use super::*;

/// Another one, with a store of its own, uses the signer for other bytes at `level`.
async fn use_elsewhere(device: &Device, level: u32) {
    let other = World::healthy(&[signer("a", &[device.address()])]).await;
    let bytes = attestation(Curve::Ed25519, at(level, 0), 2);
    let signed = other.sign(Curve::Ed25519, &bytes, PATIENCE).await;
    signed.unwrap();
}

fn sightings(world: &World) -> u64 {
    world.attempts.metrics.foreign_signatures.get()
}

#[tokio::test]
async fn other_bytes_are_held_against_a_signer_unless_this_store_gave_a_slot_that_it_confuses_with_theirs()
 {
    let device = Device::start(Faults::default()).await;
    let world = World::healthy(&[signer("a", &[device.address()])]).await;
    use_elsewhere(&device, 101).await;
    let error = world.attest(101, PATIENCE).await.unwrap_err();
    let AttemptError::Foreign(sighting) = error else {
        panic!("{error:?}")
    };
    assert_eq!(sighting.slot.position, at(101, 0));
    assert_eq!(sightings(&world), 1);

    // The other slot may be claimed after this one was: what counts is when the signer speaks.
    use_elsewhere(&device, 102).await;
    let bytes = attestation(Curve::Ed25519, at(102, 0), 1);
    let permit = world.permit(Curve::Ed25519, &bytes).await;
    let Scope::Slot(ours) = *permit.scope() else {
        panic!("{permit:?}")
    };
    let stream = Stream {
        kind: ConsensusKind::LegacyEndorsement,
        ..ours.slot.stream
    };
    let sibling = Candidate {
        slot: Slot {
            stream,
            ..ours.slot
        },
        digest: digest(b"other"),
        ..ours
    };
    drop(world.guard.claim(sibling, second(1_000)).await.unwrap());
    let ask = ask(Curve::Ed25519, &bytes, Duration::from_secs(1));
    let words = causes(world.attempts.sign(&permit, &ask, wanted()).await);
    assert!(
        words.contains("already signed with different data"),
        "{words}"
    );
    assert_eq!(sightings(&world), 1);
}

#[tokio::test]
async fn what_a_signer_says_after_another_one_has_signed_is_told() {
    let slow = Device::start(Faults {
        latency_ms: 700,
        ..Faults::default()
    })
    .await;
    let fast = Device::start(Faults::default()).await;
    let settings = [
        signer("a", &[slow.address()]),
        SignerSettings {
            priority: 2,
            ..signer("b", &[fast.address()])
        },
    ];
    let mut world = World::healthy(&settings).await;
    use_elsewhere(&slow, 103).await;
    let signed = world.attest(103, PATIENCE).await.unwrap();
    assert_eq!(signed.signer, "b");
    let told = tokio::time::timeout(PATIENCE, world.late.recv()).await;
    let sighting = told.unwrap().unwrap();
    assert_eq!(
        (sighting.slot.position, &*sighting.signer),
        (at(103, 0), "a")
    );
    assert_eq!(sightings(&world), 1);
}
