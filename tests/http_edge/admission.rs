//! Caps: who makes room for whom, and who is told to ask again.

use signer_proxy::server::Limits;

use super::harness::{Server, wide};

#[tokio::test]
async fn connection_that_has_been_idle_longest_makes_room() {
    let server = Server::start(Limits {
        connections: 2,
        ..wide()
    })
    .await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    for client in [&mut first, &mut second] {
        client.get("/a").await;
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    // The first is used again, so that the second has been idle longer.
    first.get("/a").await;
    assert_eq!(first.answer().await.unwrap().status, 200);
    let mut third = server.connect().await;
    assert!(second.ends().await);
    for client in [&mut first, &mut third] {
        client.get("/a").await;
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    assert_eq!(
        (
            server.count.open(),
            server.count.evicted(),
            server.count.refused()
        ),
        (2, 1, 0)
    );
}

#[tokio::test]
async fn newcomer_is_told_502_when_all_are_busy() {
    let server = Server::start(Limits {
        connections: 1,
        ..wide()
    })
    .await;
    let mut busy = server.connect().await;
    busy.get("/hold").await;
    server.echo.held(1).await;
    let mut newcomer = server.connect().await;
    newcomer.get("/a").await;
    let refusal = newcomer.answer().await.unwrap();
    assert_eq!(refusal.status, 502);
    assert!(refusal.closes() && refusal.body.contains("Overload"));
    assert!(newcomer.ends().await);
    server.echo.release();
    assert_eq!(busy.answer().await.unwrap().status, 200);
    assert_eq!((server.count.evicted(), server.count.refused()), (0, 1));
}

#[tokio::test]
async fn requests_that_never_come_whole_lock_nobody_out() {
    let server = Server::start(Limits {
        connections: 3,
        ..wide()
    })
    .await;
    // A head without its end; a body without its end, which a service collects; and one that is answered without it.
    let head = "POST /a HTTP/1.1\r\nhost: a\r\n";
    let body = "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf";
    let rest = "POST /ignore HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf";
    let mut begun = Vec::new();
    for part in [head, body, rest] {
        let mut client = server.connect().await;
        client.send(part).await;
        begun.push(client);
    }
    assert_eq!(begun[2].answer().await.unwrap().status, 413);
    for _ in 0..3 {
        let mut newcomer = server.connect().await;
        newcomer.get("/hold").await;
        begun.push(newcomer);
    }
    server.echo.held(3).await;
    assert_eq!((server.count.evicted(), server.count.refused()), (3, 0));
    for newcomer in &mut begun[3..] {
        server.echo.release();
        assert_eq!(newcomer.answer().await.unwrap().status, 200);
    }
    // Who had asked is told, once; who had an answer gets no other.
    for told in &mut begun[..2] {
        assert_eq!(told.answer().await.unwrap().status, 502);
        assert!(told.ends().await);
    }
    assert!(begun[2].ends().await);
}

#[tokio::test]
async fn incomplete_head_is_not_idle() {
    let server = Server::start(Limits {
        connections: 1,
        ..wide()
    })
    .await;
    let mut begun = server.connect().await;
    begun.get("/a").await;
    begun.send("GET /a HTTP/1.1\r\n").await;
    assert_eq!(begun.answer().await.unwrap().status, 200);
    // The begun head was sent before the first answer was read, so the edge has it or gets it in the
    // very poll in which it would be evicted; in both cases the peer is told.
    let mut newcomer = server.connect().await;
    newcomer.get("/a").await;
    let statuses = [newcomer.answer().await.unwrap().status];
    begun.send("host: a\r\n\r\n").await;
    let begun = begun.answer().await.unwrap().status;
    assert!(
        matches!((begun, statuses), (200, [502]) | (502, [200])),
        "{begun} {statuses:?}"
    );
}

#[tokio::test]
async fn crowded_address_does_not_take_the_place_of_others() {
    let server = Server::start(Limits {
        connections: 10,
        per_address: 1,
        ..wide()
    })
    .await;
    let mut other = server.connect_from([127, 0, 0, 1].into()).await;
    other.get("/a").await;
    assert_eq!(other.answer().await.unwrap().status, 200);
    let mut own = server.connect_from([127, 0, 0, 2].into()).await;
    own.get("/a").await;
    assert_eq!(own.answer().await.unwrap().status, 200);
    // The second from the same address closes the first of it, though the other has been idle longer.
    let mut again = server.connect_from([127, 0, 0, 2].into()).await;
    assert!(own.ends().await);
    again.get("/hold").await;
    server.echo.held(1).await;
    let mut refused = server.connect_from([127, 0, 0, 2].into()).await;
    refused.get("/a").await;
    assert_eq!(refused.answer().await.unwrap().status, 502);
    other.get("/a").await;
    assert_eq!(other.answer().await.unwrap().status, 200);
    assert_eq!(
        (
            server.count.open(),
            server.count.evicted(),
            server.count.refused()
        ),
        (2, 1, 1)
    );
}
