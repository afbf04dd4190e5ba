//! A network in memory: signers that answer, swallow or refuse, and never sign.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::watch;

use crate::settings::SignerUrl;
use crate::signer::chance::Chance;
use crate::signer::client::connect::{Connect, Connecting, Stream};
use crate::tezos::PublicKey;

/// Lets simulated time go by.
pub(super) async fn pause(length: Duration) {
    let never = std::future::pending::<()>();
    assert!(tokio::time::timeout(length, never).await.is_err());
}

/// No spread.
#[derive(Debug)]
pub(super) struct Middle;

impl Chance for Middle {
    fn byte(&self) -> u8 {
        128
    }
}

/// What a path does with what is asked over it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    /// Answers after this long.
    Answers(Duration),
    /// Accepts no connection.
    Refuses,
    /// Accepts and never answers.
    Swallows,
}

#[derive(Clone, Debug)]
struct Far {
    key: PublicKey,
    mode: Mode,
    asked: usize,
    /// How it answers deep probes, and which targets they had.
    deep_status: &'static str,
    deep: Vec<String>,
}

/// The network as connections are made over it.
#[derive(Clone, Debug)]
pub(super) struct Shared(pub(super) Arc<Net>);

/// The network; a path is named by the host of its url.
#[derive(Debug, Default)]
pub(super) struct Net(Mutex<BTreeMap<String, Far>>, watch::Sender<u64>);

impl Net {
    /// A path to a signer with this key, which answers at once.
    pub(super) fn add(&self, host: &str, key: PublicKey) {
        let mode = Mode::Answers(Duration::ZERO);
        let far = Far {
            key,
            mode,
            asked: 0,
            deep_status: "200 OK",
            deep: Vec::new(),
        };
        self.0.lock().unwrap().insert(host.to_owned(), far);
    }

    /// Takes effect for what is asked from now on; whoever has a connection finds it closed at the next.
    pub(super) fn set(&self, host: &str, mode: Mode) {
        self.0.lock().unwrap().get_mut(host).unwrap().mode = mode;
    }

    /// Ends the connections over which something was swallowed.
    pub(super) fn cut(&self) {
        self.1.send_modify(|cuts| *cuts = cuts.wrapping_add(1));
    }

    /// How often somebody asked or knocked in vain.
    pub(super) fn asked(&self, host: &str) -> usize {
        self.0.lock().unwrap()[host].asked
    }

    /// From now on deep probes are answered with this status.
    pub(super) fn set_deep(&self, host: &str, status: &'static str) {
        let mut all = self.0.lock().unwrap();
        all.get_mut(host).unwrap().deep_status = status;
    }

    /// The targets of the deep probes so far.
    pub(super) fn deep(&self, host: &str) -> Vec<String> {
        self.0.lock().unwrap()[host].deep.clone()
    }

    fn note_deep(&self, host: &str, target: &str) {
        let mut all = self.0.lock().unwrap();
        all.get_mut(host).unwrap().deep.push(target.to_owned());
    }

    fn ask(&self, host: &str) -> Far {
        let mut all = self.0.lock().unwrap();
        let far = all.get_mut(host).unwrap();
        far.asked = far.asked.checked_add(1).unwrap();
        far.clone()
    }
}

impl Connect for Shared {
    fn connect<'a>(&'a self, url: &'a SignerUrl) -> Connecting<'a> {
        let SignerUrl::Http { host, .. } = url else {
            panic!("{url}");
        };
        let refuses = matches!(self.0.0.lock().unwrap()[host].mode, Mode::Refuses);
        if refuses {
            self.0.ask(host);
            return Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) });
        }
        let (near, far) = duplex(64 << 10);
        let (net, host) = (Arc::clone(&self.0), host.clone());
        crate::task::Tasks::new().spawn("far side", async move { net.serve(&host, far).await });
        Box::pin(async { Ok(Box::new(near) as Box<dyn Stream>) })
    }
}

impl Net {
    async fn serve(&self, host: &str, mut stream: DuplexStream) {
        let (mut head, mut cut) = (Vec::new(), self.1.subscribe());
        while let Ok(byte) = stream.read_u8().await {
            head.push(byte);
            if !head.ends_with(b"\r\n\r\n") {
                continue;
            }
            let far = self.ask(host);
            match far.mode {
                Mode::Answers(after) => {
                    if !after.is_zero() {
                        pause(after).await;
                    }
                }
                Mode::Refuses => return,
                Mode::Swallows => {
                    cut.changed().await.unwrap();
                    return;
                }
            }
            let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
            let target = text.split(' ').nth(1).unwrap();
            let shows = text.contains(&far.key.hash().to_string());
            let (status, body) = if target.starts_with("/statusz") {
                self.note_deep(host, target);
                (far.deep_status, String::new())
            } else if shows || !text.contains("/keys/") {
                ("200 OK", format!("{{\"public_key\":\"{}\"}}", far.key))
            } else {
                ("404 Not Found", String::new())
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}
