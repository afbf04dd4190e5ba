//! What the proxy adds to a signature: proxied against direct, on one machine in one run.
//!
//! Real processes (a development signer and the proxy, store on disk below the target folder) and a
//! blocking client. The four ways are interleaved, so that noise of the machine hits all of them alike;
//! the two durable commits of a signature are timed apart on a store of their own.
//!
//! `cargo bench --bench sign_path [-- ROUNDS]`
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measuring program: a failure is to be loud"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use signer_proxy::guard::{Answer, Candidate, Raise, Record, Slot, Stream, WatermarkStore as _};
use signer_proxy::store::{DirectoryLock, EmbeddedStore};
use signer_proxy::tezos::{
    ChainId, ConsensusKind, Level, Position, PublicKeyHash, Round, Scheme, Signature, digest,
};
use tokio::time::Instant;

const BIN: &str = env!("CARGO_BIN_EXE_signer-proxy");

/// A child process that ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn main() {
    let rounds: u32 = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(500);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-sign-path");
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();

    let (_signer, signer, keys) = start_signer();
    let (proxy, address, first_signature) = start_proxy(&folder, &signer, &keys[1]);
    println!("rounds {rounds}, store {}", folder.display());
    println!(
        "memory at rest       {:>9.1} MiB (VmRSS of the proxy)",
        resident_mib(proxy.0.id())
    );
    println!(
        "start to signature   {:>9.1} ms (warm state folder)",
        ms(first_signature)
    );

    let store = bench_store(&folder);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (mut direct_kept, mut proxied_kept) = (connect(&signer), connect(&address));
    let mut samples: [Vec<Duration>; 5] = Default::default();
    for level in 10..10 + rounds {
        let (even, odd) = (level * 2, level * 2 + 1);
        samples[0].push(time(|| sign(&mut connect(&signer), &keys[0], even, true)));
        samples[1].push(time(|| sign(&mut connect(&address), &keys[1], even, true)));
        samples[2].push(time(|| sign(&mut direct_kept, &keys[0], odd, false)));
        samples[3].push(time(|| sign(&mut proxied_kept, &keys[1], odd, false)));
        samples[4].push(time(|| runtime.block_on(two_commits(&store, level))));
    }
    let [direct_new, proxied_new, direct_kept, proxied_kept, commits] = samples.map(sorted);
    println!(
        "{:<34} {:>9} {:>9} {:>9}",
        "milliseconds", "median", "p90", "p99"
    );
    for (name, samples) in [
        ("direct, new connection", &direct_new),
        ("proxied, new connection", &proxied_new),
        ("direct, kept connection", &direct_kept),
        ("proxied, kept connection", &proxied_kept),
        ("two durable commits (claim, record)", &commits),
    ] {
        let [median, p90, p99] = [50, 90, 99].map(|p| ms(percentile(samples, p)));
        println!("{name:<34} {median:>9.3} {p90:>9.3} {p99:>9.3}");
    }
    let median = |samples: &[Duration]| ms(percentile(samples, 50));
    for (name, direct, proxied) in [
        ("new", &direct_new, &proxied_new),
        ("kept", &direct_kept, &proxied_kept),
    ] {
        let added = median(proxied) - median(direct);
        println!(
            "added at the median, {name:<4} connection: {added:.3} ms = two commits + {:.3} ms",
            added - median(&commits)
        );
    }
}

fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn sorted(mut samples: Vec<Duration>) -> Vec<Duration> {
    samples.sort_unstable();
    samples
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn start_signer() -> (Process, String, Vec<String>) {
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

/// Starts the proxy twice: the second start has a warm state folder and is timed to its first signature.
fn start_proxy(folder: &Path, signer: &str, key: &str) -> (Process, String, Duration) {
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
         [[key]]\nhash = \"{key}\"\n[[signer]]\nname = \"bench\"\n[[signer.path]]\nurl = \"http://{signer}\"\n",
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
    let run = || {
        let child = Command::new(BIN)
            .env("RUST_LOG", "error")
            .args(["run", "--config"])
            .arg(&config)
            .spawn();
        Process(child.unwrap())
    };
    let first = run();
    sign(&mut connect(&address), key, 2, true);
    drop(first);
    let begun = Instant::now();
    let second = run();
    sign(&mut connect(&address), key, 3, true);
    (second, address, begun.elapsed())
}

fn connect(address: &str) -> TcpStream {
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

fn sign(stream: &mut TcpStream, key: &str, level: u32, last: bool) {
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

fn attestation(level: u32) -> Vec<u8> {
    let mut bytes = vec![0x13];
    bytes.extend_from_slice(&ChainId::MAINNET.bytes());
    bytes.extend_from_slice(&[0; 32]);
    bytes.extend_from_slice(&[0x15, 0, 0]);
    bytes.extend_from_slice(&level.to_be_bytes());
    bytes.extend_from_slice(&[0; 36]);
    bytes
}

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
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

fn bench_store(folder: &Path) -> EmbeddedStore {
    let directory = folder.join("store");
    std::fs::create_dir(&directory).unwrap();
    let store = EmbeddedStore::open(DirectoryLock::acquire(&directory).unwrap(), None, |_| {});
    let floor = Raise {
        stream: stream(),
        floor: position(1),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime
        .block_on(store.raise(vec![floor], signer_proxy::time::now()))
        .unwrap();
    store
}

async fn two_commits(store: &EmbeddedStore, level: u32) {
    let slot = Slot {
        stream: stream(),
        position: position(level),
    };
    let payload = digest(&attestation(level));
    let candidate = Candidate {
        slot,
        digest: payload,
        scheme: Scheme::Standard,
    };
    let at = signer_proxy::time::now();
    assert!(matches!(
        store.claim(candidate, at).await,
        Ok(Answer::Permit)
    ));
    let signature = Signature::from_raw(vec![7; 64]).unwrap();
    let record = Record {
        signature,
        signer: "bench".to_owned(),
        at,
    };
    store.record(candidate, record).await.unwrap();
}
