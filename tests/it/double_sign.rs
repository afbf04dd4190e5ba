//! Two payloads for one slot, from one baker or two, now or later, in every disguise.

use signer_proxy::dev_signer::log::Event;
use signer_proxy::tezos::{Curve, digest};
use tokio::task::JoinSet;

use crate::harness::cli;
use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::http;
use crate::harness::payload::{Kind, attestation, block, preattestation, slot};

const CURVES: [Curve; 4] = [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls];

#[tokio::test(flavor = "multi_thread")]
async fn another_payload_for_a_signed_slot_is_refused_with_both_digests() {
    let all = Direct::start(&[&[], &[]]).await;
    for curve in CURVES {
        let key = all.key(curve);
        for kind in Kind::ALL {
            let position = slot(kind, FLOOR + 5, 1);
            let (first, second) = (position.bytes(curve, 1), position.bytes(curve, 2));
            all.baker.sign(&key, &first).await.signature();
            let refusal = all.baker.sign(&key, &second).await.refusal(409);
            assert!(refusal.starts_with("[watermark] "), "{refusal}");
            for bytes in [&first, &second] {
                assert!(refusal.contains(&digest(bytes).short()), "{refusal}");
            }
        }
    }
    all.assert_clean(12);
    assert_eq!(all.signers[1].counts().await.sign, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_below_the_last_position_is_refused() {
    let all = Direct::start(&[&[]]).await;
    let key = all.key(Curve::Ed25519);
    let bytes = |level, round| slot(Kind::Attestation, level, round).bytes(Curve::Ed25519, 1);
    all.baker.sign(&key, &bytes(FLOOR + 5, 2)).await.signature();
    for (level, round) in [
        (FLOOR + 5, 1),
        (FLOOR + 4, 0),
        (FLOOR + 4, 9),
        (FLOOR, 0),
        (1, 0),
        (0, 0),
    ] {
        let refusal = all
            .baker
            .sign(&key, &bytes(level, round))
            .await
            .refusal(409);
        assert!(refusal.starts_with("[watermark] "), "{refusal}");
    }
    // Each kind has a position of its own.
    let other = preattestation(FLOOR + 1).bytes(Curve::Ed25519, 1);
    all.baker.sign(&key, &other).await.signature();
    all.assert_clean(2);
    assert_eq!(all.signers[0].counts().await.sign, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_get_the_same_signature_whatever_nonces_the_signers_draw() {
    let mut all = Direct::start(&[&["--random-nonce", "--no-watermark"][..]; 2]).await;
    let mut signatures = Vec::new();
    for curve in CURVES {
        let key = all.key(curve);
        let bytes = block(FLOOR + 1).bytes(curve, 1);
        let signature = all.baker.sign(&key, &bytes).await.signature();
        assert_eq!(all.baker.sign(&key, &bytes).await.signature(), signature);
        signatures.push((key, bytes, signature));
    }
    all.proxy.crash().await;
    for (key, bytes, signature) in signatures {
        assert_eq!(all.baker.sign(&key, &bytes).await.signature(), signature);
    }
    let signed = all.signers[0].counts().await.sign;
    assert_eq!(signed, 4, "a replay asks no signer");
    all.assert_clean(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_bakers_that_race_for_a_slot_one_wins_and_the_other_reaches_no_signer() {
    let all = Direct::start(&[&["--no-watermark"][..]; 2]).await;
    for (level, curve) in (FLOOR + 1..).zip(CURVES.into_iter().cycle().take(40)) {
        let key = all.key(curve);
        let [ours, theirs] = [1, 2].map(|fill| block(level).bytes(curve, fill));
        let other = all.baker.clone();
        let (a, b) = tokio::join!(all.baker.sign(&key, &ours), other.sign(&key, &theirs));
        let (winner, loser) = if a.signature.is_ok() { (a, b) } else { (b, a) };
        winner.signature();
        let refusal = loser.refusal(409);
        assert!(refusal.starts_with("[watermark] "), "{refusal}");
    }
    all.assert_clean(40);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_requests_at_the_same_time_reach_a_signer_once() {
    let all = Direct::start(&[&["--latency-ms", "400", "--random-nonce"]]).await;
    for curve in [Curve::P256, Curve::Bls] {
        let key = all.key(curve);
        let bytes = attestation(FLOOR + 1).bytes(curve, 1);
        let mut bakers = JoinSet::new();
        for _ in 0..8 {
            let (baker, key, bytes) = (all.baker.clone(), key.clone(), bytes.clone());
            bakers.spawn(async move { baker.sign(&key, &bytes).await.signature() });
        }
        let signatures = bakers.join_all().await;
        assert!(signatures.windows(2).all(|two| two[0] == two[1]));
        let received = all.signers[0].count(key.hash(), Event::Received).await;
        assert_eq!(received, 1, "{curve}");
    }
    all.assert_clean(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claimed_slot_is_not_signed_under_another_scheme() {
    let all = Direct::start(&[&["--no-watermark"]]).await;
    let key = all.key(Curve::Bls);
    let bytes = attestation(FLOOR + 1).bytes(Curve::Bls, 1);
    let first = all.baker.sign(&key, &bytes).await.signature();
    let aug = all.baker.post(&key, "?version=1", &bytes).await.unwrap();
    let refusal = aug.refusal(409);
    assert!(refusal.starts_with("[watermark] "), "{refusal}");
    // 2, 3 and none are one scheme.
    for query in ["?version=2", "?version=3", ""] {
        let answer = all.baker.post(&key, query, &bytes).await.unwrap();
        assert_eq!(answer.json()["signature"], first.encode(Curve::Bls));
    }
    assert_eq!(all.signers[0].counts().await.sign, 1);
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_watermark_is_refused_with_the_command_that_sets_it() {
    let mut all = Direct::cold(&[&[]], "", "").await;
    let (known, new) = (all.key(Curve::Ed25519), all.key(Curve::P256));
    all.proxy.init([&known], FLOOR).await;
    all.proxy.start().await;
    all.proxy.until_signers(&NAMES[..1], "up").await;

    let bytes = attestation(FLOOR + 1).bytes(Curve::P256, 1);
    let refusal = all.baker.sign(&new, &bytes).await.refusal(409);
    assert!(refusal.starts_with("[watermark] "), "{refusal}");
    let config = all.proxy.config.file.display();
    let start = format!(
        "signer-proxy watermark init --config {config} --key {}",
        new.hash()
    );
    let at = refusal.find(&start).unwrap_or_else(|| panic!("{refusal}"));
    assert_eq!(all.signers[0].counts().await.sign, 0);

    // The command as printed, with a level in the place of the word for it.
    let printed = refusal[at..].replace("LEVEL", &FLOOR.to_string());
    let words = printed.split(' ').skip(1);
    let command: Vec<_> = words.take_while(|word| !word.starts_with('(')).collect();
    cli::run(&command).await.ok();
    all.baker.sign(&new, &bytes).await.signature();
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_found_out_however_the_body_is_written() {
    let all = Direct::start(&[&[]]).await;
    let key = all.key(Curve::Ed25519);
    let first = block(FLOOR + 1).bytes(Curve::Ed25519, 1);
    let signature = all.baker.sign(&key, &first).await.signature();
    let path = format!("//keys///{}?version=3&unheard=of", key.hash());
    let body = |fill| {
        let bytes = block(FLOOR + 1).bytes(Curve::Ed25519, fill);
        format!("  \"{}\"\r\n", hex::encode(bytes).to_uppercase())
    };
    let address = all.baker.address();
    let same = http::exchange(address, &http::sized_post(address, &path, &body(1))).await;
    assert_eq!(
        same.unwrap().json()["signature"],
        signature.encode(Curve::Ed25519)
    );
    let other = http::exchange(address, &http::sized_post(address, &path, &body(2))).await;
    assert!(other.unwrap().refusal(409).starts_with("[watermark] "));
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_baker_was_first_is_no_alarm_where_two_are_meant() {
    for meant in [true, false] {
        let tables = format!("[guard]\ntwo-bakers = {meant}");
        let all = Direct::with(&[&[]], "", &tables).await;
        let key = all.key(Curve::Ed25519);
        let bytes = |fill| block(FLOOR + 1).bytes(Curve::Ed25519, fill);
        all.baker.sign(&key, &bytes(1)).await.signature();
        all.baker.sign(&key, &bytes(2)).await.refusal(409);
        let (event, alarm) = ("the other baker was first", "watermark refusal");
        let (said, unsaid) = if meant {
            (event, alarm)
        } else {
            (alarm, event)
        };
        assert_eq!(all.proxy.until_logged(said).await.len(), 1);
        assert!(all.proxy.logged(unsaid).is_empty());
        all.assert_clean(1);
    }
}
