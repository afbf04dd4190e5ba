//! When another signer is asked although the first may still answer.

use super::*;

#[tokio::test]
async fn a_slow_first_signer_never_keeps_the_second_from_its_chance() {
    let (_stalled, _good, world) = hung_and_good(["a", "b"]).await;
    world.signer("a").add_latency(Duration::from_secs(5));
    let limit = Duration::from_secs(4);
    assert_eq!(world.attest(101, limit).await.unwrap().signer, "b");
}

#[tokio::test]
async fn the_block_delay_leaves_time_for_the_other_signer() {
    let (_stalled, _good, world) = hung_and_good(["a", "b"]).await;
    let block = crate::fixture::block(at(101, 0), 1);
    let limit = Duration::from_millis(1_200);
    let signed = world.sign(Curve::P256, &block, limit).await;
    assert_eq!(signed.unwrap().signer, "b");
}

#[tokio::test]
async fn who_would_miss_the_deadline_in_a_queue_goes_to_an_idle_signer_at_once() {
    let (_stalled, _good, world) = hung_and_good(["a", "b"]).await;
    world.signer("a").add_latency(Duration::from_secs(3));
    let others_work = world.turn_at("a").await;
    let begun = Instant::now();
    let limit = Duration::from_secs(4);
    assert_eq!(world.attest(101, limit).await.unwrap().signer, "b");
    assert!(begun.elapsed() < Duration::from_millis(800));
    drop(others_work);
    // It was merely busy.
    let key = public_key(Curve::Ed25519).hash();
    assert!(world.attempts.roster.active(key).is_none());
}

#[tokio::test]
async fn a_slot_asked_again_does_not_get_six_more() {
    let wrong = Device::start(Faults {
        wrong_signature: true,
        ..Faults::default()
    })
    .await;
    let world = World::healthy(&[signer("a", &[wrong.address()])]).await;
    let limit = Duration::from_millis(1_500);
    for _ in 0..2 {
        let causes = causes(world.attest(101, limit).await);
        let words = "gave a signature that does not verify";
        assert!(causes.contains(words), "{causes}");
    }
    assert_eq!(wrong.asked(), 6);
}
