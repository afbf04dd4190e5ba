//! Everything at once: real tunnels and devices that fail in ways and at moments drawn by chance, several at
//! a time, while bakers go on.
//!
//! Held against it: the signers' own logs, a model of what was well when, and the process itself. A slot may
//! be lost only if no path to a device that could sign it was well for long enough. `scripts/chaos` runs the
//! same for longer. Signers are never restarted: the development signer forgets its watermark then.

mod bakers;
mod faults;
mod field;
mod plan;
mod report;
mod timeline;
mod verdict;
mod vitals;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinSet, LocalSet};
use tokio::time::{MissedTickBehavior, interval};

use crate::harness::checker::judge;
use crate::harness::luck::{Luck, from_environment, seed};
use crate::harness::scene::turn;
use crate::harness::timeline::{gaps, length};
use crate::harness::wait::{lasts, until};

use bakers::Bakers;
use field::{Field, KINDS};
use timeline::Place;
use verdict::{Lost, PATHS};
use vitals::Vitals;

/// Faults go on for so long, unless `CHAOS` says how many minutes.
const LENGTH: Duration = Duration::from_secs(50);

/// Without faults, before and after them.
const QUIET: Duration = Duration::from_secs(6);

/// Pause between two looks at the logs and at what was lost.
const LOOK: Duration = Duration::from_secs(5);

/// What a proxy may have grown by between the two quiet times: buffers and tables that were not needed
/// before, and connections that are kept open, at most four for each path.
const GROWN_KIB: u64 = 8 * 1024;
const MORE_FILES: u64 = 24;

/// What became of lost slots.
#[derive(Debug, Default)]
struct Judged {
    without: usize,
    /// Of all, those given up while there was time.
    early: usize,
    with: usize,
}

impl Judged {
    /// Judges lost slots whose time is over; with `all` the others, too.
    fn take_in(&mut self, field: &Field, bakers: &Bakers, all: bool) {
        let now = field.now();
        let is_over = |lost: &mut Lost| all || lost.window().end < now;
        let over: Vec<_> = bakers.counts().lost.extract_if(.., is_over).collect();
        for lost in over {
            let well = field.well_in_time(&lost);
            self.early += usize::from(lost.is_early());
            if well.is_some() {
                println!("{}", field.report(&lost, well.as_ref()));
                self.with += 1;
            } else {
                println!("{}", Field::headline(&lost, None));
                self.without += 1;
            }
        }
    }
}

/// Fails on two payloads for one slot; gives the signatures that signers made.
fn without_conflict(field: &Field) -> usize {
    let signers: Vec<_> = field.signers.iter().collect();
    let summary = judge(&signers);
    summary
        .unwrap_or_else(|conflicts| panic!("{conflicts:#?}"))
        .signed
}

/// How much of the time some path to a signer was well, in percent, and the longest time without any.
fn somebody_well(field: &Field, window: &Range<Duration>) -> (u128, Duration) {
    let timeline = field.timeline();
    let paths = (0..KINDS.len()).flat_map(|signer| (0..PATHS).map(move |path| (signer, path)));
    let well = paths.flat_map(|(signer, path)| {
        timeline.well(&[Place::Device(signer), Place::Path(signer, path)], window)
    });
    let gaps = gaps(well.collect(), window);
    let without: Duration = gaps.iter().sum();
    let share = without.as_millis() * 100 / length(window).as_millis();
    (100 - share, gaps.into_iter().max().unwrap_or_default())
}

/// Applies all faults and looks at what comes of it until they are lifted.
async fn storm(field: &Arc<Field>, bakers: &Bakers, luck: &mut Luck, judged: &mut Judged) {
    let most =
        from_environment("CHAOS").map_or(LENGTH, |minutes| Duration::from_mins(minutes.into()));
    let from = field.now();
    let mut troubles = JoinSet::new();
    for (place, strikes) in plan::draw(&faults::places(), most, luck) {
        troubles.spawn_local(faults::suffer(Arc::clone(field), place, strikes, from));
    }
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            lifted = troubles.join_next() => match lifted {
                Some(lifted) => lifted.unwrap(),
                None => break,
            },
            _ = looks.tick() => {
                without_conflict(field);
                judged.take_in(field, bakers, false);
            }
        }
    }
    let window = from..field.now();
    let (share, longest) = somebody_well(field, &window);
    println!(
        "faults: {:?}; some path well {share} % of {:.0?}, the longest time without any {longest:.1?}",
        field.timeline().applied(),
        length(&window)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn through_faults_drawn_by_chance_no_slot_is_lost_that_had_a_healthy_path_in_time() {
    let _turn = turn().await;
    let mut luck = Luck::new(seed("CHAOS_SEED").into());
    let field = Arc::new(Field::start().await);
    let bakers = Bakers::new(&field);
    let mut workers = JoinSet::new();
    for key in field.baker.keys() {
        workers.spawn(Arc::clone(&bakers).bake(key.clone(), luck.split()));
    }
    lasts(field.at(Duration::ZERO), QUIET).await;
    let first = Vitals::of(field.proxy.id());

    let mut judged = Judged::default();
    LocalSet::new()
        .run_until(storm(&field, &bakers, &mut luck, &mut judged))
        .await;
    // One that failed at signing comes back by a signature, so bakers go on.
    field.until_all_up().await;
    lasts(field.at(field.now()), QUIET).await;
    bakers.end();
    workers.join_all().await;

    judged.take_in(&field, &bakers, true);
    let made = without_conflict(&field);
    let held = field.proxy.metric("signer_proxy_held_requests").await;
    assert!(held.abs() < f64::EPSILON, "{held} requests are held");
    let last = until("files to be closed", async || {
        let vitals = Vitals::of(field.proxy.id());
        (vitals.files <= first.files + MORE_FILES).then_some(vitals)
    })
    .await;
    let counts = bakers.counts();
    println!(
        "{} requests, {} signatures ({made} made), {} skipped, lost {} with a healthy path in time and {} \
         without ({} of all given up early), longest {:.0?}, 0 conflicts; the proxy had {first} and has {last}",
        counts.asked,
        counts.signed,
        counts.skipped,
        judged.with,
        judged.without,
        judged.early,
        counts.longest,
    );
    assert!(counts.signed > 0);
    assert_eq!(judged.with, 0, "reported above");
    assert!(last.rss_kib <= first.rss_kib + GROWN_KIB, "{first}, {last}");
}
