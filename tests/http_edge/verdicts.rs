//! Sends every message of the table in `verdicts.txt` and compares what comes back.

use tokio::io::AsyncWriteExt as _;

use super::harness::{Client, Server, wide};
use super::table::{Case, cases};

/// What is wrong with the answers to `case`, if anything.
async fn judge(case: &Case, client: &mut Client) -> Option<String> {
    let mut found = Vec::new();
    for expected in &case.statuses {
        if *expected == 100 {
            // It has neither length nor body.
            let head = client.head().await;
            let is_continue = head.is_some_and(|head| head == "HTTP/1.1 100 Continue\r\n\r\n");
            found.push(if is_continue { 100 } else { 0 });
            continue;
        }
        let Some(answer) = client.answer().await else {
            break;
        };
        found.push(answer.status);
        if answer.status == 200 {
            continue;
        }
        // 413 is the service's own, as is 400 where a body ends early.
        let is_own = answer.status == 413 || case.is_cut;
        if !is_own && !answer.body.starts_with("[{\"refused\":") {
            return Some(format!(
                "{}: not the port owner's body: {answer:?}",
                case.name
            ));
        }
        if !(answer.closes() && client.ends().await) {
            return Some(format!("{}: no clean close after {answer:?}", case.name));
        }
    }
    (found != case.statuses)
        .then(|| format!("{}: {found:?} instead of {:?}", case.name, case.statuses))
}

/// Sends each message as `send` does, and compares what comes back.
async fn check(send: impl AsyncFn(&mut Client, &[u8])) {
    let server = Server::start(wide()).await;
    let cases = cases();
    assert!(
        cases.len() >= 500,
        "the table has only {} cases",
        cases.len()
    );
    let mut wrong = Vec::new();
    for case in &cases {
        let mut client = server.connect().await;
        send(&mut client, &case.message).await;
        if case.is_cut {
            client.0.shutdown().await.unwrap();
        }
        wrong.extend(judge(case, &mut client).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What was refused has reached nobody.
    let good = cases.iter().map(Case::good).sum::<usize>();
    assert_eq!(server.echo.answered(), good);
}

#[tokio::test]
async fn every_message_gets_its_verdict() {
    check(async |client, message| client.send(message).await).await;
}

#[tokio::test]
async fn verdicts_are_the_same_byte_by_byte() {
    check(async |client, message| {
        client.0.set_nodelay(true).unwrap();
        for byte in message {
            client.send([*byte]).await;
        }
    })
    .await;
}
