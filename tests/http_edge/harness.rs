//! An echo service behind the edge, and a client that sends raw bytes.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use signer_proxy::server::{
    BodyError, Bound, ConnectionCount, Edge, Limits, Peer, RefusalBodies, bind_tcp, collect_body,
    response, serve,
};
use signer_proxy::task::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// A test that waits longer than this for a state has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough not to matter.
pub(crate) const LONG: Duration = Duration::from_mins(10);
/// Short enough to be waited for.
pub(crate) const SHORT: Duration = Duration::from_millis(60);
/// Largest body that the echo service reads.
pub(crate) const BODY_BYTES: usize = 64 * 1024;

/// Limits of which none is reached by accident.
pub(crate) fn wide() -> Limits {
    Limits {
        first_byte: LONG,
        head: LONG,
        body: LONG,
        idle: LONG,
        write: LONG,
        ..Limits::default()
    }
}

/// A running edge.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) count: ConnectionCount,
    pub(crate) tasks: Tasks,
    pub(crate) served: JoinHandle<()>,
    pub(crate) echo: Echo,
}

impl Server {
    pub(crate) async fn start(limits: Limits) -> Self {
        let bound = bind_tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = bound.tcp_addr().unwrap();
        let tasks = Tasks::new();
        let echo = Echo::new(limits.body);
        let (count, served) = Self::serve(bound, limits, &tasks, &echo);
        Self {
            address,
            count,
            tasks,
            served,
            echo,
        }
    }

    pub(crate) fn serve(
        bound: Bound,
        limits: Limits,
        tasks: &Tasks,
        echo: &Echo,
    ) -> (ConnectionCount, JoinHandle<()>) {
        let refusals = RefusalBodies::new("application/json", |kind, cause| {
            Bytes::from(format!(
                "[{{\"refused\":\"{kind:?}\",\"msg\":\"{cause}\"}}]"
            ))
        });
        let mut edge = Edge::new(tasks.clone(), refusals);
        edge.limits = limits;
        let (count, echo) = (edge.count.clone(), echo.clone());
        let service = tower::service_fn(move |request| {
            let echo = echo.clone();
            async move { Ok::<_, Infallible>(echo.answer(request).await) }
        });
        (count, tasks.spawn("edge", serve(bound, service, edge)))
    }

    pub(crate) async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Connects from another loopback address.
    pub(crate) async fn connect_from(&self, local: IpAddr) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((local, 0).into()).unwrap();
        Client(socket.connect(self.address).await.unwrap())
    }

    /// Begins the drain and waits until the edge has nothing left.
    pub(crate) async fn drained(self) {
        self.tasks.begin_shutdown();
        within(self.served).await.unwrap();
    }
}

/// Waits for `state`, but not for ever.
pub(crate) async fn within<F: Future>(state: F) -> F::Output {
    tokio::time::timeout(PATIENCE, state)
        .await
        .expect("the state did not come")
}

/// Answers `METHOD /path body`. `/hold` waits for a release, `/panic` panics, `/ignore` does not read
/// the body, `/large` answers a megabyte, `/peer` tells who asks.
#[derive(Clone)]
pub(crate) struct Echo {
    body: Duration,
    release: Arc<Semaphore>,
    held: Arc<watch::Sender<usize>>,
    answered: Arc<watch::Sender<usize>>,
}

/// Counts a request as held while it lives.
struct Held(Arc<watch::Sender<usize>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.send_modify(|held| *held -= 1);
    }
}

impl Echo {
    pub(crate) fn new(body: Duration) -> Self {
        let counter = || Arc::new(watch::Sender::new(0));
        Self {
            body,
            release: Arc::new(Semaphore::new(0)),
            held: counter(),
            answered: counter(),
        }
    }

    /// Lets one held request go on.
    pub(crate) fn release(&self) {
        self.release.add_permits(1);
    }

    /// Waits until exactly `count` requests are held.
    pub(crate) async fn held(&self, count: usize) {
        within(self.held.subscribe().wait_for(|held| *held == count))
            .await
            .unwrap();
    }

    /// How many requests have been read to their end.
    pub(crate) fn answered(&self) -> usize {
        *self.answered.borrow()
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let text = |status, text: String| response(status, "text/plain", Bytes::from(text));
        match path {
            "/ignore" => return text(StatusCode::PAYLOAD_TOO_LARGE, "ignored".into()),
            "/panic" => panic!("the service panics as it was asked to"),
            "/large" => return text(StatusCode::OK, "a".repeat(1024 * 1024)),
            "/peer" => {
                let peer: Peer = parts.extensions.get().cloned().unwrap();
                return text(StatusCode::OK, format!("{peer:?}"));
            }
            _ => {}
        }
        let body = match collect_body(body, BODY_BYTES, self.body).await {
            Ok(body) => body,
            Err(error @ BodyError::TooLarge) => {
                return text(StatusCode::PAYLOAD_TOO_LARGE, error.to_string());
            }
            Err(error @ BodyError::TooSlow) => {
                return text(StatusCode::REQUEST_TIMEOUT, error.to_string());
            }
            Err(error @ BodyError::Broken) => {
                return text(StatusCode::BAD_REQUEST, error.to_string());
            }
        };
        if path == "/hold" {
            self.held.send_modify(|held| *held += 1);
            let _held = Held(Arc::clone(&self.held));
            self.release.acquire().await.unwrap().forget();
        }
        self.answered.send_modify(|answered| *answered += 1);
        let body = String::from_utf8_lossy(&body).into_owned();
        text(
            StatusCode::OK,
            format!("{} {} {body}", parts.method, parts.uri),
        )
    }
}

/// A raw connection to the edge.
pub(crate) struct Client(pub(crate) TcpStream);

/// One answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn closes(&self) -> bool {
        self.head.contains("\r\nconnection: close\r\n")
    }
}

impl Client {
    /// Sends bytes; a peer that has closed already is no failure here.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.0.write_all(bytes.as_ref()).await);
    }

    /// Sends a GET for `path`.
    pub(crate) async fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
    }

    /// Reads one answer; `None` at the end of the stream.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let head = self.head().await?;
        let length = head
            .split("\r\n")
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.unwrap_or_else(|| panic!("no content-length in {head:?}"));
        let mut body = vec![0; length.parse().unwrap()];
        within(self.0.read_exact(&mut body)).await.unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Answer {
            status,
            head,
            body: String::from_utf8(body).unwrap(),
        })
    }

    /// Reads one head with its empty line; `None` at the end of the stream.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match within(self.0.read_u8()).await {
                Ok(byte) => head.push(byte),
                Err(_) if head.is_empty() => return None,
                Err(error) => panic!("{error} within {:?}", String::from_utf8_lossy(&head)),
            }
        }
        Some(String::from_utf8(head).unwrap())
    }

    /// Whether the stream ends here without another byte and without a reset.
    pub(crate) async fn ends(&mut self) -> bool {
        matches!(within(self.0.read(&mut [0])).await, Ok(0))
    }
}
