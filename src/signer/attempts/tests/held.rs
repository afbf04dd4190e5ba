//! Requests that wait: in which order they go, and which of them do not go at all.

use super::*;

async fn one_position() -> (Device, World) {
    let device = Device::start(Faults {
        latency_ms: 30,
        serial: true,
        shared_watermark: true,
        ..Faults::default()
    })
    .await;
    let ledger = SignerSettings {
        repeat: Repeat::Refuse,
        shared_watermark: true,
        ..signer("ledger", &[device.address()])
    };
    let world = World::healthy(&[ledger]).await;
    (device, world)
}

/// Takes the path of `name` out of use altogether: it is not even tried in despair.
fn bar(world: &World, name: &str) {
    let signer = world.signer(name);
    let elsewhere = Cause::WrongKey(public_key(Curve::P256).hash());
    let (roster, path) = (&world.attempts.roster, &signer.paths()[0]);
    roster.observe(signer, path, Observation::Eject(elsewhere));
}

#[tokio::test]
async fn held_requests_are_put_in_order_before_the_first_goes_when_a_signer_comes_back() {
    let (device, world) = one_position().await;
    bar(&world, "ledger");
    let votes = [
        crate::fixture::attestation(Curve::Ed25519, at(101, 0), 1),
        preattestation(at(101, 0), 1),
        crate::fixture::block(at(101, 0), 1),
    ];
    let held = |nth: usize| world.sign(Curve::Ed25519, &votes[nth], PATIENCE);
    let comes_back = async {
        until(|| world.attempts.metrics.held_requests.get() == 3).await;
        let signer = world.signer("ledger");
        let path = &signer.paths()[0];
        world
            .attempts
            .roster
            .observe(signer, path, Observation::Hit);
    };
    let (one, two, three, ()) = tokio::join!(held(0), held(1), held(2), comes_back);
    for signed in [one, two, three] {
        assert_eq!(signed.unwrap().signer, "ledger");
    }
    assert_eq!(device.asked(), 3);
}

#[tokio::test]
async fn a_held_request_that_a_newer_claim_made_useless_ends_at_once() {
    let (device, world) = one_position().await;
    bar(&world, "ledger");
    let newer = async {
        until(|| world.attempts.metrics.held_requests.get() == 1).await;
        world.attest(102, Duration::from_millis(50)).await
    };
    let (held, newer) = tokio::join!(world.attest(101, PATIENCE), newer);
    let held = held.unwrap_err();
    assert!(matches!(held, AttemptError::Superseded { .. }), "{held:?}");
    causes(newer);
    assert_eq!(device.asked(), 0);
}

#[tokio::test]
async fn what_a_newer_claim_made_useless_leaves_the_queue_of_a_busy_device() {
    let (device, world) = one_position().await;
    let others_work = world.turn_at("ledger").await;
    let newer = async {
        until(|| world.signer("ledger").queue().waiting() == 1).await;
        let newer = world.attest(102, PATIENCE);
        let free = async {
            until(|| world.signer("ledger").queue().waiting() == 2).await;
            until(|| world.signer("ledger").queue().waiting() == 1).await;
            drop(others_work);
        };
        tokio::join!(newer, free).0
    };
    let (older, newer) = tokio::join!(world.attest(101, PATIENCE), newer);
    assert!(matches!(older, Err(AttemptError::Superseded { .. })));
    newer.unwrap();
    assert_eq!(device.asked(), 1);
}

