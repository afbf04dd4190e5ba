//! What is still tried when everything looks bad.

use super::*;

#[tokio::test]
async fn with_every_breaker_open_a_hung_best_path_does_not_hide_the_second() {
    let (_hung, _good, world) = hung_and_good(["a", "b"]).await;
    for (signer, path) in world.attempts.roster.paths() {
        let ejected = Observation::Eject(Cause::Silent);
        world.attempts.roster.observe(signer, path, ejected);
    }
    let limit = Duration::from_secs(4);
    assert_eq!(world.attest(101, limit).await.unwrap().signer, "b");
}

#[tokio::test]
async fn a_path_that_is_down_and_lost_a_request_is_asked_again_when_there_is_nothing_else() {
    let device = Device::start(Faults {
        reset: crate::dev_signer::Scope::Sign,
        times: Some(1),
        ..Faults::default()
    })
    .await;
    let world = World::healthy(&[signer("a", &[device.address()])]).await;
    let (signer, path) = (world.signer("a"), &world.signer("a").paths()[0]);
    let ejected = Observation::Eject(Cause::Silent);
    world.attempts.roster.observe(signer, path, ejected);
    let limit = Duration::from_secs(4);
    assert_eq!(world.attest(101, limit).await.unwrap().signer, "a");
    assert_eq!(device.asked(), 2);
}

#[tokio::test]
async fn a_refusal_is_not_final_while_a_signer_that_may_have_the_key_has_not_been_heard() {
    let (ahead, good) = (
        Device::start(Faults::default()).await,
        Device::start(Faults::default()).await,
    );
    let somebody = World::healthy(&[signer("a", &[ahead.address()])]).await;
    somebody.attest(500, PATIENCE).await.unwrap();
    let signers = [
        signer("a", &[ahead.address()]),
        signer("b", &[good.address()]),
    ];
    let world = World::unheard(&signers).await;
    let roster = &world.attempts.roster;
    for (signer, path) in roster.paths() {
        roster.observe(signer, path, Observation::Hit);
    }
    roster.spoken(world.signer("a"), false);
    let spoken = async {
        until(|| world.counted("a", "rejected") == 1).await;
        roster.spoken(world.signer("b"), false);
    };
    let (signed, ()) = tokio::join!(world.attest(101, PATIENCE), spoken);
    assert_eq!(signed.unwrap().signer, "b");
}

#[tokio::test]
async fn a_path_that_is_down_is_tried_beside_a_hung_device_with_well_paths() {
    let (_hung, good, world) = hung_and_good(["a", "b"]).await;
    let roster = &world.attempts.roster;
    let hung = world.signer("a");
    for _ in 0..2 {
        roster.signing_failed(hung, &hung.paths()[0], Cause::Abandoned);
    }
    let path = &world.signer("b").paths()[0];
    roster.observe(world.signer("b"), path, Observation::Eject(Cause::Silent));
    let limit = Duration::from_secs(4);
    assert_eq!(world.attest(101, limit).await.unwrap().signer, "b");
    assert_eq!(good.asked(), 1);
}

#[tokio::test]
async fn a_path_that_is_left_alone_is_not_tried_however_desperate() {
    let device = Device::start(Faults::default()).await;
    let world = World::healthy(&[signer("a", &[device.address()])]).await;
    let (signer, path) = (world.signer("a"), &world.signer("a").paths()[0]);
    let ejected = Observation::Eject(Cause::Silent);
    world.attempts.roster.observe(signer, path, ejected);
    let vigil = path.begin_vigil();
    let limit = Duration::from_millis(300);
    causes(world.attest(101, limit).await);
    assert_eq!(device.asked(), 0);
    drop(vigil);
    world.attest(102, PATIENCE).await.unwrap();
}
