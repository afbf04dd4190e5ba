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

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use signer_proxy::guard::{Answer, WatermarkStore as _};
use signer_proxy::store::{DirectoryLock, EmbeddedStore};
use tokio::time::Instant;

use common::{
    Process, Setup, candidate, connect, floor, ms, percentile, record, sign, sorted, start_signer,
    time,
};

fn main() {
    let rounds: u32 = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(500);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-sign-path");
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();

    let (_signer, signer, keys) = start_signer();
    let setup = Setup::new(&folder, &signer, &keys[1], "");
    let (proxy, first_signature) = start_warm(&setup, &keys[1]);
    let address = setup.address;
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

/// Starts the proxy twice: the second start has a warm state folder and is timed to its first signature.
fn start_warm(setup: &Setup, key: &str) -> (Process, Duration) {
    let first = setup.run();
    sign(&mut connect(&setup.address), key, 2, true);
    drop(first);
    let begun = Instant::now();
    let second = setup.run();
    sign(&mut connect(&setup.address), key, 3, true);
    (second, begun.elapsed())
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

fn bench_store(folder: &Path) -> EmbeddedStore {
    let directory = folder.join("store");
    std::fs::create_dir(&directory).unwrap();
    let store = EmbeddedStore::open(DirectoryLock::acquire(&directory).unwrap(), None, |_| {});
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime
        .block_on(store.raise(vec![floor()], signer_proxy::time::now()))
        .unwrap();
    store
}

async fn two_commits(store: &EmbeddedStore, level: u32) {
    let candidate = candidate(level);
    let claimed = store.claim(candidate, signer_proxy::time::now()).await;
    assert!(matches!(claimed, Ok(Answer::Permit)));
    store.record(candidate, record()).await.unwrap();
}