#[tokio::test]
async fn a_request_that_can_go_at_once_goes_although_there_is_a_newer_claim() {
    let device = Device::start(Faults::default()).await;
    let world = World::healthy(&[signer("a", &[device.address()])]).await;
    world.attest(102, PATIENCE).await.unwrap();
    let older = preattestation(at(101, 0), 1);
    world.sign(Curve::Ed25519, &older, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_device_that_has_gone_further_is_not_asked_for_less() {
    let (device, world) = one_position().await;
    world.attest(102, PATIENCE).await.unwrap();
    let older = preattestation(at(102, 0), 1);
    let begun = Instant::now();
    let causes = causes(world.sign(Curve::Ed25519, &older, PATIENCE).await);
    assert!(causes.contains("has gone further already"), "{causes}");
    assert!(begun.elapsed() < PATIENCE / 2);
    assert_eq!(device.asked(), 1);
    assert_eq!(world.signer("ledger").state(), SignerState::Up);
}

#[tokio::test]
async fn a_request_that_waits_for_a_device_is_not_sent_there_once_it_is_drained_or_leads_elsewhere()
{
    for drained in [true, false] {
        let (device, world) = one_position().await;
        let others_work = world.turn_at("ledger").await;
        let forbidden = async {
            until(|| world.signer("ledger").queue().waiting() == 1).await;
            if drained {
                let roster = &world.attempts.roster;
                roster.set_draining("ledger", Some(second(1_000))).unwrap();
            } else {
                bar(&world, "ledger");
            }
            drop(others_work);
        };
        let limit = Duration::from_millis(500);
        let (held, ()) = tokio::join!(world.attest(101, limit), forbidden);
        causes(held);
        assert_eq!(device.asked(), 0, "drained: {drained}");
    }
}

#[tokio::test]
async fn a_request_that_waits_for_its_turn_leaves_a_path_that_died_meanwhile() {
    let device = Device::start(Faults::default()).await;
    let paths = [closed_port().await, device.address()];
    let world = World::healthy(&[signer("a", &paths)]).await;
    let others_work = world.turn_at("a").await;
    let dies = async {
        until(|| world.signer("a").queue().waiting() == 1).await;
        let signer = world.signer("a");
        let dead = Observation::Eject(Cause::Silent);
        world
            .attempts
            .roster
            .observe(signer, &signer.paths()[0], dead);
        // Whoever was woken goes on; nothing else happens before the device is free.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.signer("a").queue().waiting(), 1);
        drop(others_work);
    };
    let (signed, ()) = tokio::join!(world.attest(101, PATIENCE), dies);
    signed.unwrap();
    assert_eq!(world.counted("a", "not-sent"), 0);
}

#[tokio::test]
async fn a_drained_signer_still_gets_what_ends_its_round_and_gets_it_once() {
    let (device, other) = (
        Device::start(Faults::default()).await,
        Device::start(Faults::default()).await,
    );
    let signers = [
        signer("a", &[device.address()]),
        signer("b", &[other.address()]),
    ];
    let world = World::healthy(&signers).await;
    let first = preattestation(at(101, 0), 1);
    let signed = world.sign(Curve::Ed25519, &first, PATIENCE).await.unwrap();
    assert_eq!(signed.signer, "a");
    let roster = &world.attempts.roster;
    roster.set_draining("a", Some(second(1_000))).unwrap();
    // Over a new connection, which takes a while.
    world.signer("a").paths()[0].client().forget_idle();
    let limit = Duration::from_secs(2);
    assert_eq!(world.attest(101, limit).await.unwrap().signer, "a");
    assert_eq!((device.asked(), other.asked()), (2, 0));
    assert_eq!(world.attest(102, limit).await.unwrap().signer, "b");
}

#[tokio::test]
async fn a_turn_is_not_kept_for_what_went_over_a_path_that_has_died_when_there_is_another() {
    let (device, other) = (
        Device::start(Faults::default()).await,
        Device::start(Faults::default()).await,
    );
    let swallows = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let paths = [swallows.local_addr().unwrap(), device.address()];
    let signers = [signer("a", &paths), signer("b", &[other.address()])];
    let world = World::healthy(&signers).await;
    let (roster, a) = (&world.attempts.roster, world.signer("a"));
    let dead = || Observation::Eject(Cause::Silent);
    roster.observe(a, &a.paths()[1], dead());
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "b");
    assert!(!a.queue().is_idle());
    roster.observe(a, &a.paths()[0], dead());
    roster.observe(a, &a.paths()[1], Observation::Hit);
    until(|| a.queue().is_idle()).await;
    assert_eq!(world.counted("a", "abandoned"), 0);
}
