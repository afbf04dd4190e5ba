//! The control port.

use serde_json::json;
use signer_proxy::dev_signer::{Counts, Faults, Scope};
use tokio::net::TcpStream;

use crate::harness::{Signer, attestation, exchange};

async fn controlled() -> Signer {
    Signer::with(|options| options.control = Some("127.0.0.1:0".parse().unwrap())).await
}

async fn ask(signer: &Signer, method: &str, path: &str, body: &str) -> (u16, String) {
    let stream = TcpStream::connect(signer.running.control.unwrap())
        .await
        .unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: control\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(stream, &request).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

#[tokio::test]
async fn faults_are_read_changed_and_reset() {
    let signer = controlled().await;
    let read = |body: String| serde_json::from_str::<Faults>(&body).unwrap();
    let (status, body) = ask(&signer, "GET", "/faults", "").await;
    assert_eq!((status, read(body)), (200, Faults::default()));

    let (status, body) = ask(
        &signer,
        "PATCH",
        "/faults",
        r#"{"stall":"all","latency_ms":7}"#,
    )
    .await;
    let expected = Faults {
        stall: Scope::All,
        latency_ms: 7,
        ..Faults::default()
    };
    assert_eq!((status, read(body)), (200, expected.clone()));
    assert_eq!(signer.running.faults(), expected);

    let (_, body) = ask(&signer, "POST", "/", r#"{"stall":"none"}"#).await;
    assert_eq!(
        read(body),
        Faults {
            stall: Scope::None,
            ..expected
        }
    );
    let (_, body) = ask(&signer, "DELETE", "/faults", "").await;
    assert_eq!(read(body), Faults::default());
}

#[tokio::test]
async fn a_wrong_change_is_answered_with_the_reason_and_changes_nothing() {
    let signer = controlled().await;
    let (status, body) = ask(
        &signer,
        "PATCH",
        "/faults",
        r#"{"latency_ms":7,"stal":"all"}"#,
    )
    .await;
    assert_eq!(status, 400);
    assert!(body.contains("stal"), "{body}");
    assert_eq!(signer.running.faults(), Faults::default());
}

#[tokio::test]
async fn the_log_and_the_counts_are_shown() {
    let signer = controlled().await;
    signer
        .sign(&attestation(5, 1, 0))
        .await
        .unwrap()
        .signature();
    signer.get("/authorized_keys").await.unwrap();
    signer.get("/elsewhere").await.unwrap();

    let (_, body) = ask(&signer, "GET", "/signed", "").await;
    let entries: serde_json::Value = serde_json::from_str(&body).unwrap();
    let events: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["event"])
        .collect();
    assert_eq!(events, ["received", "signed"]);
    let line = &entries[1];
    assert_eq!(
        (&line["kind"], &line["level"], &line["round"]),
        (&json!("attestation"), &json!(5), &json!(1))
    );
    assert_eq!(line["chain"], "NetXdQprcVkpaWU");
    assert_eq!(line["digest"].as_str().unwrap().len(), 64);
    assert_eq!(line["signature_digest"].as_str().unwrap().len(), 64);

    let (_, body) = ask(&signer, "GET", "/counts", "").await;
    let counts: Counts = serde_json::from_str(&body).unwrap();
    let expected = Counts {
        connections: 3,
        sign: 1,
        authorized_keys: 1,
        other: 1,
        ..Counts::default()
    };
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn faults_never_strike_the_control_port() {
    let signer = controlled().await;
    signer.running.set_faults(Faults {
        reset: Scope::All,
        stall: Scope::All,
        ..Faults::default()
    });
    assert_eq!(ask(&signer, "GET", "/faults", "").await.0, 200);
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let signer = controlled().await;
    assert_eq!(ask(&signer, "GET", "/elsewhere", "").await.0, 404);
    assert_eq!(ask(&signer, "PUT", "/faults", "").await.0, 405);
    assert_eq!(ask(&signer, "POST", "/signed", "").await.0, 405);
}
