//! What the measuring programs share: real processes, a blocking client, and figures.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use signer_proxy::guard::{Candidate, Raise, Record, Slot, Stream};
use signer_proxy::tezos::{
    ChainId, ConsensusKind, Level, Position, PublicKeyHash, Round, Scheme, Signature, digest,
};
use tokio::time::Instant;

pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_signer-proxy");

/// A child process that ends with its owner.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

pub(crate) fn sorted(mut samples: Vec<Duration>) -> Vec<Duration> {
    samples.sort_unstable();
    samples
}

pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

pub(crate) fn start_signer() -> (Process, String, Vec<String>) {
    let mut child = Command::new(BIN)
        .args([
            "dev-signer",
            "--listen",
            "127.0.0.1:0",
            "--seed",
            "bench",
            "--keys-per-curve",
            "2",
        ])
        .args(["--log", "/dev/null"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("key"), Some(hash)) => keys.push(hash.to_owned()),
            (Some("listening"), Some(url)) => {
                let address = url.trim_start_matches("http://").to_owned();
                return (Process(child), address, keys);
            }
            _ => {}
        }
    }
    panic!("the signer did not start");
}

/// A proxy that is not started yet.
pub(crate) struct Setup {
    pub(crate) address: String,
    config: PathBuf,
}

impl Setup {
    /// With a folder of its own, and a watermark for `key`; `more` goes into the configuration.
    pub(crate) fn new(folder: &Path, signer: &str, key: &str, more: &str) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let address = format!("127.0.0.1:{port}");
        let config = folder.join("config.toml");
        let state = folder.join("state");
        let text = format!(
            "[listen]\nhttp = \"{address}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[state]\ndirectory = \"{}\"\n\
             [[key]]\nhash = \"{key}\"\n[[signer]]\nname = \"bench\"\n[[signer.path]]\nurl = \"http://{signer}\"\n{more}",
            state.display()
        );
        std::fs::write(&config, text).unwrap();
        let init = Command::new(BIN)
            .env("RUST_LOG", "error")
            .args([
                "watermark",
                "init",
                "--level",
                "1",
                "--key",
                key,
                "--config",
            ])
            .arg(&config)
            .stdout(Stdio::null())
            .status();
        assert!(init.unwrap().success());
        Self { address, config }
    }

    pub(crate) fn run(&self) -> Process {
        let child = Command::new(BIN)
            .env("RUST_LOG", "error")
            .args(["run", "--config"])
            .arg(&self.config)
            .spawn();
        Process(child.unwrap())
    }
}

pub(crate) fn connect(address: &str) -> TcpStream {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                stream.set_nodelay(true).unwrap();
                return stream;
            }
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "{error}"),
        }
        std::thread::yield_now();
    }
}

pub(crate) fn sign(stream: &mut TcpStream, key: &str, level: u32, last: bool) {
    let payload = attestation(level);
    let body = format!("\"{}\"", hex::encode(payload));
    let connection = if last { "close" } else { "keep-alive" };
    let request = format!(
        "POST /keys/{key}?version=3 HTTP/1.1\r\nhost: bench\r\nconnection: {connection}\r\ncontent-length: \
         {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "closed: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..count]);
        if answer.ends_with(b"}\n") || answer.ends_with(b"]\n") || answer.ends_with(b"}") {
            break;
        }
    }
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

pub(crate) fn attestation(level: u32) -> Vec<u8> {
    let mut bytes = vec![0x13];
    bytes.extend_from_slice(&ChainId::MAINNET.bytes());
    bytes.extend_from_slice(&[0; 32]);
    bytes.extend_from_slice(&[0x15, 0, 0]);
    bytes.extend_from_slice(&level.to_be_bytes());
    bytes.extend_from_slice(&[0; 36]);
    bytes
}

fn stream() -> Stream {
    let key: PublicKeyHash = "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb".parse().unwrap();
    Stream {
        chain: ChainId::MAINNET,
        key,
        kind: ConsensusKind::Attestation,
    }
}

fn position(level: u32) -> Position {
    Position {
        level: Level::new(level).unwrap(),
        round: Round::ZERO,
    }
}

/// What is claimed for `level`.
pub(crate) fn candidate(level: u32) -> Candidate {
    Candidate {
        slot: Slot {
            stream: stream(),
            position: position(level),
        },
        digest: digest(&attestation(level)),
        scheme: Scheme::Standard,
    }
}

/// What is recorded for any.
pub(crate) fn record() -> Record {
    Record {
        signature: Signature::from_raw(vec![7; 64]).unwrap(),
        signer: "bench".to_owned(),
        at: signer_proxy::time::now(),
    }
}

/// A first watermark.
pub(crate) fn floor() -> Raise {
    Raise {
        stream: stream(),
        floor: position(1),
    }
}
