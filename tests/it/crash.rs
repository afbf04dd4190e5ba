//! The proxy killed with signal 9 at the worst moments.

use signer_proxy::tezos::Curve;

use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::payload::{Kind, slot};

/// Curves whose signers may answer equal bytes with other signatures come in too.
const CURVES: [Curve; 4] = [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls];

/// Long enough to be killed in.
const SLOW: &[&str] = &["--latency-ms", "500", "--random-nonce"];

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_claim_and_release_it_signs_the_same_bytes_and_no_others() {
    let mut all = Direct::start(&[SLOW, SLOW]).await;
    for (round, curve) in (0..).zip(CURVES.into_iter().cycle().take(8)) {
        let key = all.key(curve);
        let kind = Kind::ALL[round % Kind::ALL.len()];
        let level = FLOOR + 1 + u32::try_from(round).unwrap();
        let position = slot(kind, level, 0);
        let (ours, others) = (position.bytes(curve, 1), position.bytes(curve, 2));
        let received = all.received().await;
        let baker = all.baker.clone();
        let (lost, ()) = tokio::join!(baker.sign(&key, &ours), async {
            all.until_received(received + 1).await;
            all.proxy.kill9();
        });
        assert!(lost.signature.is_err(), "killed too late: {lost:?}");
        all.proxy.start().await;
        all.proxy.until_signers(&NAMES[..1], "up").await;

        let refusal = baker.sign(&key, &others).await.refusal(409);
        assert!(refusal.starts_with("[watermark]"), "{refusal}");
        let first = baker.sign(&key, &ours).await.signature();
        assert_eq!(baker.sign(&key, &ours).await.signature(), first);
        let refusal = baker.sign(&key, &others).await.refusal(409);
        assert!(refusal.starts_with("[watermark]"), "{refusal}");
    }
    all.assert_clean(8);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_one_payload_wins_and_its_signature_stays() {
    let mut all = Direct::start(&[&["--random-nonce"]]).await;
    let baker = all.baker.clone();
    for round in 0..12_u32 {
        let level = FLOOR + 1 + round;
        let requests = CURVES.map(|curve| {
            let (key, baker) = (all.key(curve), baker.clone());
            async move {
                let bytes = slot(Kind::Block, level, 0).bytes(curve, 1);
                baker.sign(&key, &bytes).await
            }
        });
        let [a, b, c, d] = requests;
        // Each round dies after another number of turns of the runtime: before, in and after the claim.
        let (a, b, c, d, ()) = tokio::join!(a, b, c, d, async {
            for _ in 0..round * 4 {
                tokio::task::yield_now().await;
                all.proxy.status().await;
            }
            all.proxy.kill9();
        });
        all.proxy.start().await;
        all.proxy.until_signers(&NAMES[..1], "up").await;
        for (curve, before) in CURVES.into_iter().zip([a, b, c, d]) {
            let key = all.key(curve);
            let bytes = |fill| slot(Kind::Block, level, 0).bytes(curve, fill);
            let fills = if round % 2 == 0 { [1, 2] } else { [2, 1] };
            let mut signatures = Vec::new();
            for fill in fills {
                let after = baker.sign(&key, &bytes(fill)).await;
                match after.signature {
                    Ok(signature) => signatures.push((fill, signature)),
                    Err(_) => assert!(after.refusal(409).starts_with("[watermark]")),
                }
            }
            assert_eq!(signatures.len(), 1, "{curve} at {level}: {signatures:?}");
            if let Ok(released) = before.signature {
                assert_eq!(signatures, [(1, released)], "{curve} at {level}");
            }
        }
    }
    all.assert_clean(48);
}
