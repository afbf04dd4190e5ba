//! What becomes of attempts when another of the same operation has signed.

use crate::dev_signer::Scope as FaultScope;

use super::*;

fn stalled() -> Faults {
    Faults {
        stall: FaultScope::Sign,
        ..Faults::default()
    }
}

/// The gap between a signer's usual time and what is certainly more.
const SOON: Duration = Duration::from_millis(800);

#[tokio::test]
async fn a_companion_that_still_waits_for_its_turn_is_withdrawn_when_another_signs() {
    let devices = [
        Device::start(stalled()).await,
        Device::start(Faults::default()).await,
        Device::start(Faults::default()).await,
    ];
    let signers: Vec<_> = ["a", "b", "c"]
        .iter()
        .zip(&devices)
        .map(|(name, device)| signer(name, &[device.address()]))
        .collect();
    let world = World::healthy(&signers).await;
    let others_work = world.turn_at("b").await;
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "c");
    drop(others_work);
    // A companion that had kept its place would have its turn before this one.
    drop(world.turn_at("b").await);
    assert_eq!(devices[1].asked(), 0);
    assert_eq!(world.attempts.metrics.hedges.get(), 2);
}

#[tokio::test]
async fn a_signature_through_the_other_path_frees_the_device_at_once() {
    let once = Faults {
        times: Some(1),
        ..stalled()
    };
    let device = Device::start(once).await;
    let world = World::healthy(&[signer("a", &[device.address(), device.address()])]).await;
    world.attest(101, PATIENCE).await.unwrap();
    let begun = Instant::now();
    let bytes = crate::fixture::attestation(Curve::P256, at(101, 0), 1);
    world.sign(Curve::P256, &bytes, PATIENCE).await.unwrap();
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(device.asked(), 3);
}

#[tokio::test]
async fn a_loser_that_was_refused_is_no_unreleased_signature() {
    let slow = Device::start(Faults::default()).await;
    let good = Device::start(Faults::default()).await;
    let ahead = World::healthy(&[signer("a", &[slow.address()])]).await;
    ahead.attest(500, PATIENCE).await.unwrap();
    slow.running.set_faults(Faults {
        latency_ms: 700,
        ..Faults::default()
    });
    let signers = [
        signer("a", &[slow.address()]),
        signer("b", &[good.address()]),
    ];
    let world = World::healthy(&signers).await;
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "b");
    until(|| world.counted("a", "rejected") + world.counted("a", "abandoned") > 0).await;
    assert_eq!(world.counted("a", "rejected"), 1);
    assert_eq!(world.attempts.metrics.unreleased_signatures.get(), 0);
}

#[tokio::test]
async fn a_device_that_became_ten_times_slower_is_learnt_to_be_slow() {
    let (_slow, _good, world) = slow_and_good(2_500).await;
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "b");
    until(|| world.counted("a", "abandoned") == 1).await;
    let path = &world.signer("a").paths()[0];
    assert_eq!(path.state(), PathState::Suspect);
    assert_eq!(world.attempts.metrics.unreleased_signatures.get(), 0);
    let usual = || world.signer("a").usual_latency();
    until(|| usual() >= Duration::from_millis(2_500)).await;
    until(|| world.counted("a", "late") == 1).await;
    assert_eq!(path.state(), PathState::Up);
    assert_eq!(world.attempts.metrics.unreleased_signatures.get(), 1);
}

#[tokio::test]
async fn a_deadline_that_comes_soon_is_not_held_against_a_signer_that_signs_after_it() {
    let device = Device::start(Faults {
        latency_ms: 300,
        ..Faults::default()
    })
    .await;
    let world = World::healthy(&[signer("a", &[device.address()])]).await;
    for (level, late) in [(101, 1), (102, 2)] {
        let soon = Duration::from_millis(100);
        assert!(world.attest(level, soon).await.is_err());
        until(|| world.counted("a", "late") == late).await;
    }
    let signer = world.signer("a");
    assert_eq!(world.counted("a", "abandoned"), 0);
    assert_eq!(signer.state(), SignerState::Up);
    assert_eq!(signer.paths()[0].state(), PathState::Up);
}

#[tokio::test]
async fn what_is_lost_after_another_has_signed_is_not_asked_again() {
    let slow = Device::start(Faults::default()).await;
    let good = Device::start(Faults::default()).await;
    let way = scripted::Way::to(slow.address(), false).await;
    let signers = [signer("a", &[way.address]), signer("b", &[good.address()])];
    let world = World::healthy(&signers).await;
    // A connection that is kept: what is lost on one is sent again at once where somebody waits for it.
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "a");
    slow.running.set_faults(stalled());
    assert_eq!(world.attest(102, PATIENCE).await.unwrap().signer, "b");
    way.cut();
    until(|| world.counted("a", "maybe-sent") == 1).await;
    assert_eq!(slow.asked(), 2);
}
