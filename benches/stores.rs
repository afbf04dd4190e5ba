//! What a store in etcd costs beside an embedded one: claims, records and whole signatures, interleaved in one run.
//!
//! Three real members on loopback, with their data and the embedded store below the target folder, on one disk: three
//! members that share a disk and two cores are slower than three machines, and their network is faster than any.
//!
//! `cargo bench --bench stores [-- ROUNDS]`
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

#[path = "../tests/stores/cluster.rs"]
#[expect(dead_code, reason = "tests/stores.rs needs more of it")]
mod cluster;
mod common;

use std::path::PathBuf;
use std::time::Duration;

use signer_proxy::guard::{Answer, WatermarkStore};
use signer_proxy::store::{DirectoryLock, EmbeddedStore};
use signer_proxy::time::now;

use cluster::Cluster;
use common::{
    Setup, candidate, connect, floor, ms, percentile, record, sign, sorted, start_signer, time,
};

/// Below this all are warming up.
const FIRST: u32 = 10;

fn main() {
    let rounds: u32 = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(500);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-stores");
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(folder.join("store")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let cluster = runtime.block_on(Cluster::start_in(&folder, 3));
    let lock = DirectoryLock::acquire(&folder.join("store")).unwrap();
    let embedded = EmbeddedStore::open(lock, None, |_| {});
    let etcd = cluster.replica("/bench");
    runtime.block_on(async {
        embedded.raise(vec![floor()], now()).await.unwrap();
        etcd.store.raise(vec![floor()], now()).await.unwrap();
    });

    let (_signer, signer, keys) = start_signer();
    let endpoints: Vec<_> = cluster
        .endpoints()
        .iter()
        .map(|port| format!("\"http://127.0.0.1:{port}\""))
        .collect();
    let shared = format!(
        "[store]\nkind = \"etcd\"\nprefix = \"/proxy\"\nendpoints = [{}]\n",
        endpoints.join(", ")
    );
    let one = Setup::new(&folder.join("embedded"), &signer, &keys[0], "");
    let two = Setup::new(&folder.join("etcd"), &signer, &keys[1], &shared);
    let _proxies = [one.run(), two.run()];

    let mut samples: [Vec<Duration>; 6] = Default::default();
    for level in 2..FIRST + rounds {
        let took = [
            time(|| runtime.block_on(claim(&embedded, level))),
            time(|| runtime.block_on(claim(&*etcd.store, level))),
            time(|| runtime.block_on(put(&embedded, level))),
            time(|| runtime.block_on(put(&*etcd.store, level))),
            time(|| sign(&mut connect(&one.address), &keys[0], level, true)),
            time(|| sign(&mut connect(&two.address), &keys[1], level, true)),
        ];
        if level >= FIRST {
            for (samples, took) in samples.iter_mut().zip(took) {
                samples.push(took);
            }
        }
    }
    println!("rounds {rounds}, below {}", folder.display());
    println!("| milliseconds | median | p90 | p99 |\n|---|---|---|---|");
    let names = [
        "claim, embedded",
        "claim, etcd",
        "record, embedded",
        "record, etcd",
        "signature, embedded",
        "signature, etcd",
    ];
    for (name, samples) in names.into_iter().zip(samples.map(sorted)) {
        let [median, p90, p99] = [50, 90, 99].map(|p| ms(percentile(&samples, p)));
        println!("| {name} | {median:.2} | {p90:.2} | {p99:.2} |");
    }
}

async fn claim(store: &impl WatermarkStore, level: u32) {
    let claimed = store.claim(candidate(level), now()).await;
    assert!(matches!(claimed, Ok(Answer::Permit)), "{claimed:?}");
}

async fn put(store: &impl WatermarkStore, level: u32) {
    store.record(candidate(level), record()).await.unwrap();
}
