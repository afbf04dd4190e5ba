//! What is made of what signers answer.

use super::*;

async fn bad_and_good(faults: Faults) -> (Device, Device, World) {
    let (bad, good) = (
        Device::start(faults).await,
        Device::start(Faults::default()).await,
    );
    let signers = [
        signer("bad", &[bad.address()]),
        signer("good", &[good.address()]),
    ];
    let world = World::healthy(&signers).await;
    (bad, good, world)
}

#[tokio::test]
async fn answers_that_are_no_signature_of_the_key_are_thrown_away_and_another_signer_is_asked() {
    let faults = [
        (
            "malformed",
            Faults {
                wrong_signature: true,
                ..Faults::default()
            },
        ),
        (
            "malformed",
            Faults {
                garbage: true,
                ..Faults::default()
            },
        ),
        (
            "maybe-sent",
            Faults {
                truncate: true,
                ..Faults::default()
            },
        ),
        (
            "maybe-sent",
            Faults {
                sign_then_reset: true,
                ..Faults::default()
            },
        ),
        (
            "rejected",
            Faults {
                status500: true,
                ..Faults::default()
            },
        ),
    ];
    for (class, fault) in faults {
        let what = format!("{fault:?}");
        let (bad, good, world) = bad_and_good(fault).await;
        assert_eq!(
            world.attest(101, PATIENCE).await.unwrap().signer,
            "good",
            "{what}"
        );
        assert_eq!(world.counted("bad", class), 1, "{what}");
        assert_eq!((bad.asked(), good.asked()), (1, 1), "{what}");
    }
}

#[tokio::test]
async fn a_signature_that_does_not_verify_never_comes_out_even_if_there_is_no_other() {
    for curve in [Curve::Ed25519, Curve::P256, Curve::Bls] {
        let device = Device::start(Faults {
            wrong_signature: true,
            ..Faults::default()
        })
        .await;
        let world = World::healthy(&[signer("a", &[device.address()])]).await;
        let bytes = crate::fixture::attestation(curve, at(101, 0), 1);
        let limit = Duration::from_millis(300);
        let causes = causes(world.sign(curve, &bytes, limit).await);
        assert!(
            causes.contains("gave a signature that does not verify"),
            "{causes}"
        );
    }
}

#[tokio::test]
async fn a_refusal_by_the_signers_own_watermark_is_no_ill_health() {
    let (bad, _good, world) = bad_and_good(Faults::default()).await;
    assert_eq!(world.attest(110, PATIENCE).await.unwrap().signer, "bad");
    // The signer has gone further for somebody else: what is asked here is too low for it.
    let other = World::healthy(&[signer("bad", &[bad.address()])]).await;
    assert_eq!(other.attest(500, PATIENCE).await.unwrap().signer, "bad");
    assert_eq!(world.attest(111, PATIENCE).await.unwrap().signer, "good");
    assert_eq!(world.counted("bad", "rejected"), 1);
    let path = &world.signer("bad").paths()[0];
    assert_eq!(path.state(), PathState::Up);
    assert!(path.health().trouble().is_none());
}

#[tokio::test]
async fn when_every_signer_refuses_for_good_the_baker_hears_it_before_the_deadline() {
    let device = Device::start(Faults::default()).await;
    let ahead = World::healthy(&[signer("a", &[device.address()])]).await;
    ahead.attest(500, PATIENCE).await.unwrap();
    let world = World::healthy(&[signer("a", &[device.address()])]).await;
    let begun = Instant::now();
    let causes = causes(world.attest(101, PATIENCE).await);
    assert!(begun.elapsed() < PATIENCE / 2);
    assert!(
        causes.contains("refuses: attestation level 101 below high watermark 500"),
        "{causes}"
    );
    assert_eq!(device.asked(), 2);
}

#[tokio::test]
async fn a_device_that_does_not_repeat_itself_is_not_asked_again_after_it_may_have_signed() {
    let faults = Faults {
        refuse_repeats: true,
        sign_then_reset: true,
        times: Some(1),
        ..Faults::default()
    };
    let device = Device::start(faults).await;
    let ledger = SignerSettings {
        repeat: Repeat::Refuse,
        ..signer("ledger", &[device.address()])
    };
    let world = World::healthy(&[ledger]).await;
    let begun = Instant::now();
    let causes = causes(world.attest(101, PATIENCE).await);
    assert!(begun.elapsed() < PATIENCE / 2);
    assert!(causes.contains("0x6a80"), "{causes}");
    assert_eq!(device.asked(), 2);
}

#[tokio::test]
async fn a_demand_for_authentication_is_passed_on_and_noted() {
    let (bad, _good, world) = bad_and_good(Faults {
        demand_authentication: true,
        ..Faults::default()
    })
    .await;
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "good");
    assert!(world.signer("bad").take_demand());
    assert!(!world.signer("bad").take_demand());
    let alone = World::healthy(&[signer("bad", &[bad.address()])]).await;
    let refused = alone.attest(102, PATIENCE).await;
    let Err(AttemptError::Unauthenticated { causes }) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        causes.contains("missing authentication signature field"),
        "{causes}"
    );
}

#[tokio::test]
async fn a_signer_without_the_key_is_remembered_and_not_asked_twice() {
    let options = Options::loopback(keys_from_seed("others", &[Curve::Ed25519]));
    let tasks = Tasks::new();
    let running = start(options, &tasks).await.unwrap();
    let other = Device { running, tasks };
    let good = Device::start(Faults::default()).await;
    let signers = [
        signer("other", &[other.address()]),
        signer("good", &[good.address()]),
    ];
    let world = World::healthy(&signers).await;
    for level in [101, 102] {
        assert_eq!(world.attest(level, PATIENCE).await.unwrap().signer, "good");
    }
    assert_eq!(other.asked(), 1);
    let key = public_key(Curve::Ed25519).hash();
    assert_eq!(world.signer("other").serves(key), Served::Denied);
}

#[tokio::test]
async fn the_error_names_each_signer_its_url_the_cause_and_since_when() {
    let (closed, open) = (
        closed_port().await,
        Device::start(Faults {
            stall: crate::dev_signer::Scope::All,
            ..Faults::default()
        })
        .await,
    );
    let world = World::new(&[
        signer("home-a", &[closed]),
        signer("home-b", &[open.address()]),
    ])
    .await;
    let refused = world
        .attest(101, Duration::from_millis(600))
        .await
        .unwrap_err();
    let AttemptError::NoSigner { waited, causes } = &refused else {
        panic!("{refused:?}")
    };
    assert!(*waited >= Duration::from_millis(600));
    let parts: Vec<_> = causes.split("; ").collect();
    let [a, b] = parts[..] else {
        panic!("{causes}")
    };
    let since = |part: &str, what: &str| {
        let clock = part.strip_prefix(what).unwrap_or_else(|| panic!("{part}"));
        assert_eq!(clock.len(), "05:23:58".len(), "{part}");
    };
    since(
        a,
        &format!("home-a (http://{closed}) connection refused since "),
    );
    since(
        b,
        &format!(
            "home-b (http://{}) accepts but does not answer since ",
            open.address()
        ),
    );
    assert!(
        refused.to_string().starts_with("no signature within 0."),
        "{refused}"
    );
}
