//! A signer under test, a client that sees the bytes of an answer, and payloads.

use std::io;
use std::time::Duration;

use signer_proxy::dev_signer::log::{Entry, Event};
use signer_proxy::dev_signer::{Faults, Listen, Options, Running, keys_from_seed, start};
use signer_proxy::task::Tasks;
use signer_proxy::tezos::{ChainId, Curve, PublicKey, PublicKeyHash, Signature, sign_body};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

/// Longer than anything here takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Signer {
    pub(crate) running: Running,
    pub(crate) tasks: Tasks,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The sentence of an Octez error array.
    pub(crate) fn refusal(&self) -> String {
        assert_eq!(self.status, 500, "{self:?}");
        let errors = self.json();
        assert_eq!(
            (&errors[0]["kind"], &errors[0]["id"]),
            (&"temporary".into(), &"failure".into())
        );
        errors[0]["msg"].as_str().unwrap().to_owned()
    }

    pub(crate) fn signature(&self) -> Signature {
        assert_eq!(self.status, 200, "{self:?}");
        Signature::parse(self.json()["signature"].as_str().unwrap())
            .unwrap()
            .0
    }
}

impl Signer {
    /// A signer with one key of each curve.
    pub(crate) async fn start(faults: Faults) -> Self {
        Self::with(|options| options.faults = faults).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let curves = [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls];
        let mut options = Options::loopback(keys_from_seed("test", &curves));
        change(&mut options);
        let tasks = Tasks::new();
        let running = start(options, &tasks).await.unwrap();
        Self { running, tasks }
    }

    pub(crate) fn public_key(&self, curve: Curve) -> PublicKey {
        self.running
            .public_keys()
            .into_iter()
            .find(|key| key.curve() == curve)
            .unwrap()
    }

    pub(crate) fn key(&self, curve: Curve) -> PublicKeyHash {
        self.public_key(curve).hash()
    }

    pub(crate) async fn get(&self, path: &str) -> io::Result<Answer> {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nhost: signer\r\nconnection: close\r\n\r\n"
        ))
        .await
    }

    /// Asks the tz1 key.
    pub(crate) async fn sign(&self, bytes: &[u8]) -> io::Result<Answer> {
        self.sign_at(&format!("/keys/{}", self.key(Curve::Ed25519)), bytes)
            .await
    }

    pub(crate) async fn sign_at(&self, path: &str, bytes: &[u8]) -> io::Result<Answer> {
        self.send(&post(path, &sign_body(bytes))).await
    }

    pub(crate) async fn send(&self, request: &str) -> io::Result<Answer> {
        let text = self.exchange(request).await?;
        if text.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Answer {
            status,
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        })
    }

    /// Everything that the signer sends until the connection ends.
    pub(crate) async fn exchange(&self, request: &str) -> io::Result<String> {
        match &self.running.address {
            Listen::Tcp(address) => exchange(TcpStream::connect(address).await?, request).await,
            Listen::Unix(path) => exchange(UnixStream::connect(path).await?, request).await,
        }
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.running
            .entries()
            .iter()
            .map(|entry| entry.event)
            .collect()
    }

    /// Waits until the log says `wanted`.
    pub(crate) async fn until(&self, wanted: impl Fn(&Entry) -> bool) {
        let seen = async {
            while !self.running.entries().iter().any(&wanted) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, seen)
            .await
            .expect("the log never said what was awaited");
    }
}

pub(crate) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: signer\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

pub(crate) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> io::Result<String> {
    let whole = async {
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    tokio::time::timeout(PATIENCE, whole)
        .await
        .expect("the signer neither answered nor hung up")
}

/// An attestation by a tz1, tz2 or tz3 key on mainnet; `fill` makes payloads differ.
pub(crate) fn attestation(level: u8, round: u8, fill: u8) -> Vec<u8> {
    vote(0x13, 0x15, level, round, fill)
}

pub(crate) fn preattestation(level: u8, round: u8, fill: u8) -> Vec<u8> {
    vote(0x12, 0x14, level, round, fill)
}

fn vote(magic: u8, tag: u8, level: u8, round: u8, fill: u8) -> Vec<u8> {
    let mut bytes = vec![magic];
    bytes.extend(ChainId::MAINNET.bytes());
    bytes.extend([fill; 32]);
    bytes.extend([tag, 0, 0, 0, 0, 0, level, 0, 0, 0, round]);
    bytes.extend([fill; 32]);
    bytes
}

/// An attestation by a tz4 key on mainnet.
pub(crate) fn bls_attestation(level: u8) -> Vec<u8> {
    let mut bytes = vec![0x13];
    bytes.extend(ChainId::MAINNET.bytes());
    bytes.extend([0; 32]);
    bytes.extend([0x29, 0, 0, 0, level, 0, 0, 0, 0]);
    bytes.extend([0; 32]);
    bytes
}

/// A block at round 0 on mainnet.
pub(crate) fn block(level: u8) -> Vec<u8> {
    let mut bytes = vec![0x11];
    bytes.extend(ChainId::MAINNET.bytes());
    bytes.extend([0, 0, 0, level, 2]);
    bytes.extend([0; 32]);
    bytes.extend([0; 8]);
    bytes.push(4);
    bytes.extend([0; 32]);
    bytes.extend([
        0, 0, 0, 33, 0, 0, 0, 1, 2, 0, 0, 0, 4, 0, 0, 0, level, 0, 0, 0, 0,
    ]);
    bytes.extend([0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 4, 0, 0, 0, 0]);
    bytes.extend([0; 64]);
    bytes.extend([0; 4 + 8 + 2]);
    bytes
}
