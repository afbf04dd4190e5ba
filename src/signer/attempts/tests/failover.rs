//! Which path and signer gets the request when the first does not answer.

use super::*;

#[tokio::test]
async fn a_closed_port_fails_over_to_the_next_signer() {
    let good = Device::start(Faults::default()).await;
    let world = World::new(&[
        signer("a", &[closed_port().await]),
        signer("b", &[good.address()]),
    ])
    .await;
    let signed = world.attest(101, PATIENCE).await.unwrap();
    assert_eq!(signed.signer, "b");
    assert_eq!(
        (world.counted("a", "not-sent"), world.counted("b", "signed")),
        (1, 1)
    );
    assert_eq!(good.asked(), 1);
}

#[tokio::test]
async fn another_path_of_the_same_signer_is_tried_before_another_signer() {
    let (a, b) = (
        Device::start(Faults::default()).await,
        Device::start(Faults::default()).await,
    );
    let first = signer("a", &[closed_port().await, a.address()]);
    let world = World::new(&[first, signer("b", &[b.address()])]).await;
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "a");
    assert_eq!((a.asked(), b.asked()), (1, 0));
}

#[tokio::test]
async fn while_a_signer_stalls_another_answers() {
    let stalled = Device::start(Faults {
        stall: crate::dev_signer::Scope::Sign,
        ..Faults::default()
    })
    .await;
    let good = Device::start(Faults::default()).await;
    let signers = [
        signer("a", &[stalled.address()]),
        signer("b", &[good.address()]),
    ];
    let world = World::healthy(&signers).await;
    let begun = Instant::now();
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "b");
    // Not before the first had its usual time.
    assert!(begun.elapsed() >= world.signer("a").usual_latency());
    assert_eq!(world.attempts.metrics.hedges.get(), 1);
    // The loser is not judged before its signer's patience is over.
    assert_eq!(world.signer("a").paths()[0].state(), PathState::Up);
    while world.counted("a", "abandoned") == 0 {
        tokio::task::yield_now().await;
    }
    // It may still come.
    assert_eq!(world.attempts.metrics.unreleased_signatures.get(), 0);
    assert_eq!(world.signer("a").paths()[0].state(), PathState::Suspect);
}

#[tokio::test]
async fn a_stalled_session_is_cured_by_the_signers_other_path_although_it_does_one_thing_at_a_time()
{
    let once = Faults {
        stall: crate::dev_signer::Scope::Sign,
        times: Some(1),
        ..Faults::default()
    };
    let device = Device::start(once).await;
    let world = World::healthy(&[signer("a", &[device.address(), device.address()])]).await;
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "a");
    assert_eq!(device.asked(), 2);
}

#[tokio::test]
async fn a_slow_signature_is_still_taken_after_its_companion_began() {
    let slow = Device::start(Faults {
        latency_ms: 700,
        ..Faults::default()
    })
    .await;
    let stalled = Device::start(Faults {
        stall: crate::dev_signer::Scope::Sign,
        ..Faults::default()
    })
    .await;
    let signers = [
        signer("a", &[slow.address()]),
        signer("b", &[stalled.address()]),
    ];
    let world = World::healthy(&signers).await;
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "a");
    assert_eq!(stalled.asked(), 1);
}

#[tokio::test]
async fn a_block_of_a_key_with_random_nonces_waits_longer_before_it_goes_to_another_signer() {
    let slow = Device::start(Faults {
        latency_ms: 900,
        ..Faults::default()
    })
    .await;
    let other = Device::start(Faults::default()).await;
    let signers = [
        signer("a", &[slow.address()]),
        signer("b", &[other.address()]),
    ];
    let world = World::healthy(&signers).await;
    let block = crate::fixture::block(at(101, 0), 1);
    let signed = world.sign(Curve::P256, &block, PATIENCE).await.unwrap();
    assert_eq!(signed.signer, "a");
    assert_eq!(other.asked(), 0);
    // A vote of the same key may be signed twice without harm.
    let vote = crate::fixture::attestation(Curve::P256, at(101, 0), 1);
    slow.running.set_faults(Faults {
        stall: crate::dev_signer::Scope::Sign,
        ..Faults::default()
    });
    let signed = world
        .sign(Curve::P256, &vote, Duration::from_millis(1_400))
        .await;
    assert_eq!(signed.unwrap().signer, "b");
}

#[tokio::test]
async fn a_request_is_held_until_a_path_comes_back() {
    let address = closed_port().await;
    let world = World::new(&[signer("a", &[address])]).await;
    let held = world.attest(101, PATIENCE);
    let comes_back = async {
        until(|| world.counted("a", "not-sent") >= 2).await;
        assert!(world.attempts.metrics.held_requests.get() <= 1);
        Device::start_at(address, Faults::default()).await
    };
    let (signed, device) = tokio::join!(held, comes_back);
    assert_eq!(signed.unwrap().signer, "a");
    assert_eq!(device.asked(), 1);
    assert_eq!(world.attempts.metrics.held_requests.get(), 0);
}

#[tokio::test]
async fn draining_signers_and_those_without_the_key_are_not_asked() {
    let devices = [
        Device::start(Faults::default()).await,
        Device::start(Faults::default()).await,
        Device::start(Faults::default()).await,
    ];
    let names = ["drained", "without", "good"];
    let signers: Vec<_> = names
        .iter()
        .zip(&devices)
        .map(|(name, device)| signer(name, &[device.address()]))
        .collect();
    let world = World::healthy(&signers).await;
    let roster = &world.attempts.roster;
    roster.set_draining("drained", Some(second(1_000))).unwrap();
    roster.served(
        world.signer("without"),
        public_key(Curve::Ed25519).hash(),
        Served::Denied,
    );
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "good");
    assert_eq!(devices.each_ref().map(Device::asked), [0, 0, 1]);
}

#[tokio::test]
async fn a_signer_that_has_not_said_whether_it_demands_authentication_is_not_asked() {
    let device = Device::start(Faults::default()).await;
    let world = World::healthy(&[signer("a", &[device.address()])]).await;
    let tasks = Tasks::new();
    let silent = Roster::new(
        &[signer("a", &[device.address()])],
        &tasks,
        Arc::new(Metrics::new()),
    );
    let attempts = Attempts::new(
        Arc::new(silent),
        Arc::new(Metrics::new()),
        Tasks::new(),
        Arc::clone(&world.attempts.lookout),
    );
    let bytes = crate::fixture::attestation(Curve::Ed25519, at(101, 0), 1);
    let permit = world.permit(Curve::Ed25519, &bytes).await;
    let ask = ask(Curve::Ed25519, &bytes, Duration::from_millis(200));
    causes(attempts.sign(&permit, &ask, wanted()).await);
    assert_eq!(device.asked(), 0);
    tasks.begin_shutdown();
}
