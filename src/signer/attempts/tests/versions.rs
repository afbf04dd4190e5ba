//! The `version` argument: dropped where it means nothing, learnt where a signer is old.

use super::*;

fn vote(level: u32) -> Vec<u8> {
    crate::fixture::attestation(Curve::Bls, at(level, 0), 1)
}

async fn sign_3(world: &World, curve: Curve, bytes: &[u8]) -> Result<Signed, AttemptError> {
    let permit = world.permit(curve, bytes).await;
    let ask = Ask {
        version: Some(3),
        ..ask(curve, bytes, PATIENCE)
    };
    world.attempts.sign(&permit, &ask, wanted()).await
}

#[tokio::test]
async fn a_signer_that_knows_version_2_only_is_learnt_at_its_first_400() {
    let old = Device::start(Faults {
        max_version: 2,
        ..Faults::default()
    })
    .await;
    let world = World::healthy(&[signer("old", &[old.address()])]).await;
    sign_3(&world, Curve::Bls, &vote(101)).await.unwrap();
    assert_eq!(old.asked(), 2);
    assert!(world.signer("old").knows_version_2_only());
    sign_3(&world, Curve::Bls, &vote(102)).await.unwrap();
    assert_eq!(old.asked(), 3);
    assert_eq!(world.counted("old", "rejected"), 0);
}

#[tokio::test]
async fn no_version_is_sent_for_keys_other_than_tz4() {
    let oldest = Device::start(Faults {
        max_version: 0,
        ..Faults::default()
    })
    .await;
    let world = World::healthy(&[signer("oldest", &[oldest.address()])]).await;
    let bytes = crate::fixture::attestation(Curve::Ed25519, at(101, 0), 1);
    sign_3(&world, Curve::Ed25519, &bytes).await.unwrap();
    assert_eq!(oldest.asked(), 1);
    assert!(!world.signer("oldest").knows_version_2_only());
}

#[tokio::test]
async fn a_400_that_has_nothing_to_do_with_the_version_is_a_refusal() {
    let old = Device::start(Faults {
        max_version: 1,
        ..Faults::default()
    })
    .await;
    let world = World::healthy(&[signer("old", &[old.address()])]).await;
    let begun = Instant::now();
    causes(sign_3(&world, Curve::Bls, &vote(101)).await);
    assert!(begun.elapsed() < PATIENCE / 2);
    assert_eq!(old.asked(), 2);
}

#[tokio::test]
async fn a_400_to_a_request_sent_before_the_version_was_learnt_is_no_refusal() {
    // Both requests are at the signer before it answers either.
    let signer_url = scripted::old_signer_that_answers_two_at_a_time(2).await;
    let two = SignerSettings {
        capacity: 2,
        ..signer("old", &[signer_url])
    };
    let world = World::healthy(&[two]).await;
    let (votes, key) = ([vote(101), vote(102)], Curve::Bls);
    let (one, two) = tokio::join!(
        sign_3(&world, key, &votes[0]),
        sign_3(&world, key, &votes[1])
    );
    one.unwrap();
    two.unwrap();
}
