//! Signers that failed at signing, and the copies of votes that they get.

use super::*;

/// A signer that hangs when it has to sign and is suspect for it, and one that signs.
async fn suspect_and_good() -> (Device, Device, World) {
    let (hung, good, world) = hung_and_good(["hung", "good"]).await;
    let (roster, suspect) = (&world.attempts.roster, world.signer("hung"));
    for curve in [Curve::Ed25519, Curve::P256] {
        roster.served(suspect, public_key(curve).hash(), Served::Proved);
    }
    for _ in 0..2 {
        roster.signing_failed(suspect, &suspect.paths()[0], Cause::Abandoned);
    }
    assert_eq!(suspect.state(), SignerState::Suspect);
    (hung, good, world)
}

#[tokio::test]
async fn a_signer_that_hung_is_readmitted_by_a_copied_vote_and_never_by_probes() {
    let (hung, good, world) = suspect_and_good().await;
    assert_eq!(world.attest(101, PATIENCE).await.unwrap().signer, "good");
    assert_eq!(world.counted("hung", "copied"), 1);
    until(|| hung.asked() == 1).await;
    // The trial fails, and nothing more is held against signer or path.
    until(|| world.counted("hung", "abandoned") == 1).await;
    let suspect = world.signer("hung");
    let path = &suspect.paths()[0];
    assert_eq!(path.state(), PathState::Up);
    for _ in 0..10 {
        world
            .attempts
            .roster
            .observe(suspect, path, Observation::Hit);
    }
    assert_eq!(suspect.state(), SignerState::Suspect);

    hung.running.set_faults(Faults::default());
    let mut level = 102;
    while world.counted("hung", "copied") == 1 {
        assert_eq!(world.attest(level, PATIENCE).await.unwrap().signer, "good");
        level += 1;
    }
    until(|| suspect.state() == SignerState::Up).await;
    assert_eq!(world.counted("hung", "late"), 1);
    assert_eq!(hung.asked(), 2);
    assert_eq!(good.asked(), u64::from(level - 101));
}

#[tokio::test]
async fn blocks_are_never_copied() {
    let (hung, _good, world) = suspect_and_good().await;
    let block = crate::fixture::block(at(101, 0), 1);
    let signed = world.sign(Curve::P256, &block, PATIENCE).await.unwrap();
    assert_eq!(signed.signer, "good");
    assert_eq!(world.counted("hung", "copied"), 0);
    assert_eq!(hung.asked(), 0);
    let vote = crate::fixture::attestation(Curve::P256, at(101, 0), 1);
    world.sign(Curve::P256, &vote, PATIENCE).await.unwrap();
    assert_eq!(world.counted("hung", "copied"), 1);
}

#[tokio::test]
async fn a_copy_goes_to_no_signer_that_is_drained_and_over_no_path_that_leads_elsewhere() {
    let (hung, _good, world) = suspect_and_good().await;
    let roster = &world.attempts.roster;
    roster.set_draining("hung", Some(second(1_000))).unwrap();
    world.attest(101, PATIENCE).await.unwrap();
    roster.set_draining("hung", None).unwrap();
    let suspect = world.signer("hung");
    let elsewhere = Cause::WrongKey(public_key(Curve::P256).hash());
    roster.observe(suspect, &suspect.paths()[0], Observation::Eject(elsewhere));
    world.attest(102, PATIENCE).await.unwrap();
    assert_eq!(world.counted("hung", "copied"), 0);
    assert_eq!(hung.asked(), 0);
}

#[tokio::test]
async fn a_slot_that_may_have_been_given_away_before_is_not_copied() {
    let (hung, _good, world) = suspect_and_good().await;
    let attempts = Attempts::new(
        Arc::clone(&world.attempts.roster),
        Arc::clone(&world.attempts.metrics),
        Tasks::new(),
        Arc::new(Sibling),
    );
    let bytes = crate::fixture::attestation(Curve::Ed25519, at(101, 0), 1);
    let permit = world.permit(Curve::Ed25519, &bytes).await;
    let ask = ask(Curve::Ed25519, &bytes, PATIENCE);
    attempts.sign(&permit, &ask, wanted()).await.unwrap();
    assert_eq!(world.counted("hung", "copied"), 0);
    assert_eq!(hung.asked(), 0);
}

/// Everything may have been signed through this proxy before.
#[derive(Debug)]
struct Sibling;

impl Lookout for Sibling {
    fn may_be_ours(&self, _slot: &Slot) -> bool {
        true
    }

    fn seen_late(&self, sighting: Sighting) {
        panic!("{sighting:?}");
    }
}

#[tokio::test]
async fn a_copy_that_waits_to_leave_is_withdrawn_from_a_drained_signer_and_was_no_trial() {
    let (hung, _good, world) = suspect_and_good().await;
    let (roster, suspect) = (&world.attempts.roster, world.signer("hung"));
    let client = suspect.paths()[0].client();
    let others: Vec<_> = std::iter::from_fn(|| client.spare()).collect();
    world.attest(101, PATIENCE).await.unwrap();
    assert_eq!(world.counted("hung", "copied"), 1);
    until(|| !suspect.queue().is_idle()).await;
    roster.set_draining("hung", Some(second(1_000))).unwrap();
    let begun = Instant::now();
    until(|| suspect.queue().is_idle()).await;
    // Long before anybody loses patience with it.
    assert!(begun.elapsed() < Duration::from_millis(900));
    assert_eq!(suspect.failed_trials(), 0);
    let key = public_key(Curve::Ed25519).hash();
    roster.set_draining("hung", None).unwrap();
    until(|| roster.on_trial(key).len() == 1).await;
    drop(others);
    world.attest(102, PATIENCE).await.unwrap();
    until(|| hung.asked() == 1).await;
    assert_eq!(world.counted("hung", "copied"), 2);
}
