//! Start and end: what has arrived is finished, what is not ours is not touched.

use signer_proxy::tezos::Curve;
use tokio::net::TcpStream;

use crate::harness::cli;
use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::payload::{attestation, block};
use crate::harness::ports;
use crate::harness::process::Order;
use crate::harness::wait::until;

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_it_finishes_what_has_arrived_and_takes_nothing_new() {
    for order in [Order::Terminate, Order::Interrupt] {
        let mut all = Direct::start(&[&["--latency-ms", "1500"]]).await;
        let key = all.key(Curve::P256);
        let bytes = block(FLOOR + 1).bytes(Curve::P256, 1);
        let baker = all.baker.clone();
        let (outcome, ()) = tokio::join!(baker.sign(&key, &bytes), async {
            all.signers[0].until_received(1).await;
            all.proxy.order(order);
            until("the port to be closed", async || {
                TcpStream::connect(baker.address()).await.err()
            })
            .await;
        });
        outcome.signature();
        let status = all.proxy.end().await;
        assert_eq!(status.code(), Some(0), "{order:?}: {status}");
        all.assert_clean(1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_it_still_holds_what_waits_for_a_signer() {
    let mut all = Direct::with(&[&[]], "", "[deadline]\nconsensus = \"15s\"").await;
    let key = all.key(Curve::Ed25519);
    let bytes = block(FLOOR + 1).bytes(Curve::Ed25519, 1);
    let gone = serde_json::json!({"reset": "all"});
    all.signers[0].faults(&gone).await;
    all.proxy.until_signers(&NAMES[..1], "down").await;
    let baker = all.baker.clone();
    let (outcome, ()) = tokio::join!(baker.sign(&key, &bytes), async {
        all.proxy.until_held().await;
        all.proxy.order(Order::Terminate);
        until("the port to be closed", async || {
            TcpStream::connect(baker.address()).await.err()
        })
        .await;
        all.signers[0].heal().await;
    });
    outcome.signature();
    assert_eq!(all.proxy.end().await.code(), Some(0));
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_twice_it_cuts_what_it_holds_and_ends_with_1() {
    for (first, second) in [
        (Order::Terminate, Order::Terminate),
        (Order::Interrupt, Order::Terminate),
    ] {
        let mut all = Direct::with(&[&[]], "", "[deadline]\nconsensus = \"60s\"").await;
        let key = all.key(Curve::Ed25519);
        let bytes = block(FLOOR + 1).bytes(Curve::Ed25519, 1);
        let gone = serde_json::json!({"reset": "all"});
        all.signers[0].faults(&gone).await;
        all.proxy.until_signers(&NAMES[..1], "down").await;
        let baker = all.baker.clone();
        let (_cut, status) = tokio::join!(baker.sign(&key, &bytes), async {
            all.proxy.until_held().await;
            all.proxy.order(first);
            until("the port to be closed", async || {
                TcpStream::connect(baker.address()).await.err()
            })
            .await;
            all.proxy.order(second);
            all.proxy.end().await
        });
        assert_eq!(status.code(), Some(1), "{first:?}, {second:?}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_state_ends_with_75() {
    let all = Direct::start(&[&[]]).await;
    let mut second = all.proxy.config.clone();
    second.file = all.scene.file("second.toml");
    for port in [second.baker_port, second.admin_port] {
        let free = ports::free();
        second.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
    }
    let socket = all.scene.socket("control.sock").display().to_string();
    let other = all.scene.socket("second.sock").display().to_string();
    second.replace(&socket, &other);
    let finished = cli::run(&["run", "--config", second.file.to_str().unwrap()]).await;
    assert_eq!(finished.code, Some(75), "{finished:?}");
    let state = second.state.display().to_string();
    assert!(finished.stderr.contains(&state), "{finished:?}");
    // The first one has not noticed.
    let key = all.key(Curve::Bls);
    let bytes = attestation(FLOOR + 1).bytes(Curve::Bls, 1);
    all.baker.sign(&key, &bytes).await.signature();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_directory_is_never_made_by_run() {
    let mut all = Direct::cold(&[&[]], "", "").await;
    assert!(!all.proxy.config.state.exists());
    let file = all.proxy.config.file.to_str().unwrap().to_owned();
    let finished = cli::run(&["run", "--config", &file]).await;
    assert!(matches!(finished.code, Some(74 | 78)), "{finished:?}");
    assert!(finished.stderr.contains("watermark init"), "{finished:?}");
    assert!(!all.proxy.config.state.exists());
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    all.proxy.start().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_request_after_a_start_is_held_until_a_signer_is_known() {
    let mut all = Direct::cold(&[&["--get-latency-ms", "300"]], "", "").await;
    all.proxy.init(all.signers[0].keys(), FLOOR).await;
    all.proxy.start().await;
    let key = all.key(Curve::Ed25519);
    let bytes = block(FLOOR + 1).bytes(Curve::Ed25519, 1);
    all.baker.sign(&key, &bytes).await.signature();
    all.assert_clean(1);
}
