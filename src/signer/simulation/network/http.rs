//! As much of HTTP/1.1 as a signer needs here: requests with sized bodies or none, and whole answers.

use tokio::io::{AsyncReadExt as _, DuplexStream};

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    /// Path and query.
    target: String,
    /// Present in a sign request.
    pub(super) body: Option<Vec<u8>>,
}

impl Request {
    /// The key that it names.
    pub(super) fn key(&self) -> Option<&str> {
        let (_, rest) = self.target.split_once("/keys/")?;
        Some(rest.split('?').next().unwrap_or(rest))
    }
}

/// The next request; `None` when the connection ends.
pub(super) async fn read(stream: &mut DuplexStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let Some(length) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(&bytes[..length]).unwrap();
        let mut words = head.split(' ');
        let method = words.next().unwrap();
        let target = words.next().unwrap().to_owned();
        if method == "GET" {
            return Some(Request { target, body: None });
        }
        let sized = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then_some(value)
        });
        let body = &bytes[length + 4..];
        if body.len() == sized.unwrap().parse::<usize>().unwrap() {
            let body = Some(body.to_vec());
            return Some(Request { target, body });
        }
    }
}

/// The text of an answer.
pub(super) fn answer(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Words\r\ncontent-length: {length}\r\n\r\n{body}")
}
