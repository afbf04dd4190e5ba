//! Signers that answer wrongly, late, half or not at all, with a second one beside them.

use serde_json::{Value, json};
use signer_proxy::dev_signer::log::Event;
use signer_proxy::tezos::Curve;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::http;
use crate::harness::payload::{Kind, attestation, block, slot};
use crate::harness::wait::until;

const CURVES: [Curve; 4] = [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls];

/// Turns `fault` on at the preferred signer and has every curve sign every kind.
async fn everything_is_signed_despite(fault: Value) {
    let all = Direct::start(&[&["--random-nonce"], &["--random-nonce"]]).await;
    all.signers[0].faults(&fault).await;
    for curve in CURVES {
        let key = all.key(curve);
        for kind in Kind::ALL {
            let bytes = slot(kind, FLOOR + 1, 0).bytes(curve, 1);
            let first = all.baker.sign(&key, &bytes).await.signature();
            // Whatever the signers have made, one signature is all that anybody ever sees.
            assert_eq!(all.baker.sign(&key, &bytes).await.signature(), first);
        }
    }
    all.assert_clean(12);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_a_signer_refuses_connections_or_requests() {
    everything_is_signed_despite(json!({"reset": "all"})).await;
    everything_is_signed_despite(json!({"reset": "sign"})).await;
    everything_is_signed_despite(json!({"status500": true})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_a_signer_accepts_and_stays_silent() {
    everything_is_signed_despite(json!({"stall": "sign"})).await;
    everything_is_signed_despite(json!({"stall": "all"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_doubled_when_a_signature_goes_astray() {
    everything_is_signed_despite(json!({"sign_then_reset": true})).await;
    everything_is_signed_despite(json!({"truncate": true})).await;
    everything_is_signed_despite(json!({"garbage": true})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_signature_never_reaches_the_baker() {
    everything_is_signed_despite(json!({"wrong_signature": true})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_of_an_older_protocol_is_asked_in_its_own_version() {
    let all = Direct::start(&[&["--max-version", "2"]]).await;
    for curve in CURVES {
        let key = all.key(curve);
        for level in FLOOR + 1..FLOOR + 3 {
            let bytes = attestation(level).bytes(curve, 1);
            all.baker.sign(&key, &bytes).await.signature();
        }
    }
    all.assert_clean(8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baker_that_hangs_up_finds_its_signature_when_it_asks_again() {
    let all = Direct::start(&[&["--latency-ms", "700", "--random-nonce"]]).await;
    let (key, address) = (all.key(Curve::P256), all.baker.address());
    let bytes = block(FLOOR + 1).bytes(Curve::P256, 1);
    let body = signer_proxy::tezos::sign_body(&bytes);
    let request = http::sized_post(address, &format!("/keys/{}", key.hash()), &body);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    all.signers[0].until_received(1).await;
    drop(stream);
    until("the signature to be made", async || {
        let made = all.signers[0].count(key.hash(), Event::Signed).await;
        (made == 1).then_some(())
    })
    .await;
    all.baker.sign(&key, &bytes).await.signature();
    assert_eq!(all.signers[0].counts().await.sign, 1);
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_that_comes_back_is_used_again() {
    let all = Direct::start(&[&[]]).await;
    let key = all.key(Curve::Bls);
    for (round, fault) in ["reset", "stall"].into_iter().enumerate() {
        all.signers[0].faults(&json!({ fault: "all" })).await;
        all.proxy.until_signers(&NAMES[..1], "down").await;
        all.signers[0].heal().await;
        all.proxy.until_signers(&NAMES[..1], "up").await;
        let level = FLOOR + 1 + u32::try_from(round).unwrap();
        let bytes = attestation(level).bytes(Curve::Bls, 1);
        all.baker.sign(&key, &bytes).await.signature();
    }
    // Both directions of every change are events, each with the cause of the trouble.
    for cause in ["closes the connection", "accepts but does not answer"] {
        all.proxy.until_logged(cause).await;
    }
    all.assert_clean(2);
}
