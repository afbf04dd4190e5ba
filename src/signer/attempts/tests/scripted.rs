//! A signer that does exactly what a test says, over a bare socket.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, watch};

use crate::task::Tasks;
use crate::tezos::{Curve, Scheme, decode_sign_body, signature_body};

/// A signer that refuses signature version 3 with 400, but answers first when `together` requests with it
/// have arrived whole. Ends with the test's runtime.
pub(super) async fn old_signer_that_answers_two_at_a_time(together: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::new();
    let barrier = Arc::new(Barrier::new(together));
    tasks.clone().spawn("scripted signer", async move {
        while let Ok((stream, _)) = listener.accept().await {
            tasks.spawn("scripted connection", serve(stream, Arc::clone(&barrier)));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, barrier: Arc<Barrier>) {
    while let Some((head, body)) = read_request(&mut stream).await {
        let (status, body) = if head.contains("version=3") {
            barrier.wait().await;
            ("400 Bad Request", "unknown version".to_owned())
        } else {
            let bytes = decode_sign_body(&body).unwrap();
            let keys = super::keys();
            let key = keys
                .iter()
                .find(|key| key.public_key().curve() == Curve::Bls);
            let signature = key.unwrap().sign(Scheme::Pop, &bytes);
            ("200 OK", signature_body(&signature.encode(Curve::Bls)))
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// One request with a sized body; `None` when the connection ends.
async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1)?;
            let length: usize = length.lines().next()?.trim().parse().ok()?;
            if body.len() == length {
                return Some((head.to_owned(), body.as_bytes().to_vec()));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// A way to a signer. Ends with the test's runtime.
pub(super) struct Way {
    pub(super) address: SocketAddr,
    cuts: watch::Sender<u64>,
}

impl Way {
    /// A way to `target`; on one that is `mute` everything arrives there and nothing comes back.
    pub(super) async fn to(target: SocketAddr, mute: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, cut) = watch::channel(0);
        let tasks = Tasks::new();
        tasks.clone().spawn("way", async move {
            while let Ok((near, _)) = listener.accept().await {
                let mut cut = cut.clone();
                cut.mark_unchanged();
                tasks.spawn("connection of a way", async move {
                    tokio::select! {
                        biased;
                        _ = cut.changed() => {}
                        () = carry(near, target, mute) => {}
                    }
                });
            }
        });
        Self { address, cuts }
    }

    /// Ends the connections that there are.
    pub(super) fn cut(&self) {
        self.cuts
            .send_modify(|cuts: &mut u64| *cuts = cuts.wrapping_add(1));
    }
}

async fn carry(mut near: TcpStream, target: SocketAddr, mute: bool) {
    let mut far = TcpStream::connect(target).await.unwrap();
    if mute {
        let (mut said, _heard) = near.split();
        tokio::io::copy(&mut said, &mut far).await.ok();
        std::future::pending::<()>().await;
    } else {
        tokio::io::copy_bidirectional(&mut near, &mut far)
            .await
            .ok();
    }
}
