//! A backend that takes whatever comes, counts the whole requests in it, and answers each with 200.
//!
//! It frames them as a lenient server would, so that nothing that has reached it goes uncounted.

use std::net::SocketAddr;

use signer_proxy::task::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::harness::within;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What a backend has seen.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    open: usize,
    requests: usize,
}

/// A running backend.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    seen: watch::Sender<Seen>,
}

impl Backend {
    pub(crate) async fn start(tasks: &Tasks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = watch::Sender::default();
        let (serving, tracker) = (seen.clone(), tasks.clone());
        tasks.spawn("backend", async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serving.send_modify(|seen: &mut Seen| seen.open += 1);
                let seen = serving.clone();
                tracker.spawn("backend connection", async move {
                    serve(stream, &seen).await;
                    seen.send_modify(|seen| seen.open -= 1);
                });
            }
        });
        Self { address, seen }
    }

    /// How many whole requests have come in all, once nobody is connected any more.
    pub(crate) async fn settled(&self) -> usize {
        // Connections are accepted in their order: when this one has been seen, all before it have.
        let mut last = TcpStream::connect(self.address).await.unwrap();
        last.shutdown().await.unwrap();
        within(last.read(&mut [0])).await.unwrap();
        let mut seen = self.seen.subscribe();
        let seen = within(seen.wait_for(|seen| seen.open == 0)).await.unwrap();
        seen.requests
    }
}

async fn serve(mut stream: TcpStream, seen: &watch::Sender<Seen>) {
    let mut bytes = Vec::new();
    while stream
        .read_buf(&mut bytes)
        .await
        .is_ok_and(|count| count > 0)
    {
        while let Some(length) = whole(&bytes) {
            bytes.drain(..length);
            seen.send_modify(|seen| seen.requests += 1);
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}

/// The length of the request at the beginning of `bytes`, if it is whole.
fn whole(bytes: &[u8]) -> Option<usize> {
    let body = find(bytes, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..body]).to_ascii_lowercase();
    // Several fields of one name are one list.
    let field = |name: &str| {
        let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
        let fields = fields.filter(|(found, _)| found.trim() == name);
        fields
            .map(|(_, value)| value.trim())
            .collect::<Vec<_>>()
            .join(",")
    };
    if field("transfer-encoding").contains("chunked") {
        return Some(body + chunks(&bytes[body..])?);
    }
    // A length that says nothing is none: its request has come, whatever follows.
    let length = field("content-length");
    let length = length
        .split(',')
        .next()
        .and_then(|length| length.parse().ok());
    let end = body.checked_add(length.unwrap_or(0))?;
    (bytes.len() >= end).then_some(end)
}

/// The length of the chunked body at the beginning of `bytes`, if it is whole.
fn chunks(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = find(&bytes[at..], b"\r\n")?;
        let text = String::from_utf8_lossy(&bytes[at..at + line]);
        let digits = text.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).ok()?;
        at += line + 2;
        if size == 0 {
            break;
        }
        at = at.checked_add(size)?.checked_add(2)?;
        if at > bytes.len() {
            return None;
        }
    }
    // Trailers, up to the empty line.
    loop {
        let line = find(&bytes[at..], b"\r\n")?;
        at += line + 2;
        if line == 0 {
            return Some(at);
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
