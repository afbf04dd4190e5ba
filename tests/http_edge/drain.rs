//! The end: what is closed, what is finished, and what is told to ask again.

use tokio::net::TcpStream;

use super::harness::{Server, wide, within};

#[tokio::test]
async fn idle_connections_are_closed_and_new_ones_not_taken() {
    let server = Server::start(wide()).await;
    let mut idle = server.connect().await;
    idle.get("/a").await;
    assert_eq!(idle.answer().await.unwrap().status, 200);
    let address = server.address;
    server.drained().await;
    assert!(idle.ends().await);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn held_request_is_finished_with_close() {
    let server = Server::start(wide()).await;
    let mut held = server.connect().await;
    held.get("/hold").await;
    server.echo.held(1).await;
    server.tasks.begin_shutdown();
    // The listener has gone, so the drain is under way.
    while TcpStream::connect(server.address).await.is_ok() {}
    assert!(!server.served.is_finished());
    server.echo.release();
    let answer = held.answer().await.unwrap();
    assert_eq!((answer.status, answer.closes()), (200, true));
    assert!(held.ends().await);
    drop(held);
    within(server.served).await.unwrap();
}

#[tokio::test]
async fn head_that_has_begun_is_finished() {
    let server = Server::start(wide()).await;
    let mut begun = server.connect().await;
    // An answer and the next head's first bytes in one segment: when the answer is here, so are they.
    begun
        .send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\nGET /b HTTP")
        .await;
    server.echo.held(1).await;
    server.echo.release();
    assert_eq!(begun.answer().await.unwrap().status, 200);
    // A second connection goes all the way round after that, so the first has begun its next head.
    let mut other = server.connect().await;
    other.get("/a").await;
    assert_eq!(other.answer().await.unwrap().status, 200);
    server.tasks.begin_shutdown();
    while TcpStream::connect(server.address).await.is_ok() {}
    begun.send("/1.1\r\nhost: a\r\n\r\n").await;
    let answer = begun.answer().await.unwrap();
    assert_eq!((answer.status, answer.closes()), (200, true));
    assert!(begun.ends().await);
    drop(begun);
    within(server.served).await.unwrap();
}

#[tokio::test]
async fn request_that_begins_after_the_drain_is_told_502() {
    let server = Server::start(wide()).await;
    // Fresh connections may still ask for a moment.
    let mut late = server.connect().await;
    let mut round = server.connect().await;
    round.get("/a").await;
    assert_eq!(round.answer().await.unwrap().status, 200);
    server.tasks.begin_shutdown();
    late.get("/a").await;
    let refusal = late.answer().await.unwrap();
    assert_eq!(refusal.status, 502);
    assert!(refusal.closes() && refusal.body.contains("Overload"));
    drop(late);
    within(server.served).await.unwrap();
    assert_eq!(server.echo.answered(), 1);
}
