//! A conflict is answered at once: who asks for other bytes does not wait for the first request's signer.

use signer_proxy::dev_signer::log::Event;
use signer_proxy::tezos::{Curve, digest};
use tokio::time::Instant;

use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::payload::{Kind, slot};

/// Long enough to be refused in.
const SLOW: &[&str] = &["--latency-ms", "2000"];

#[tokio::test(flavor = "multi_thread")]
async fn a_conflicting_request_is_refused_while_the_first_is_still_at_a_signer() {
    let all = Direct::start(&[SLOW]).await;
    for (level, curve) in (FLOOR + 1..).zip([Curve::Ed25519, Curve::Bls]) {
        let key = all.key(curve);
        let [first, second] = [1, 2].map(|fill| slot(Kind::Block, level, 1).bytes(curve, fill));
        let received = all.received().await;
        let mut signing = Box::pin(all.baker.sign(&key, &first));
        let sent = async {
            all.until_received(received + 1).await;
            let commits = commits(&all).await;
            let begun = Instant::now();
            let refusal = all.baker.sign(&key, &second).await.refusal(409);
            let took = begun.elapsed();
            // Nothing was written for it, so it waited for one commit at most: that of the first claim.
            let more = self::commits(&all).await - commits;
            assert!(more < 1.0, "{more} commits for a refusal");
            println!("refused after {took:?}: {refusal}");
            refusal
        };
        let early = tokio::select! {
            biased;
            outcome = &mut signing => panic!("the first was answered before: {outcome:?}"),
            refusal = sent => refusal,
        };
        let about = format!("block level {level} round 1 of {}", key.hash());
        let names_both = |refusal: &str| {
            assert!(refusal.starts_with("[watermark] "), "{refusal}");
            for part in [&about, &digest(&first).short(), &digest(&second).short()] {
                assert!(refusal.contains(part), "no {part}: {refusal}");
            }
        };
        names_both(&early);
        assert!(!early.contains("signed through"), "{early}");

        signing.await.signature();
        let late = all.baker.sign(&key, &second).await.refusal(409);
        names_both(&late);
        // When it was signed and by whom, as the signer's own log has it.
        let (_, signed) = late
            .split_once("signed through ")
            .unwrap_or_else(|| panic!("{late}"));
        let (name, at) = signed.split_once(" at ").unwrap();
        assert_eq!(name, NAMES[0], "{late}");
        let at: jiff::Timestamp = at.split(' ').next().unwrap().parse().unwrap();
        let entries = all.signers[0].entries().await;
        let made = entries
            .iter()
            .find(|entry| entry.event == Event::Signed && entry.level == Some(level));
        assert!(made.unwrap().at.as_second() <= at.as_second(), "{late}");
        assert!(at <= signer_proxy::time::now(), "{late}");
    }
    all.assert_clean(2);
}

/// Durable commits so far.
async fn commits(all: &Direct) -> f64 {
    all.proxy
        .metric("signer_proxy_store_commit_duration_seconds_count")
        .await
}
