//! How often signers are asked, and when not at all.

use crate::dev_signer::Scope as FaultScope;

use super::*;

fn unslotted() -> Vec<u8> {
    vec![0x03, 1, 2, 3]
}

#[tokio::test]
async fn at_most_six_requests_of_a_slot_reach_signers() {
    let failing = Faults {
        wrong_signature: true,
        ..Faults::default()
    };
    let devices = [
        Device::start(failing.clone()).await,
        Device::start(failing.clone()).await,
        Device::start(failing).await,
    ];
    let signers: Vec<_> = ["a", "b", "c"]
        .iter()
        .zip(&devices)
        .map(|(name, device)| signer(name, &[device.address()]))
        .collect();
    let world = World::healthy(&signers).await;
    let begun = Instant::now();
    let limit = Duration::from_secs(2);
    let causes = causes(world.attest(101, limit).await);
    // The tries are spread over the time there is.
    assert!(begun.elapsed() > limit / 4);
    let wrong = "gave a signature that does not verify";
    assert!(causes.contains(wrong), "{causes}");
    assert_eq!(devices.each_ref().map(Device::asked).iter().sum::<u64>(), 6);
}

#[tokio::test]
async fn bytes_without_a_slot_are_not_sent_again_once_they_may_have_arrived() {
    let faults = [
        Faults {
            reset: FaultScope::Sign,
            ..Faults::default()
        },
        Faults {
            stall: FaultScope::Sign,
            ..Faults::default()
        },
    ];
    for fault in faults {
        let what = format!("{fault:?}");
        let (bad, good) = (
            Device::start(fault).await,
            Device::start(Faults::default()).await,
        );
        let signers = [
            signer("a", &[bad.address()]),
            signer("b", &[good.address()]),
        ];
        let world = World::healthy(&signers).await;
        let limit = Duration::from_secs(1);
        causes(world.sign(Curve::Ed25519, &unslotted(), limit).await);
        assert_eq!((bad.asked(), good.asked()), (1, 0), "{what}");
    }
}

#[tokio::test]
async fn bytes_without_a_slot_go_to_another_signer_after_a_definite_refusal() {
    // The development signer signs consensus only: it refuses by the magic byte.
    let (one, other) = (
        Device::start(Faults::default()).await,
        Device::start(Faults::default()).await,
    );
    let signers = [
        signer("a", &[one.address()]),
        signer("b", &[other.address()]),
    ];
    let world = World::healthy(&signers).await;
    causes(
        world
            .sign(Curve::Ed25519, &unslotted(), Duration::from_secs(1))
            .await,
    );
    assert_eq!((one.asked(), other.asked()), (1, 1));
}

#[tokio::test]
async fn bytes_without_a_slot_go_to_another_signer_if_they_cannot_have_arrived() {
    let good = Device::start(Faults::default()).await;
    let signers = [
        signer("a", &[closed_port().await]),
        signer("b", &[good.address()]),
    ];
    let world = World::new(&signers).await;
    causes(world.sign(Curve::Ed25519, &unslotted(), PATIENCE).await);
    assert_eq!(good.asked(), 1);
}

#[tokio::test]
async fn a_baker_that_hangs_up_before_anything_was_sent_ends_the_work() {
    let device = Device::start(Faults {
        stall: FaultScope::Sign,
        ..Faults::default()
    })
    .await;
    let world = World::healthy(&[signer("a", &[device.address()])]).await;
    // The device is busy with another request.
    let first = world.attest(101, Duration::from_secs(2));
    let second = async {
        until(|| device.asked() == 1).await;
        let bytes = crate::fixture::attestation(Curve::Ed25519, at(102, 0), 1);
        let permit = world.permit(Curve::Ed25519, &bytes).await;
        let ask = ask(Curve::Ed25519, &bytes, PATIENCE);
        let hangs_up = until(|| world.signer("a").queue().waiting() == 1);
        let begun = Instant::now();
        let dropped = world.attempts.sign(&permit, &ask, hangs_up).await;
        assert!(matches!(dropped, Err(AttemptError::Dropped)), "{dropped:?}");
        assert!(begun.elapsed() < PATIENCE / 2);
        until(|| world.signer("a").queue().waiting() == 0).await;
    };
    let (first, ()) = tokio::join!(first, second);
    drop(first.unwrap_err());
    assert_eq!(device.asked(), 1);
}

#[tokio::test]
async fn a_baker_that_hangs_up_after_it_was_sent_does_not_end_the_work() {
    let device = Device::start(Faults {
        latency_ms: 150,
        ..Faults::default()
    })
    .await;
    let world = World::healthy(&[signer("a", &[device.address()])]).await;
    let bytes = crate::fixture::attestation(Curve::Ed25519, at(101, 0), 1);
    let permit = world.permit(Curve::Ed25519, &bytes).await;
    let ask = ask(Curve::Ed25519, &bytes, PATIENCE);
    let hangs_up = until(|| device.asked() == 1);
    let signed = world.attempts.sign(&permit, &ask, hangs_up).await;
    assert_eq!(signed.unwrap().signer, "a");
}

#[tokio::test]
async fn a_device_gets_no_more_at_a_time_than_its_capacity() {
    let device = Device::start(Faults {
        stall: FaultScope::Sign,
        ..Faults::default()
    })
    .await;
    let two = SignerSettings {
        capacity: 2,
        ..signer("a", &[device.address()])
    };
    let world = World::healthy(&[two]).await;
    let limit = Duration::from_millis(700);
    let third = async {
        until(|| device.asked() == 2).await;
        // Its time is over before a turn comes free.
        let third = world.attest(103, limit / 4).await;
        assert_eq!(device.asked(), 2);
        third
    };
    let (one, two, three) = tokio::join!(world.attest(101, limit), world.attest(102, limit), third);
    let causes: Vec<_> = [one, two, three].into_iter().map(causes).collect();
    let busy = causes
        .iter()
        .filter(|words| words.contains("is busy with other signatures"));
    assert_eq!(busy.count(), 1, "{causes:?}");
}

#[tokio::test]
async fn nothing_is_asked_of_a_signer_after_the_deadline() {
    let device = Device::start(Faults::default()).await;
    let world = World::healthy(&[signer("a", &[closed_port().await])]).await;
    causes(world.attest(101, Duration::ZERO).await);
    assert_eq!(device.asked(), 0);
}
