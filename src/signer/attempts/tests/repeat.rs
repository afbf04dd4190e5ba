//! Devices that refuse what they have signed already, and say so in words that nobody knows.

use super::*;

fn ledger(name: &str, paths: &[SocketAddr]) -> SignerSettings {
    SignerSettings {
        repeat: Repeat::Refuse,
        ..signer(name, paths)
    }
}

async fn ledger_and_good(faults: Faults) -> (Device, Device, World) {
    let faults = Faults {
        refuse_repeats: true,
        times: Some(1),
        ..faults
    };
    let (device, good) = (
        Device::start(faults).await,
        Device::start(Faults::default()).await,
    );
    let signers = [
        ledger("ledger", &[device.address(), device.address()]),
        signer("good", &[good.address()]),
    ];
    let world = World::healthy(&signers).await;
    (device, good, world)
}

#[tokio::test]
async fn a_refusal_of_our_own_repeat_is_no_ill_health_whatever_its_words() {
    let (device, _good, world) = ledger_and_good(Faults {
        sign_then_reset: true,
        ..Faults::default()
    })
    .await;
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "good");
    assert_eq!(device.asked(), 2);
    assert_eq!(world.counted("ledger", "rejected"), 1);
    let [first, second] = world.signer("ledger").paths() else {
        panic!("two paths")
    };
    assert_eq!(first.state(), PathState::Suspect);
    assert!(second.health().trouble().is_none());
    assert_eq!(world.signer("ledger").state(), SignerState::Up);
}

#[tokio::test]
async fn a_late_refusal_of_what_the_other_path_signed_is_no_ill_health() {
    // The first path gets its turn at the device after the second, which was asked later.
    let (device, good, world) = ledger_and_good(Faults {
        latency_ms: 1_900,
        ..Faults::default()
    })
    .await;
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "ledger");
    assert_eq!((device.asked(), good.asked()), (2, 0));
    until(|| world.counted("ledger", "rejected") + world.counted("ledger", "abandoned") > 0).await;
    assert_eq!(world.counted("ledger", "rejected"), 1);
    for path in world.signer("ledger").paths() {
        assert!(path.health().trouble().is_none(), "{}", path.name());
    }
}

#[tokio::test]
async fn what_was_claimed_before_may_have_been_signed_before() {
    let device = Device::start(Faults {
        refuse_repeats: true,
        ..Faults::default()
    })
    .await;
    let world = World::healthy(&[ledger("ledger", &[device.address()])]).await;
    let earlier = World::healthy(&[ledger("ledger", &[device.address()])]).await;
    earlier.attest(101, PATIENCE).await.unwrap();
    let bytes = crate::fixture::attestation(Curve::Ed25519, at(101, 0), 1);
    // As after a restart between claim and record.
    drop(world.permit(Curve::Ed25519, &bytes).await);
    let begun = Instant::now();
    let causes = causes(world.attest(101, PATIENCE).await);
    assert!(begun.elapsed() < PATIENCE / 2);
    assert!(causes.contains("0x6a80"), "{causes}");
    assert_eq!(world.signer("ledger").state(), SignerState::Up);
    assert_eq!(device.asked(), 2);
}

#[tokio::test]
async fn a_device_that_has_answered_the_repeat_is_free_although_the_first_request_stays_silent() {
    let device = Device::start(Faults {
        refuse_repeats: true,
        ..Faults::default()
    })
    .await;
    let slow = Device::start(Faults {
        latency_ms: 1_500,
        ..Faults::default()
    })
    .await;
    let mute = scripted::Way::to(device.address(), true).await;
    let signers = [
        ledger("ledger", &[mute.address, device.address()]),
        signer("slow", &[slow.address()]),
    ];
    let world = World::healthy(&signers).await;
    world
        .signer("ledger")
        .add_latency(Duration::from_millis(50));
    let other = async {
        until(|| world.counted("ledger", "rejected") == 1).await;
        // Over the path that answers.
        let path = &world.signer("ledger").paths()[0];
        let ejected = Observation::Eject(Cause::Silent);
        let roster = &world.attempts.roster;
        roster.observe(world.signer("ledger"), path, ejected);
        let bytes = crate::fixture::attestation(Curve::P256, at(101, 0), 1);
        let signed = world.sign(Curve::P256, &bytes, PATIENCE).await.unwrap();
        assert_eq!(slow.running.counts().sign, 1);
        signed.signer
    };
    let (first, other) = tokio::join!(world.attest(101, PATIENCE), other);
    assert_eq!(
        (first.unwrap().signer.as_str(), other.as_str()),
        ("slow", "ledger")
    );
}
