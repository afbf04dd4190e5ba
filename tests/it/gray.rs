//! Signers that look well and are not, or look ill and are only far.

use std::time::Duration;

use serde_json::json;
use signer_proxy::dev_signer::log::Event;
use signer_proxy::tezos::Curve;
use tokio::time::Instant;

use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::payload::attestation;
use crate::harness::signer::Signer;
use crate::harness::wait::{lasts, until};

/// How long a device hangs; by half of it, enough of what it swallowed has been given up.
const HUNG: Duration = Duration::from_secs(20);

const LONG: &str = "[deadline]\nconsensus = \"15s\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_outlives_a_signer_that_swallows_everything_for_a_while() {
    for fault in [
        json!({"reset": "sign"}),
        json!({"reset": "all"}),
        json!({"status500": true}),
    ] {
        let all = Direct::with(&[&[], &[]], "", LONG).await;
        for signer in &all.signers {
            signer.faults(&fault).await;
        }
        let key = all.key(Curve::P256);
        let vote = attestation(FLOOR + 1).bytes(Curve::P256, 1);
        let (outcome, ()) = tokio::join!(all.baker.sign(&key, &vote), async {
            lasts(Instant::now(), Duration::from_secs(3)).await;
            for signer in &all.signers {
                signer.heal().await;
            }
        });
        outcome.signature();
        all.assert_clean(1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_whose_answers_take_longer_than_a_probe_is_found_up_and_signs() {
    let all = Direct::with(&[&["--get-latency-ms", "600"]], "", LONG).await;
    for curve in [Curve::Ed25519, Curve::Bls] {
        let vote = attestation(FLOOR + 1).bytes(curve, 1);
        all.baker.sign(&all.key(curve), &vote).await.signature();
    }
    all.assert_clean(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_that_fails_at_signing_is_suspect_with_its_words_until_it_signs() {
    let all = Direct::start(&[&[], &[]]).await;
    all.signers[0].faults(&json!({"status500": true})).await;
    let key = all.key(Curve::P256);
    for level in FLOOR + 1..FLOOR + 6 {
        let vote = attestation(level).bytes(Curve::P256, 1);
        all.baker.sign(&key, &vote).await.signature();
    }
    let status = all.proxy.until_signers(&NAMES[..1], "suspect").await;
    assert_eq!(status["state"], "degraded");
    let cause = all.proxy.signer(NAMES[0]).await["cause"].clone();
    let words = "refuses: the device does not answer";
    assert!(cause.as_str().unwrap().contains(words), "{cause}");
    // Two failures told enough; what came after are copies, by which it may show that it signs again.
    let metrics = all.proxy.metrics().await;
    let name = format!("signer=\"{}\"", NAMES[0]);
    let copied = metrics
        .lines()
        .find(|line| line.contains(&name) && line.contains("class=\"copied\""))
        .and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .unwrap();
    assert!((1..=3).contains(&copied), "{copied}");
    until("the copies", async || {
        let asked = all.signers[0].counts().await.sign;
        (asked == copied + 2).then_some(())
    })
    .await;
    all.assert_clean(5);
}

/// Signs the attestations of `levels`, counted from the floor, one after the other.
async fn attest(all: &Direct, levels: impl Iterator<Item = u32>) {
    let key = all.key(Curve::Ed25519);
    for level in levels {
        let vote = attestation(FLOOR + level).bytes(Curve::Ed25519, 1);
        all.baker.sign(&key, &vote).await.signature();
    }
}

async fn signed(home: &Signer) -> usize {
    let entries = home.entries().await;
    let signed = entries.iter().filter(|entry| entry.event == Event::Signed);
    signed.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_hangs_behind_green_answers_is_out_until_it_gives_a_signature_again() {
    let all = Direct::start(&[&[], &[]]).await;
    attest(&all, 1..=2).await;
    assert_eq!(signed(&all.signers[0]).await, 2);
    all.signers[0].faults(&json!({"stall": "sign"})).await;
    let hung = Instant::now();
    let mut level = 2;
    while hung.elapsed() < HUNG {
        let asked = Instant::now();
        level += 1;
        attest(&all, level..=level).await;
        if hung.elapsed() > HUNG / 2 {
            // Its path is out for a moment whenever a signature was waited for in vain.
            let home = all.proxy.signer(NAMES[0]).await;
            assert!(
                home["state"] == "suspect" || home["state"] == "down",
                "{home}"
            );
            let cause = home["cause"].as_str().unwrap();
            assert!(cause.contains("leaves signatures unanswered"), "{home}");
        }
        lasts(asked, Duration::from_secs(1)).await;
    }
    let votes = usize::try_from(level).unwrap() - 2;
    assert_eq!(signed(&all.signers[0]).await, 2);
    assert_eq!(signed(&all.signers[1]).await, votes);

    // Probes alone prove nothing, however well they are answered.
    all.signers[0].faults(&json!({"stall": "none"})).await;
    let green = all.signers[0].counts().await.public_key;
    until("ten more probes", async || {
        let probes = all.signers[0].counts().await.public_key;
        (probes >= green + 10).then_some(())
    })
    .await;
    assert_eq!(all.proxy.signer(NAMES[0]).await["state"], "suspect");
    assert_eq!(signed(&all.signers[0]).await, 2);

    // A copied vote does; how soon one is copied depends on how often that was in vain.
    until("a copied vote", async || {
        level += 1;
        attest(&all, level..=level).await;
        let home = all.proxy.signer(NAMES[0]).await;
        (home["state"] == "up").then_some(())
    })
    .await;
    assert!(signed(&all.signers[0]).await > 2);
    all.assert_clean(usize::try_from(level).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_device_that_is_preferred_keeps_its_place_beside_a_fast_one() {
    let slow = ["--latency-ms", "1200", "--serial"];
    let all = Direct::start(&[&slow, &[]]).await;
    let key = all.key(Curve::Ed25519);
    for level in FLOOR + 1..FLOOR + 5 {
        let vote = attestation(level).bytes(Curve::Ed25519, 1);
        all.baker.sign(&key, &vote).await.signature();
        // The slow one is let to its end, and learnt from.
        until("the slow one's end", async || {
            let attempts = all.proxy.metrics().await;
            let ended = attempts.contains("abandoned");
            assert!(!ended, "the slow device was given up");
            let signed = all.signers[0].entries().await.len() % 2 == 0;
            signed.then_some(())
        })
        .await;
    }
    assert_eq!(all.proxy.signer(NAMES[0]).await["state"], "up");
    assert!(all.signers[0].counts().await.sign >= 3);
    all.assert_clean(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_floor_moves_while_the_only_signer_of_a_key_has_not_said_what_it_demands() {
    // The second signer alone has the tz4 key, and demands authentication; it comes up while a request
    // without any is waiting.
    let identity = signer_proxy::dev_signer::keys_from_seed("baker", &[Curve::Ed25519]).remove(0);
    let listed = identity.public_key().to_string();
    let demanding = ["--authorized-key", &listed, "--demand-authentication"];
    let all = Direct::cold(&[&demanding], "", LONG).await;
    let mut all = all;
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    all.signers[0]
        .faults(&json!({"stall": "all", "demand_authentication": true}))
        .await;
    all.proxy.start().await;
    let key = all.key(Curve::Bls);
    let floors = all.proxy.command(&["watermark", "show"], &[]).await.ok();
    let vote = attestation(FLOOR + 900).bytes(Curve::Bls, 1);
    let (answer, ()) = tokio::join!(all.baker.post(&key, "?version=3", &vote), async {
        lasts(Instant::now(), Duration::from_secs(1)).await;
        all.signers[0].faults(&json!({"stall": "none"})).await;
    });
    let refusal = answer.unwrap().refusal(403);
    assert!(refusal.starts_with("[auth] "), "{refusal}");
    let after = all.proxy.command(&["watermark", "show"], &[]).await.ok();
    assert_eq!(floors.stdout, after.stdout);
    assert_eq!(all.signers[0].counts().await.sign, 0);
}
