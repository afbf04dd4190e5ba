//! Each fault switch, seen from the other end of the connection.

use std::io::ErrorKind;

use signer_proxy::dev_signer::log::Event;
use signer_proxy::dev_signer::{Faults, Listen, Scope};
use signer_proxy::tezos::{Curve, Scheme, sign_body, verify};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Signer, attestation, block, post, preattestation};

async fn connect(signer: &Signer) -> TcpStream {
    let Listen::Tcp(address) = signer.running.address else {
        panic!("not a TCP signer")
    };
    TcpStream::connect(address).await.unwrap()
}

#[tokio::test]
async fn reset_of_sign_requests_leaves_the_others_alone() {
    let signer = Signer::start(Faults {
        reset: Scope::Sign,
        ..Faults::default()
    })
    .await;
    let error = signer.sign(&attestation(1, 0, 0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(signer.get("/authorized_keys").await.unwrap().status, 200);
    assert_eq!(
        signer.events(),
        [Event::Received],
        "it was recorded and not signed"
    );
}

#[tokio::test]
async fn reset_of_everything_ends_each_connection() {
    let signer = Signer::start(Faults {
        reset: Scope::All,
        ..Faults::default()
    })
    .await;
    for _ in 0..3 {
        // The reset may meet the connect, the request or the wait for the answer.
        let error = signer.get("/authorized_keys").await.unwrap_err();
        assert!(
            matches!(
                error.kind(),
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
            ),
            "{error:?}"
        );
    }
    assert_eq!(signer.running.counts().connections, 3);
    signer.running.set_faults(Faults::default());
    assert_eq!(signer.get("/authorized_keys").await.unwrap().status, 200);
}

#[tokio::test]
async fn reset_strikes_an_open_connection_too() {
    let signer = Signer::start(Faults::default()).await;
    let mut stream = connect(&signer).await;
    let request = b"GET /authorized_keys HTTP/1.1\r\nhost: signer\r\n\r\n";
    stream.write_all(request).await.unwrap();
    assert_ne!(stream.read(&mut [0; 512]).await.unwrap(), 0);
    signer.running.set_faults(Faults {
        reset: Scope::All,
        ..Faults::default()
    });
    stream.write_all(request).await.unwrap();
    let error = stream.read(&mut [0; 512]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_stalled_request_gets_no_answer_until_the_signer_ends() {
    let signer = Signer::start(Faults {
        stall: Scope::Sign,
        ..Faults::default()
    })
    .await;
    let mut stream = connect(&signer).await;
    let path = format!("/keys/{}", signer.key(Curve::Ed25519));
    stream
        .write_all(post(&path, &sign_body(&attestation(1, 0, 0))).as_bytes())
        .await
        .unwrap();
    signer.until(|entry| entry.event == Event::Received).await;
    assert_eq!(signer.get("/authorized_keys").await.unwrap().status, 200);
    signer.running.set_faults(Faults::default());
    signer
        .sign(&attestation(2, 0, 0))
        .await
        .unwrap()
        .signature();
    assert_eq!(
        stream.try_read(&mut [0; 512]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    signer.tasks.begin_shutdown();
    signer.tasks.finished().await;
    assert_eq!(stream.read(&mut [0; 512]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_stall_of_everything_holds_metadata_as_well() {
    let signer = Signer::start(Faults {
        stall: Scope::All,
        ..Faults::default()
    })
    .await;
    let mut stream = connect(&signer).await;
    stream
        .write_all(b"GET /authorized_keys HTTP/1.1\r\nhost: signer\r\n\r\n")
        .await
        .unwrap();
    while signer.running.counts().authorized_keys == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        stream.try_read(&mut [0; 512]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
}

#[tokio::test]
async fn sign_then_reset_leaves_a_signature_to_replay() {
    let signer = Signer::start(Faults {
        sign_then_reset: true,
        times: Some(1),
        ..Faults::default()
    })
    .await;
    let error = signer.sign(&attestation(1, 0, 0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    signer
        .sign(&attestation(1, 0, 0))
        .await
        .unwrap()
        .signature();
    assert_eq!(
        signer.events(),
        [
            Event::Received,
            Event::Signed,
            Event::Received,
            Event::Replayed
        ]
    );
}

#[tokio::test]
async fn status_500_signs_nothing() {
    let signer = Signer::start(Faults {
        status500: true,
        ..Faults::default()
    })
    .await;
    signer.sign(&attestation(1, 0, 0)).await.unwrap().refusal();
    assert_eq!(signer.events(), [Event::Received]);
}

#[tokio::test]
async fn garbage_is_a_200_that_nobody_can_read() {
    let signer = Signer::start(Faults {
        garbage: true,
        ..Faults::default()
    })
    .await;
    let answer = signer.sign(&attestation(1, 0, 0)).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(
        serde_json::from_str::<serde_json::Value>(&answer.body).is_err(),
        "{answer:?}"
    );
    assert_eq!(signer.events(), [Event::Received, Event::Signed]);
}

#[tokio::test]
async fn a_wrong_signature_parses_and_does_not_verify() {
    for curve in [Curve::Ed25519, Curve::Secp256k1, Curve::P256] {
        let signer = Signer::start(Faults {
            wrong_signature: true,
            ..Faults::default()
        })
        .await;
        let public = signer.public_key(curve);
        let (path, bytes) = (format!("/keys/{}", public.hash()), attestation(1, 0, 0));
        let wrong = signer.sign_at(&path, &bytes).await.unwrap().signature();
        assert!(verify(&public, Scheme::Standard, &bytes, &wrong).is_err());
        signer.running.set_faults(Faults::default());
        let right = signer.sign_at(&path, &bytes).await.unwrap().signature();
        assert_eq!(verify(&public, Scheme::Standard, &bytes, &right), Ok(()));
    }
}

#[tokio::test]
async fn a_truncated_answer_ends_in_the_middle_of_its_body() {
    let signer = Signer::start(Faults {
        truncate: true,
        ..Faults::default()
    })
    .await;
    let answer = signer.sign(&attestation(1, 0, 0)).await.unwrap();
    let announced = answer
        .head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    let announced: usize = announced.parse().unwrap();
    assert_eq!(answer.body.len(), announced / 2);
    assert!(answer.body.starts_with("{\"signature\":"), "{answer:?}");
    assert_eq!(signer.get("/authorized_keys").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_wrong_public_key_does_not_hash_to_the_asked_one() {
    let signer = Signer::start(Faults {
        wrong_public_key: true,
        ..Faults::default()
    })
    .await;
    let public = signer.public_key(Curve::P256);
    let shown = signer
        .get(&format!("/keys/{}", public.hash()))
        .await
        .unwrap()
        .json();
    let shown: signer_proxy::tezos::PublicKey =
        shown["public_key"].as_str().unwrap().parse().unwrap();
    assert_eq!(shown.curve(), Curve::P256);
    assert_ne!(shown.hash(), public.hash());
}

#[tokio::test]
async fn an_old_signer_does_not_know_version_3() {
    let signer = Signer::start(Faults {
        max_version: 2,
        ..Faults::default()
    })
    .await;
    let path = format!("/keys/{}", signer.key(Curve::Ed25519));
    let refused = signer
        .sign_at(&format!("{path}?version=3"), &attestation(1, 0, 0))
        .await
        .unwrap();
    assert_eq!(refused.status, 400);
    assert!(
        refused.head.contains("content-type: text/plain"),
        "{refused:?}"
    );
    signer
        .sign_at(&format!("{path}?version=2"), &attestation(1, 0, 0))
        .await
        .unwrap()
        .signature();
}

#[tokio::test]
async fn a_ledger_refuses_repeats_and_what_comes_out_of_order() {
    let repeats = Signer::start(Faults {
        refuse_repeats: true,
        ..Faults::default()
    })
    .await;
    repeats
        .sign(&attestation(5, 0, 1))
        .await
        .unwrap()
        .signature();
    repeats.sign(&attestation(5, 0, 1)).await.unwrap().refusal();

    let shared = Signer::start(Faults {
        shared_watermark: true,
        ..Faults::default()
    })
    .await;
    shared
        .sign(&preattestation(5, 0, 1))
        .await
        .unwrap()
        .signature();
    shared.sign(&block(5)).await.unwrap().refusal();
    shared
        .sign(&attestation(5, 0, 1))
        .await
        .unwrap()
        .signature();
    shared
        .sign(&preattestation(5, 0, 1))
        .await
        .unwrap()
        .refusal();
    shared.sign(&block(6)).await.unwrap().signature();
}

#[tokio::test]
async fn a_signer_without_watermark_signs_anew_with_a_fresh_nonce() {
    let faults = Faults {
        no_watermark: true,
        random_nonce: true,
        ..Faults::default()
    };
    let signer = Signer::start(faults).await;
    let public = signer.public_key(Curve::P256);
    let (path, bytes) = (format!("/keys/{}", public.hash()), attestation(5, 0, 1));
    let first = signer.sign_at(&path, &bytes).await.unwrap().signature();
    let second = signer.sign_at(&path, &bytes).await.unwrap().signature();
    assert_ne!(first, second);
    for signature in [first, second] {
        assert_eq!(
            verify(&public, Scheme::Standard, &bytes, &signature),
            Ok(())
        );
    }
    signer
        .sign_at(&path, &attestation(4, 0, 2))
        .await
        .unwrap()
        .signature();
}

#[tokio::test]
async fn a_baker_that_hangs_up_does_not_undo_its_signature() {
    let signer = Signer::start(Faults {
        latency_ms: 20,
        ..Faults::default()
    })
    .await;
    let mut stream = connect(&signer).await;
    let path = format!("/keys/{}", signer.key(Curve::Ed25519));
    stream
        .write_all(post(&path, &sign_body(&attestation(1, 0, 0))).as_bytes())
        .await
        .unwrap();
    signer.until(|entry| entry.event == Event::Received).await;
    drop(stream);
    signer.until(|entry| entry.event == Event::Signed).await;
}

#[tokio::test]
async fn a_drain_ends_requests_in_flight_and_frees_the_port() {
    let signer = Signer::start(Faults {
        latency_ms: 3_600_000,
        ..Faults::default()
    })
    .await;
    let mut stream = connect(&signer).await;
    let path = format!("/keys/{}", signer.key(Curve::Ed25519));
    stream
        .write_all(post(&path, &sign_body(&attestation(1, 0, 0))).as_bytes())
        .await
        .unwrap();
    signer.until(|entry| entry.event == Event::Received).await;
    signer.tasks.begin_shutdown();
    signer.tasks.finished().await;
    assert!(signer.get("/authorized_keys").await.is_err());
    assert_eq!(signer.events(), [Event::Received]);
}

#[tokio::test(start_paused = true)]
async fn half_a_request_does_not_hold_up_the_end() {
    let signer = Signer::start(Faults::default()).await;
    let mut stream = connect(&signer).await;
    stream.write_all(b"GET /authorized").await.unwrap();
    while signer.running.counts().connections == 0 {
        tokio::task::yield_now().await;
    }
    signer.tasks.begin_shutdown();
    signer.tasks.finished().await;
    assert_eq!(stream.read(&mut [0; 512]).await.unwrap_or(0), 0);
}
