//! The three timers and the farewells, on a paused clock over an in-memory stream.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;
use crate::server::{ConnectionCount, Limits, RefusalBodies, collect_body, response};
use crate::task::Tasks;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Serves one connection by a service that takes `work` for each answer of `bytes` bytes.
struct Served {
    tasks: Tasks,
    count: ConnectionCount,
    peer: DuplexStream,
    start: Instant,
}

impl Served {
    fn new(work: Duration, bytes: usize) -> Self {
        let (near, peer) = tokio::io::duplex(1024);
        let tasks = Tasks::new();
        let edge = Edge::new(tasks.clone(), RefusalBodies::plain_text());
        let count = edge.count.clone();
        let slot = count.admit(&Limits::default(), None).unwrap();
        let service = tower::service_fn(move |request: Request<Incoming>| async move {
            drop(collect_body(request.into_body(), 1024, Duration::from_secs(5)).await);
            pass(work).await;
            let body = Bytes::from(vec![b'a'; bytes]);
            Ok::<Response<Full<Bytes>>, Infallible>(response(StatusCode::OK, "text/plain", body))
        });
        let nobody = Peer {
            address: None,
            uid: None,
            certified: None,
        };
        drop(tasks.spawn("connection", run(near, nobody, service, edge, slot)));
        Self {
            tasks,
            count,
            peer,
            start: Instant::now(),
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.peer.write_all(bytes).await.unwrap();
    }

    /// Reads up to the end of the stream; returns the text and the whole seconds since the start.
    async fn rest(&mut self) -> (String, u64) {
        let mut text = String::new();
        self.peer.read_to_string(&mut text).await.unwrap();
        (text, self.start.elapsed().as_secs())
    }

    /// Reads one answer with an empty body.
    async fn answer(&mut self) -> String {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            text.push(self.peer.read_u8().await.unwrap());
        }
        String::from_utf8(text).unwrap()
    }
}

/// Lets the paused clock run on once every task has done what it can.
async fn pass(time: Duration) {
    drop(tokio::time::timeout(time, std::future::pending::<()>()).await);
}

#[tokio::test(start_paused = true)]
async fn silent_connection_is_closed_without_a_word() {
    let mut served = Served::new(Duration::ZERO, 0);
    assert_eq!(served.rest().await, (String::new(), 5));
    served.tasks.finished().await;
    assert_eq!(served.count.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn head_that_trickles_is_refused_five_seconds_after_its_first_byte() {
    let mut served = Served::new(Duration::ZERO, 0);
    pass(Duration::from_secs(4)).await;
    for byte in GET.iter().take(4) {
        served.send(&[*byte]).await;
        pass(Duration::from_secs(1)).await;
    }
    let (text, seconds) = served.rest().await;
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    assert_eq!(seconds, 9);
}

#[tokio::test(start_paused = true)]
async fn kept_connection_is_idle_for_75_seconds_and_not_for_five() {
    let mut served = Served::new(Duration::ZERO, 0);
    served.send(GET).await;
    assert!(served.answer().await.starts_with("HTTP/1.1 200 "));
    pass(Duration::from_secs(74)).await;
    served.send(GET).await;
    assert!(served.answer().await.starts_with("HTTP/1.1 200 "));
    assert_eq!(served.rest().await, (String::new(), 74 + 75));
}

#[tokio::test(start_paused = true)]
async fn working_service_is_not_timed() {
    let mut served = Served::new(Duration::from_mins(10), 0);
    served.send(GET).await;
    assert!(served.answer().await.starts_with("HTTP/1.1 200 "));
    assert_eq!(served.start.elapsed().as_secs(), 600);
}

#[tokio::test(start_paused = true)]
async fn answer_that_nobody_reads_ends_the_connection_after_ten_seconds() {
    let served = Served::new(Duration::ZERO, 1024 * 1024);
    let Served {
        tasks,
        mut peer,
        start,
        ..
    } = served;
    peer.write_all(GET).await.unwrap();
    tasks.finished().await;
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn answer_read_slowly_but_steadily_is_finished() {
    let mut served = Served::new(Duration::ZERO, 8 * 1024);
    served.send(GET).await;
    let mut read = 0;
    let mut piece = [0; 512];
    while read < 8 * 1024 {
        pass(Duration::from_secs(9)).await;
        read += served.peer.read(&mut piece).await.unwrap();
    }
    assert!(served.start.elapsed().as_secs() > 60);
}

#[tokio::test(start_paused = true)]
async fn half_closed_peer_still_gets_a_quick_answer() {
    let mut served = Served::new(Duration::from_millis(900), 0);
    served.send(GET).await;
    served.peer.shutdown().await.unwrap();
    assert!(served.rest().await.0.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(start_paused = true)]
async fn hang_up_ends_a_held_request() {
    let mut served = Served::new(Duration::from_mins(10), 0);
    served.send(GET).await;
    served.peer.shutdown().await.unwrap();
    served.tasks.finished().await;
    assert_eq!(served.start.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn fresh_connection_may_still_ask_when_the_drain_begins() {
    let mut served = Served::new(Duration::ZERO, 0);
    served.tasks.begin_shutdown();
    pass(Duration::from_millis(200)).await;
    served.send(GET).await;
    let (text, _) = served.rest().await;
    assert!(text.starts_with("HTTP/1.1 502 "), "{text}");
}

#[tokio::test(start_paused = true)]
async fn fresh_connection_does_not_hold_up_the_drain() {
    let mut served = Served::new(Duration::ZERO, 0);
    served.tasks.begin_shutdown();
    assert_eq!(served.rest().await.0, "");
    assert!(served.start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn request_that_has_come_at_the_moment_of_eviction_is_told() {
    let mut served = Served::new(Duration::ZERO, 0);
    served.count.evict_oldest();
    served.send(GET).await;
    let (text, _) = served.rest().await;
    assert!(text.starts_with("HTTP/1.1 502 "), "{text}");
}

#[tokio::test(start_paused = true)]
async fn farewell_to_a_peer_that_stays_makes_room() {
    let mut served = Served::new(Duration::ZERO, 0);
    served.send(b"no request\r\n\r\n").await;
    let (text, _) = served.rest().await;
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    served.count.evict_oldest();
    served.tasks.finished().await;
    // Else whoever is refused and stays holds a descriptor that nobody counts.
    assert_eq!(served.start.elapsed(), Duration::ZERO);
}
