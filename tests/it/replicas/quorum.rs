//! Requests that wait for a quorum, and how soon they are signed once it is back.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::cluster::{Cluster, Member};
use crate::harness::direct::FLOOR;
use crate::harness::payload::{Kind, slot};
use crate::harness::wait::{lasts, until};

use super::Replicas;

/// Waits until a member takes a write, asked again and again so that none is waited for that drops it.
async fn until_quorum(cluster: &Cluster) {
    let body = r#"{"key":"cXVvcnVt","value":""}"#;
    let length = body.len();
    let request = format!(
        "POST /v3/kv/put HTTP/1.1\r\nhost: etcd\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let put = async |port: u16| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.starts_with("HTTP/1.1 200 ").then_some(())
    };
    until("the quorum", async || {
        for port in cluster.endpoints() {
            let answered = timeout(Duration::from_millis(60), put(port)).await;
            if let Ok(Some(())) = answered {
                return Some(());
            }
        }
        None
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_for_a_quorum_are_signed_as_soon_as_it_is_back() {
    let all = Replicas::start(3, 1).await;
    let key = all.keys[0].clone();
    for round in 1..=3 {
        let bytes = slot(Kind::Block, FLOOR + round, 4).bytes(key.curve(), 1);
        let frozen = &all.cluster.members[..2];
        frozen.iter().for_each(Member::freeze);
        let baker = all.proxies[0].baker(&all.keys);
        let mut held = JoinSet::new();
        let asked = key.clone();
        held.spawn(async move { (baker.sign(&asked, &bytes).await, Instant::now()) });
        // Long enough for the members to have given up on each other.
        lasts(Instant::now(), Duration::from_secs(3)).await;
        frozen.iter().for_each(Member::thaw);
        until_quorum(&all.cluster).await;
        let back = Instant::now();
        let (signed, at) = held.join_next().await.unwrap().unwrap();
        signed.signature();
        let after = at.saturating_duration_since(back);
        println!("signed {after:?} after the quorum was back");
    }
    all.assert_no_conflict();
}
