//! Well-formed use: keep-alive, pipelines, bodies, waits that end, and services that fail.

use signer_proxy::server::{Limits, bind_unix};
use signer_proxy::task::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::harness::{BODY_BYTES, Echo, SHORT, Server, wide, within};

#[tokio::test]
async fn connection_is_kept_for_further_requests() {
    let server = Server::start(wide()).await;
    let mut client = server.connect().await;
    for path in ["/a", "/b?c", "/d"] {
        client.get(path).await;
        let answer = client.answer().await.unwrap();
        assert_eq!((answer.status, answer.closes()), (200, false));
        assert_eq!(answer.body, format!("GET {path} "));
    }
}

#[tokio::test]
async fn close_is_honoured() {
    let server = Server::start(wide()).await;
    let mut client = server.connect().await;
    client
        .send("GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    assert!(client.answer().await.unwrap().closes());
    assert!(client.ends().await);
}

#[tokio::test]
async fn health_check_of_http_1_0_is_answered_and_closed() {
    let server = Server::start(wide()).await;
    let mut client = server.connect().await;
    client
        .send("GET /a HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert!(client.ends().await);
}

#[tokio::test]
async fn answer_to_head_has_a_length_and_no_body() {
    let server = Server::start(wide()).await;
    let mut client = server.connect().await;
    client.send("HEAD /a HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(
        client
            .head()
            .await
            .unwrap()
            .contains("\r\ncontent-length: 8\r\n")
    );
    client.get("/b").await;
    assert_eq!(client.answer().await.unwrap().body, "GET /b ");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(wide()).await;
    let mut client = server.connect().await;
    let post =
        |number| format!("POST /{number} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab");
    client.send((0..40).map(post).collect::<String>()).await;
    for number in 0..40 {
        assert_eq!(
            client.answer().await.unwrap().body,
            format!("POST /{number} ab")
        );
    }
}

#[tokio::test]
async fn answer_in_flight_is_finished_before_what_follows_is_refused() {
    let server = Server::start(wide()).await;
    let mut client = server.connect().await;
    client.get("/hold").await;
    client.send("garbage\r\n\r\n").await;
    server.echo.held(1).await;
    server.echo.release();
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(client.answer().await.unwrap().status, 400);
    assert!(client.ends().await);
}

#[tokio::test]
async fn large_bodies_arrive_whole_in_both_framings() {
    let server = Server::start(wide()).await;
    let mut client = server.connect().await;
    let body = "a".repeat(BODY_BYTES);
    client
        .send(format!(
            "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: {BODY_BYTES}\r\n\r\n{body}"
        ))
        .await;
    assert_eq!(
        client.answer().await.unwrap().body,
        format!("POST /a {body}")
    );
    let head = "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    client
        .send(format!("{head}{BODY_BYTES:x}\r\n{body}\r\n0\r\n\r\n"))
        .await;
    assert_eq!(
        client.answer().await.unwrap().body,
        format!("POST /a {body}")
    );
}

#[tokio::test]
async fn client_that_waits_for_100_continue_gets_it() {
    let server = Server::start(wide()).await;
    let mut client = server.connect().await;
    client
        .send("POST /a HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        .await;
    assert_eq!(
        client.head().await.unwrap(),
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    client.send("ab").await;
    assert_eq!(client.answer().await.unwrap().body, "POST /a ab");
}

/// Half a megabyte is more than the sockets hold, so sending it fails when the edge does not read on.
#[tokio::test]
async fn early_answers_reach_a_client_that_is_still_sending() {
    let server = Server::start(wide()).await;
    let by_the_service = "POST /ignore HTTP/1.1\r\nhost: a\r\ncontent-length: 500000\r\n\r\n";
    let by_the_edge = "POST /a HTTP/1.1\r\ncontent-length: 500000\r\n\r\n";
    for (head, status) in [(by_the_service, 413), (by_the_edge, 400)] {
        let mut client = server.connect().await;
        client.send(head).await;
        for piece in "a".repeat(500_000).as_bytes().chunks(1000) {
            within(client.0.write_all(piece)).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(client.answer().await.unwrap().status, status);
        assert!(client.ends().await);
    }
}

#[tokio::test]
async fn large_answer_is_not_cut_by_the_close() {
    let server = Server::start(wide()).await;
    let mut client = server.connect().await;
    client
        .send("GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.unwrap().body.len(), 1024 * 1024);
    assert!(client.ends().await);
}

#[tokio::test]
async fn slow_head_is_told_408() {
    let server = Server::start(Limits {
        head: SHORT,
        ..wide()
    })
    .await;
    let mut client = server.connect().await;
    client.send("GET /a HTTP/1.1\r\nhost:").await;
    assert_eq!(client.answer().await.unwrap().status, 408);
    assert!(client.ends().await);
}

#[tokio::test]
async fn slow_body_is_told_408_by_the_service() {
    let server = Server::start(Limits {
        body: SHORT,
        ..wide()
    })
    .await;
    let mut client = server.connect().await;
    client
        .send("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na")
        .await;
    assert_eq!(client.answer().await.unwrap().status, 408);
    assert!(client.ends().await);
}

#[tokio::test]
async fn silent_connection_is_closed_without_a_word() {
    let server = Server::start(Limits {
        first_byte: SHORT,
        ..wide()
    })
    .await;
    assert!(server.connect().await.ends().await);
}

#[tokio::test]
async fn idle_connection_is_closed_without_a_word() {
    let server = Server::start(Limits {
        idle: SHORT,
        ..wide()
    })
    .await;
    let mut client = server.connect().await;
    client.get("/a").await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert!(client.ends().await);
}

#[tokio::test]
async fn head_cut_by_the_peer_is_refused() {
    let server = Server::start(wide()).await;
    let mut client = server.connect().await;
    client.send("GET /a HTTP/1.1\r\nhost: a\r\n").await;
    client.0.shutdown().await.unwrap();
    assert_eq!(client.answer().await.unwrap().status, 400);
}

#[tokio::test]
async fn hang_up_ends_the_held_request() {
    let server = Server::start(wide()).await;
    let mut client = server.connect().await;
    client.get("/hold").await;
    server.echo.held(1).await;
    drop(client);
    server.echo.held(0).await;
}

#[tokio::test]
async fn panic_ends_one_connection_only() {
    let server = Server::start(wide()).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    second.get("/hold").await;
    server.echo.held(1).await;
    first.get("/panic").await;
    assert!(first.answer().await.is_none());
    server.echo.release();
    assert_eq!(second.answer().await.unwrap().status, 200);
    assert_eq!(server.count.open(), 1);
}

#[tokio::test]
async fn unix_socket_is_served_and_names_its_peer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.sock");
    let bound = bind_unix(&path, 0o600).await.unwrap();
    assert_eq!(bound.local_addr(), path.display().to_string());
    let (tasks, limits) = (Tasks::new(), wide());
    let echo = Echo::new(limits.body);
    let (_, served) = Server::serve(bound, limits, &tasks, &echo);
    let mut client = UnixStream::connect(&path).await.unwrap();
    client
        .write_all(b"GET /peer HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    within(client.read_to_string(&mut text)).await.unwrap();
    assert!(text.contains("address: None, uid: Some("), "{text}");
    tasks.begin_shutdown();
    within(served).await.unwrap();
    assert!(!path.exists());
}
