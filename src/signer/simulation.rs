//! Whole worlds in memory: the real roster, prober, attempts and guard, with signers that sign, a network that
//! fails and bakers that ask, under a paused clock.
//!
//! All that differs between two worlds follows from a seed, so each can be lived through again, event by
//! event. A checker that knows the drawn faults reads what signers received and bakers got.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "a world that cannot go on should stop at once, and most faults are of no interest to a part"
)]

mod baker;
mod checker;
mod device;
mod draw;
mod faults;
mod network;
mod options;
mod teeth;
mod trace;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use checker::Findings;
use options::Options;
use trace::Entry;

/// Worlds of a usual run of the tests.
const WORLDS: u64 = 1_000;
/// Failures that are shown whole.
const SHOWN: usize = 3;

/// Lives through a world.
fn live(options: Options) -> Vec<Entry> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(world::live(options))
}

/// A number from the environment.
fn wanted(name: &str, usual: u64) -> u64 {
    let wanted = std::env::var(name).ok();
    wanted.map_or(usual, |number| number.parse().unwrap())
}

/// What to say of a world in which a rule was broken.
fn complaint(seed: u64, findings: &Findings, entries: &[Entry]) -> String {
    let options = Options::of(seed);
    let mut text = format!(
        "seed {seed}; again: scripts/simulate 1 {seed}\n{}\n{options:#?}\n",
        findings.broken.join("\n")
    );
    if std::env::var_os("SIMULATION_TRACE").is_some() {
        text.push_str(&trace::text(entries));
    }
    text
}

#[test]
fn the_same_seed_gives_the_same_events() {
    for seed in 0..12 {
        let lives = [(); 2].map(|()| live(Options::of(seed)));
        let [first, second] = lives.each_ref().map(|entries| trace::hash(entries));
        if first != second {
            let pairs = lives[0].iter().zip(&lives[1]);
            let differs = pairs.clone().find(|(one, other)| one != other);
            panic!("seed {seed}: {differs:?}");
        }
    }
}

#[test]
fn every_world_keeps_the_rules() {
    let (first, worlds) = (
        wanted("SIMULATION_FIRST", 0),
        wanted("SIMULATION_SEEDS", WORLDS),
    );
    let next = AtomicU64::new(first);
    let (complaints, totals) = (Mutex::new(Vec::new()), Mutex::new((0, 0, 0)));
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= first + worlds {
            return;
        }
        let entries = live(Options::of(seed));
        let findings = checker::check(&Options::of(seed), &entries);
        let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.0 += entries.len();
        totals.1 += findings.asked;
        totals.2 += findings.bound;
        drop(totals);
        if !findings.broken.is_empty() {
            let complaint = complaint(seed, &findings, &entries);
            complaints.lock().unwrap().push((seed, complaint));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (events, asked, bound) = totals.into_inner().unwrap();
    println!("{worlds} worlds, {events} events, {asked} requests, {bound} of them with a bound");
    let mut complaints = complaints.into_inner().unwrap();
    complaints.sort();
    let seeds: Vec<_> = complaints.iter().map(|(seed, _)| *seed).collect();
    for (_, complaint) in complaints.iter().take(SHOWN) {
        println!("{complaint}");
    }
    assert!(
        seeds.is_empty(),
        "rules were broken in {} worlds: {seeds:?}",
        seeds.len()
    );
}
