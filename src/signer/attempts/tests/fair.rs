//! How a slot's few requests are shared among signers, and that none is spent on a queue.

use super::*;

/// Two signers with two paths each that spoil every request, and connections to them that are kept; more may come.
async fn two_bad(more: &[&Device]) -> (Device, Device, World) {
    let devices = (
        Device::start(Faults::default()).await,
        Device::start(Faults::default()).await,
    );
    let (a, b) = &devices;
    let twice = |device: &Device| [device.address(), device.address()];
    let mut signers = vec![signer("a", &twice(a)), signer("b", &twice(b))];
    for (device, name) in more.iter().zip(["c", "d"]) {
        signers.push(signer(name, &[device.address()]));
    }
    let world = World::healthy(&signers).await;
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "a");
    keep_connections(&world).await;
    a.running.set_faults(resets());
    b.running.set_faults(Faults {
        garbage: true,
        ..Faults::default()
    });
    (devices.0, devices.1, world)
}

fn resets() -> Faults {
    Faults {
        sign_then_reset: true,
        ..Faults::default()
    }
}

/// Leaves a connection open on each path, as probes do.
async fn keep_connections(world: &World) {
    for (_, path) in world.attempts.roster.paths() {
        let outgoing = crate::signer::Outgoing::get("/authorized_keys".to_owned());
        let gate = crate::signer::Gate::open();
        path.client().send(&outgoing, &gate).await.unwrap();
    }
}

#[tokio::test]
async fn with_four_signers_and_three_that_lose_everything_the_fourth_is_asked_still() {
    let mut devices = Vec::new();
    for _ in 0..3 {
        devices.push(Device::start(resets()).await);
    }
    devices.push(Device::start(Faults::default()).await);
    let signers: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .zip(&devices)
        .map(|(name, device)| signer(name, &[device.address(), device.address()]))
        .collect();
    let world = World::healthy(&signers).await;
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "d");
    let asked: Vec<_> = devices.iter().map(Device::asked).collect();
    // The first is tried over both its paths, and no more are left than one for each.
    assert_eq!(asked, [2, 2, 1, 1]);
}

#[tokio::test]
async fn signers_that_spoil_requests_leave_one_for_each_that_was_not_asked() {
    let good = Device::start(Faults::default()).await;
    let (a, b, world) = two_bad(&[&good]).await;
    assert_eq!(world.attest(102, PATIENCE).await.unwrap().signer, "c");
    // A kept connection and a fresh one, then the other path; what is garbage on one path is so on the other.
    assert_eq!((a.asked(), b.asked()), (1 + 3, 1));
}

#[tokio::test]
async fn what_is_left_is_spread_over_the_time_and_goes_to_who_lost_the_fewest() {
    let (a, b, world) = two_bad(&[]).await;
    let heals = async {
        until(|| b.asked() == 1).await;
        b.running.set_faults(Faults::default());
    };
    let limit = Duration::from_secs(3);
    let (signed, ()) = tokio::join!(world.attest(102, limit), heals);
    assert_eq!(signed.unwrap().signer, "b");
    assert_eq!((a.asked(), b.asked()), (1 + 3, 2));
}

#[tokio::test]
async fn who_waits_for_a_device_is_not_sent_twice_to_it() {
    let device = Device::start(Faults {
        latency_ms: 250,
        ..Faults::default()
    })
    .await;
    let world = World::healthy(&[signer("a", &[device.address(), device.address()])]).await;
    world.signer("a").add_latency(Duration::from_millis(400));
    let others_work = world.turn_at("a").await;
    // Longer than the queue was expected to last.
    let others = async {
        let never = std::future::pending::<()>();
        let longer = Duration::from_secs(1);
        tokio::time::timeout(longer, never).await.unwrap_err();
        drop(others_work);
    };
    let (signed, ()) = tokio::join!(world.attest(101, PATIENCE), others);
    signed.unwrap();
    assert_eq!(device.asked(), 1);
    assert_eq!(world.attempts.metrics.hedges.get(), 0);
}

#[tokio::test]
async fn a_signer_that_is_merely_slower_than_usual_keeps_its_keys() {
    let (_slow, _good, world) = slow_and_good(600).await;
    let key = public_key(Curve::Ed25519).hash();
    let roster = &world.attempts.roster;
    roster.signed(world.signer("a"), key, None);
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "b");
    assert_eq!(roster.active(key).unwrap().name(), "a");
    assert_eq!(world.attempts.metrics.failovers.get(), 0);
    until(|| world.counted("a", "late") == 1).await;
}

#[tokio::test]
async fn a_signer_that_answers_with_errors_uses_up_none_of_the_six() {
    let device = Device::start(Faults {
        status500: true,
        times: Some(9),
        ..Faults::default()
    })
    .await;
    let world = World::healthy(&[signer("a", &[device.address()])]).await;
    // Nine refusals, each asked again after a pause of at most a second.
    assert!(world.attest(101, PATIENCE).await.is_ok());
    assert_eq!(device.asked(), 10);
}

#[tokio::test]
async fn waiting_for_a_turn_is_no_silence_of_the_signer() {
    let (device, _good, world) = slow_and_good(300).await;
    let others_work = world.turn_at("a").await;
    let patience = world.signer("a").patience();
    // Longer than a silent signer is given, all of it in the queue; the other one is busy as well.
    let busy = world.turn_at("b").await;
    let others = async {
        let never = std::future::pending::<()>();
        tokio::time::timeout(patience, never).await.unwrap_err();
        drop(others_work);
        until(|| device.asked() == 1).await;
        drop(busy);
    };
    let (signed, ()) = tokio::join!(world.attest(101, PATIENCE), others);
    assert_eq!(signed.unwrap().signer, "b");
    until(|| world.counted("a", "late") == 1).await;
    assert_eq!(world.counted("a", "abandoned"), 0);
    assert_eq!(world.signer("a").state(), SignerState::Up);
}

#[tokio::test]
async fn a_request_on_a_path_that_is_down_keeps_nobody_from_one_that_comes_back() {
    let (hung, good, world) = hung_and_good(["a", "b"]).await;
    let roster = &world.attempts.roster;
    for (signer, path) in roster.paths() {
        roster.observe(signer, path, Observation::Eject(Cause::Silent));
    }
    // So slow that its companion would come much later.
    world.signer("a").add_latency(Duration::from_secs(2));
    let back = async {
        until(|| hung.asked() == 1).await;
        let path = &world.signer("b").paths()[0];
        roster.observe(world.signer("b"), path, Observation::Hit);
    };
    let begun = Instant::now();
    let (signed, ()) = tokio::join!(world.attest(101, PATIENCE), back);
    assert_eq!(signed.unwrap().signer, "b");
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(good.asked(), 1);
}
