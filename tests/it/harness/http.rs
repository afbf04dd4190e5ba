//! HTTP by hand: one request on one new connection, and the answer as it came.
//!
//! It takes only what the proxy promises: an answer has a status line and a `content-length`.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// No deadline of a scenario is longer.
const PATIENCE: Duration = Duration::from_secs(45);

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers, lower-cased.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The sentence of an Octez error array with this status.
    pub(crate) fn refusal(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert!(
            self.head.contains("content-type: application/json"),
            "{self:?}"
        );
        let errors = self.json();
        let kind = errors[0]["kind"].as_str().unwrap();
        assert!(matches!(kind, "temporary" | "permanent"), "{self:?}");
        assert_eq!(errors[0]["id"], "failure", "{self:?}");
        errors[0]["msg"].as_str().unwrap().to_owned()
    }
}

/// A `GET` as octez-baker sends it.
pub(crate) fn get_request(host: &str, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: ocaml-cohttp/5.3.1\r\naccept: \
         application/json;q=1,application/bson;q=0.100,application/octet-stream;q=0.200\r\n\r\n"
    )
}

/// A `POST` with a sized body, as most programs but octez-baker send it.
pub(crate) fn sized_post(host: &str, path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a whole request and reads the answer.
pub(crate) async fn exchange(address: &str, request: &str) -> io::Result<Answer> {
    converse(None, address, &[request]).await
}

/// `GET` on a new connection.
pub(crate) async fn get(address: &str, path: &str) -> io::Result<Answer> {
    exchange(address, &get_request(address, path)).await
}

/// A new connection, from `source` if there is one: all of 127.0.0.0/8 is this machine.
pub(crate) async fn connect(source: Option<IpAddr>, address: &str) -> io::Result<TcpStream> {
    let Some(source) = source else {
        return TcpStream::connect(address).await;
    };
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    socket.connect(address.parse().unwrap()).await
}

/// Sends `parts` one by one, each in a segment of its own, and reads the answer.
pub(crate) async fn converse(
    source: Option<IpAddr>,
    address: &str,
    parts: &[&str],
) -> io::Result<Answer> {
    let stream = connect(source, address).await?;
    stream.set_nodelay(true)?;
    over(stream, parts).await
}

/// Like [`converse`] on a connection that is there.
pub(crate) async fn over(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    parts: &[&str],
) -> io::Result<Answer> {
    let whole = async {
        for part in parts {
            stream.write_all(part.as_bytes()).await?;
            stream.flush().await?;
        }
        read(&mut stream).await
    };
    timeout(PATIENCE, whole)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Reads one answer from a connection that stays open.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    loop {
        if let Some(answer) = parse(&bytes)? {
            return Ok(answer);
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("closed after {:?}", String::from_utf8_lossy(&bytes)),
            ));
        }
    }
}

fn parse(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end])
        .map_err(|_| invalid("a head that is not text"))?
        .to_ascii_lowercase();
    let status = head
        .strip_prefix("http/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| invalid(&format!("no status line: {head}")))?;
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|length| length.trim().parse().ok())
        .ok_or_else(|| invalid(&format!("no content-length: {head}")))?;
    let body = &bytes[end + 4..];
    if body.len() < length {
        return Ok(None);
    }
    let body = String::from_utf8_lossy(&body[..length]).into_owned();
    Ok(Some(Answer { status, head, body }))
}
