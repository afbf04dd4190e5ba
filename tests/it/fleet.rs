//! Several proxies, one truth in etcd, and everything that can fail there: members, proxies, what connects them, and
//! tunnels, behind a real HAProxy and under two bakers that differ.
//!
//! Held against it: the signers' own logs, what bakers got, and a model of what was well when. A slot may be lost only
//! if no quorum, no proxy that reaches it, or no tunnel was well for long enough. `scripts/fleet` runs it for longer.

mod bakers;
mod faults;
mod field;
mod history;
mod members;
mod network;
mod plan;
mod report;
mod restored;
mod timeline;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use crate::harness::luck::{Luck, from_environment, seed};
use crate::harness::scene::turn;
use crate::harness::wait::lasts;

use bakers::Bakers;
use field::Field;
use history::{Answer, LIMIT, judge};
use network::{PROXIES, apart};

/// Faults go on for so long, unless `FLEET` says how many minutes.
const LENGTH: Duration = Duration::from_secs(30);

/// Without faults, before the first and after the last.
const QUIET: Duration = Duration::from_secs(3);

/// Leaders that are killed while nothing else is wrong.
const LEADERS: usize = 3;

/// With members that miss a leader after half a second: beyond it something else is slow.
const LONGEST_GAP: Duration = Duration::from_secs(5);

/// Questions that ended within `window` without a signature or a rightful refusal.
fn failed(field: &Field, window: &Range<Duration>) -> Vec<String> {
    let history = field.history();
    let within = history.iter().filter(|ask| window.contains(&ask.ended));
    within
        .filter(|ask| matches!(ask.answer, Answer::Failed(_)))
        .map(|ask| format!("{ask:?}"))
        .collect()
}

/// Restarts all proxies, one after the other; nobody may notice.
async fn rolling_upgrade(field: &Field) {
    let from = field.now();
    for nth in 0..PROXIES {
        field.upgrade(nth).await;
    }
    // What was asked until then has been answered.
    lasts(field.at(field.now()), QUIET).await;
    let window = from..field.now();
    let failed = failed(field, &window);
    let (asked, again) = {
        let history = field.history();
        let within = history.iter().filter(|ask| window.contains(&ask.ended));
        let again = within.clone().map(|ask| ask.again).sum::<usize>();
        (within.count(), again)
    };
    println!(
        "rolling upgrade of {PROXIES} proxies: {asked} requests, {} failed, {again} sent again after a 502",
        failed.len()
    );
    assert!(asked > 0);
    assert_eq!(failed, [""; 0], "nothing may be lost");
}

/// Kills leaders while nothing else is wrong; gives the longest time without any signature after one.
async fn leaders_lost(field: &Field) -> Duration {
    let mut gaps = Vec::new();
    for _ in 0..LEADERS {
        let at = field.kill_leader().await;
        gaps.push(field.longest_gap(&(at..field.now())));
    }
    println!("without any signature after the leader was killed: {gaps:.0?}");
    gaps.into_iter().max().unwrap()
}

/// Applies all faults; gives the time that they took.
async fn storm(field: &Arc<Field>, luck: &mut Luck) -> Range<Duration> {
    let most =
        from_environment("FLEET").map_or(LENGTH, |minutes| Duration::from_mins(minutes.into()));
    let from = field.now();
    let mut troubles = JoinSet::new();
    for strikes in plan::draw(most, luck) {
        troubles.spawn_local(faults::suffer(Arc::clone(field), strikes, from));
    }
    troubles.join_all().await;
    from..field.now()
}

async fn everything() {
    let _turn = turn().await;
    let mut luck = Luck::new(seed("FLEET_SEED").into());
    let field = Field::start().await;
    let bakers = Bakers::new(&field);
    let (mut asking, mut running) = (JoinSet::new(), JoinSet::new());
    for (key, nth) in field.keys_to_bake().into_iter().zip(0..) {
        for which in 0..2 {
            asking.spawn_local(Arc::clone(&bakers).bake(which, nth, key.clone(), luck.split()));
        }
    }
    let stop = watch::Sender::new(false);
    for key in field.keys_to_run() {
        running.spawn_local(Arc::clone(&bakers).run(key, stop.subscribe()));
    }
    lasts(field.at(Duration::ZERO), QUIET).await;
    rolling_upgrade(&field).await;
    let gap = leaders_lost(&field).await;
    stop.send_replace(true);
    running.join_all().await;

    let window = storm(&field, &mut luck).await;
    lasts(field.at(field.now()), LIMIT + QUIET).await;
    bakers.end();
    asking.join_all().await;

    let verdict = judge(&field.logs(), &field.history(), &field.timeline());
    field.tell(&verdict, &window);
    assert!(verdict.signed > 0);
    assert_eq!(verdict.findings, [], "reported above");
    assert!(gap < LONGEST_GAP, "{gap:?} without any signature");
}

#[test]
fn through_faults_of_members_proxies_and_networks_no_slot_is_signed_twice_and_none_lost_that_had_a_quorum()
 {
    apart(
        "fleet::through_faults_of_members_proxies_and_networks_no_slot_is_signed_twice_and_none_lost_that_had_a_quorum",
        || async { LocalSet::new().run_until(everything()).await },
    );
}

#[test]
fn a_cluster_that_is_restored_from_a_snapshot_is_refused_by_every_proxy_that_remembers_more() {
    apart(
        "fleet::a_cluster_that_is_restored_from_a_snapshot_is_refused_by_every_proxy_that_remembers_more",
        || async { LocalSet::new().run_until(restored::scenario()).await },
    );
}
