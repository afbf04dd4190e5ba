//! Frames that lie, stall, come in pieces or all at once.

use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use crate::server::{Edge, RefusalBodies};
use crate::task::Tasks;

use super::*;

/// Answers with the message itself; `wait` never answers, `last` ends the connection.
#[derive(Clone)]
struct Echo;

impl FrameHandler for Echo {
    async fn answer(&self, message: Vec<u8>, _: &Peer) -> Reply {
        if message == b"wait" {
            std::future::pending::<()>().await;
        }
        let last = message == b"last";
        Reply { message, last }
    }

    fn refusal(&self, cause: &str) -> Vec<u8> {
        cause.as_bytes().to_vec()
    }
}

struct Served {
    io: DuplexStream,
    edge: Edge,
    tasks: Tasks,
    ended: JoinHandle<()>,
}

fn serve() -> Served {
    let (near, far) = tokio::io::duplex(256 << 10);
    let tasks = Tasks::new();
    let edge = Edge::new(tasks.clone(), RefusalBodies::plain_text());
    let slot = edge.count.admit(&edge.limits, None).unwrap();
    let nobody = Peer {
        address: None,
        uid: None,
        certified: None,
    };
    let ended = tasks.spawn("frames", run(far, nobody, Echo, edge.clone(), slot));
    Served {
        io: near,
        edge,
        tasks,
        ended,
    }
}

impl Served {
    async fn send(&mut self, message: &[u8]) {
        let length = u16::try_from(message.len()).unwrap();
        self.io.write_u16(length).await.unwrap();
        self.io.write_all(message).await.unwrap();
    }

    async fn receive(&mut self) -> Vec<u8> {
        let length = self.io.read_u16().await.unwrap();
        let mut message = vec![0; usize::from(length)];
        self.io.read_exact(&mut message).await.unwrap();
        message
    }

    /// How long it takes until the connection has ended.
    async fn ends(mut self) -> Duration {
        let begun = Instant::now();
        let mut rest = Vec::new();
        self.io.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "{rest:?}");
        self.ended.await.unwrap();
        begun.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_one_after_the_other_however_they_come() {
    let mut served = serve();
    served.send(b"one").await;
    assert_eq!(served.receive().await, b"one");
    let long = vec![7; 65_535];
    served.send(&long).await;
    served.send(b"").await;
    served.send(b"three").await;
    assert_eq!(served.receive().await, long);
    assert_eq!(served.receive().await, b"");
    assert_eq!(served.receive().await, b"three");
    for byte in [0, 2, b'h', b'i'] {
        served.io.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(served.receive().await, b"hi");
}

#[tokio::test(start_paused = true)]
async fn a_length_that_lies_takes_no_memory_and_ends_with_its_time() {
    let mut served = serve();
    let limit = served.edge.limits.head;
    served.io.write_all(&[0xff, 0xff, 1, 2, 3]).await.unwrap();
    assert_eq!(served.ends().await, limit);
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_let_go() {
    let served = serve();
    let limit = served.edge.limits.first_byte;
    assert_eq!(served.ends().await, limit);
    let mut served = serve();
    served.send(b"one").await;
    served.receive().await;
    let limit = served.edge.limits.idle;
    assert_eq!(served.ends().await, limit);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_understood_ends_the_connection_with_its_answer() {
    let mut served = serve();
    served.send(b"last").await;
    served.send(b"more").await;
    assert_eq!(served.receive().await, b"last");
    drop(served.io);
    served.ended.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_is_waited_for_no_longer() {
    let mut served = serve();
    served.send(b"wait").await;
    served.io.shutdown().await.unwrap();
    let begun = Instant::now();
    served.ended.await.unwrap();
    assert_eq!(begun.elapsed(), HALF_CLOSED);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_what_is_idle_and_answers_what_comes_in_time() {
    let mut served = serve();
    served.send(b"one").await;
    served.receive().await;
    served.tasks.begin_shutdown();
    served.send(b"two").await;
    assert_eq!(served.receive().await, b"two");
    assert_eq!(served.ends().await, DRAIN_GRACE);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_makes_room_and_one_at_work_does_not() {
    let mut served = serve();
    served.send(b"wait").await;
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    served.edge.count.evict_oldest();
    assert_eq!(served.edge.count.evicted(), 0);
    let served = serve();
    served.edge.count.evict_oldest();
    assert_eq!(served.edge.count.evicted(), 1);
    assert_eq!(served.ends().await, Duration::ZERO);
}

/// Lets the connection come to where it waits again.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_on_and_on_does_not_hold_up_a_drain() {
    let mut served = serve();
    served.send(b"one").await;
    served.receive().await;
    served.tasks.begin_shutdown();
    settle().await;
    let begun = Instant::now();
    while !served.ended.is_finished() {
        assert!(begun.elapsed() <= DRAIN_GRACE, "still answered");
        // The pipe holds all of it, and breaks when the connection ends.
        drop(served.io.write_all(&[0, 1, 7]).await);
        tokio::time::advance(Duration::from_millis(100)).await;
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_never_comes_whole_makes_room() {
    let mut served = serve();
    served.io.write_all(&[0, 9, b'h']).await.unwrap();
    settle().await;
    served.edge.count.evict_oldest();
    assert_eq!(served.receive().await, Refusal::FULL.cause.as_bytes());
    assert_eq!(served.edge.count.open(), 0);
    served.ends().await;
}
