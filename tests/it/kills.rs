//! The proxy killed with SIGKILL at moments drawn by chance, hundreds of requests for the same slots with
//! different bytes in flight, and started again at once on the same state.
//!
//! Held against it: the signers' logs, everything that bakers were ever told, and that each start finds
//! its store. `scripts/kills` runs the same many thousand times.

mod storm;
mod told;

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::harness::cli::EXECUTABLE;
use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::luck::{Luck, from_environment, seed};
use crate::harness::process::Process;
use crate::harness::signer::Signer;
use crate::harness::wait::lasts;

use storm::Storm;
use told::Said;

/// Kills of each test, unless `KILLS` says otherwise.
const KILLS: u32 = 50;
/// Bakers at the same time.
const BAKERS: usize = 8;
/// Kills in a row before the proxy is ready.
const IN_A_ROW: u32 = 5;

/// Signs anything at any time, each time with another signature where the curve allows it: all that
/// stands between such a signer and two signatures is the proxy.
const WILLING: &[&str] = &["--no-watermark", "--random-nonce"];

fn kills() -> u32 {
    from_environment("KILLS").unwrap_or(KILLS)
}

/// What the driver of a storm saw.
#[derive(Debug, Default)]
struct Notes {
    kills: u32,
    before_ready: u32,
    ready: Vec<Duration>,
}

impl Notes {
    /// The usual time from start to ready.
    fn usual(&self) -> Duration {
        let mut sorted = self.ready.clone();
        sorted.sort_unstable();
        let middle = sorted.get(sorted.len() / 2).copied();
        middle.unwrap_or(Duration::from_millis(100))
    }
}

/// Starts, waits and takes the time; the store must be found each time.
async fn start(all: &mut Direct, notes: &mut Notes) {
    let begun = Instant::now();
    all.proxy.start().await;
    notes.ready.push(begun.elapsed());
    let status = all.proxy.status().await;
    assert_eq!(status["store"]["state"], "ready", "{status}");
}

/// One life, from start to kill. Some are so short that the proxy never gets ready.
async fn live_and_die(all: &mut Direct, storm: &Storm, luck: &mut Luck, notes: &mut Notes) {
    if luck.percent(5) {
        for _ in 0..IN_A_ROW {
            let begun = Instant::now();
            all.proxy.spawn();
            lasts(begun, luck.length(notes.usual())).await;
            all.proxy.kill9();
            notes.kills += 1;
            notes.before_ready += 1;
        }
    }
    start(all, notes).await;
    storm.begin_life(notes.kills);
    let most = if luck.percent(50) { 100 } else { 400 };
    lasts(Instant::now(), luck.length(Duration::from_millis(most))).await;
    all.proxy.kill9();
    storm.end_life();
    notes.kills += 1;
}

/// Stalls one of the signers, or lets them all answer again.
async fn vary(signers: &[Signer], luck: &mut Luck) {
    if luck.percent(30) {
        let signer = &signers[usize::from(luck.percent(50))];
        signer.faults(&json!({"stall": "sign"})).await;
    } else if luck.percent(40) {
        heal(signers).await;
    }
}

async fn heal(signers: &[Signer]) {
    for signer in signers {
        signer.faults(&json!({"stall": "none"})).await;
    }
}

async fn weather(arguments: &[&[&str]], stalls: bool) {
    let (begun, seed) = (Instant::now(), seed("KILLS_SEED"));
    let mut luck = Luck::new(seed.into());
    let mut all = Direct::with(arguments, "", "").await;
    all.proxy.kill9();
    let storm = Storm::new(&all.baker);
    let mut workers = JoinSet::new();
    for _ in 0..BAKERS {
        workers.spawn(storm.clone().bake(luck.split()));
    }
    workers.spawn(storm.clone().audit(luck.split()));

    let mut notes = Notes::default();
    while notes.kills < kills() {
        if stalls {
            vary(&all.signers, &mut luck).await;
        }
        live_and_die(&mut all, &storm, &mut luck, &mut notes).await;
        let violations = storm.told().violations.clone();
        assert!(violations.is_empty(), "{violations:#?}");
    }
    storm.end();
    workers.join_all().await;
    heal(&all.signers).await;
    start(&mut all, &mut notes).await;
    all.proxy
        .until_signers(&NAMES[..arguments.len()], "up")
        .await;
    let kept = storm.told().kept();
    for question in &kept {
        let signature = storm.told().signature(question).unwrap().clone();
        let said = storm.ask(*question).await;
        assert!(
            matches!(&said, Said::Signature(again) if *again == signature),
            "{question:?} was {signature:?} and is {said:?}"
        );
    }
    let arrived = storm.ask_for_all_that_arrived(&all.signers).await;
    let violations = storm.told().violations.clone();
    assert!(violations.is_empty(), "{violations:#?}");
    let counts = storm.told().counts;
    assert!(counts.signatures > 0 && counts.refusals > 0 && counts.nothing > 0);
    all.assert_clean(counts.signatures);
    notes.ready.sort_unstable();
    let ready = |percent: usize| notes.ready[(notes.ready.len() - 1) * percent / 100];
    println!(
        "{} kills, {} of them before ready, in {:.1?}; {counts:?}; asked again at the end: {} signatures, \
         {arrived} payloads; start to ready: median {:.0?}, p95 {:.0?}, longest {:.0?}",
        notes.kills,
        notes.before_ready,
        begun.elapsed(),
        kept.len(),
        ready(50),
        ready(95),
        ready(100),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_under_load_no_slot_gets_two_payloads_and_no_signature_is_lost() {
    weather(&[WILLING], false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_while_signers_stall_no_slot_gets_two_payloads() {
    weather(&[&["--random-nonce"], WILLING], true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_the_first_watermark_is_set_it_can_be_set_again() {
    let mut luck = Luck::new(seed("KILLS_SEED").into());
    let all = Direct::cold(&[WILLING], "", "").await;
    let key = all.baker.keys()[0].hash().to_string();
    let file = all.proxy.config.file.to_str().unwrap();
    let level = FLOOR.to_string();
    let arguments = ["watermark", "init", "--config", file, "--key", &key];
    let arguments = [&arguments[..], &["--level", &level]].concat();
    let begun = Instant::now();
    all.proxy.init(&all.baker.keys()[..1], FLOOR).await;
    let usual = begun.elapsed();
    for _ in 0..kills().min(1_000) / 2 {
        std::fs::remove_dir_all(&all.proxy.config.state).unwrap();
        let mut command = std::process::Command::new(EXECUTABLE);
        let begun = Instant::now();
        let mut process = Process::start("init", command.args(&arguments));
        lasts(begun, luck.length(usual)).await;
        process.kill();
        // Above the first, because that may stand.
        all.proxy.init(&all.baker.keys()[..1], FLOOR + 1).await;
    }
}
