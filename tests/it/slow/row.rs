//! One way to be held up: signatures with it and without it in turns, what they took, and what was promised.

use std::fmt;
use std::time::Duration;

use crate::harness::direct::FLOOR;

use super::crowd::{By, Crowd, Manner};
use super::target::{Footprint, Neighbour, Outcomes, Target, Through};

/// Connections of one address that the proxy lets in, and how many of them nearly all are.
const CAP: usize = 512;
/// Bodies of one client that the proxy reads at a time.
const BODIES: usize = 256;
/// Levels between two slices.
const STRIDE: u32 = 100;
/// Open files that come and go without a crowd: connections to the signer, bakers that just leave.
const SPARE: usize = 24;
/// KiB of memory that a crowd may cost: of each of its 512 connections two buffers of 16 KiB, a task, and as much
/// again for what an allocator keeps.
pub(crate) const MOST_MEMORY: u64 = 48 * 1024;

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) manner: Manner,
    pub(crate) by: By,
    pub(crate) through: Through,
    pub(crate) neighbour: Neighbour,
    pub(crate) crowd: usize,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Slices with the crowd, and as many without it.
    pub(crate) slices: u32,
    /// Signatures of each key in a slice.
    pub(crate) each: u32,
    pub(crate) period: Duration,
    /// What the crowd may add to the 99th percentile; a tenth is always allowed.
    pub(crate) most_added: Duration,
    /// What it may add to that beside the same crowd at another proxy, on the same machine; likewise. Without it there is
    /// no such proxy.
    pub(crate) most_added_here: Option<Duration>,
}

impl Size {
    /// A row of the table.
    pub(crate) const WHOLE: Self = Self {
        slices: 8,
        each: 25,
        period: Duration::from_millis(120),
        most_added: Duration::from_millis(10),
        most_added_here: Some(Duration::from_millis(1)),
    };

    /// Enough to see somebody locked out. Beside other tests a latency says little.
    pub(crate) const SHORT: Self = Self {
        slices: 1,
        each: 10,
        period: Duration::from_millis(50),
        most_added: Duration::from_secs(1),
        most_added_here: None,
    };
}

/// Signatures of several slices.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) asked: usize,
    pub(crate) lost: Vec<String>,
    /// Hundredths of a second that the proxy computed.
    ticks: u64,
    medians: Vec<Duration>,
    p99s: Vec<Duration>,
}

impl Seen {
    fn add(&mut self, (ticks, outcomes): (u64, Outcomes)) {
        self.ticks += ticks;
        self.asked += outcomes.len();
        let mut took: Vec<_> = outcomes.iter().map(|(took, _)| *took).collect();
        took.sort_unstable();
        self.medians.push(rank(&took, 50));
        self.p99s.push(rank(&took, 99));
        let lost = outcomes.into_iter().filter_map(|(_, came)| came.err());
        self.lost.extend(lost);
    }

    fn median(&self) -> Duration {
        quiet(&self.medians)
    }

    fn p99(&self) -> Duration {
        quiet(&self.p99s)
    }
}

fn rank(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// Others on a busy machine only ever add, and spoil some slices altogether: what the proxy adds is in each of them.
fn quiet(all: &[Duration]) -> Duration {
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    rank(&sorted, 25)
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    case: Case,
    opened: usize,
    without: Seen,
    /// With the crowd at another proxy: what it costs the machine and not what it does to this proxy.
    elsewhere: Seen,
    with: Seen,
    before: Footprint,
    during: Footprint,
    after: Footprint,
}

impl Row {
    /// Measures with a proxy of its own.
    pub(crate) async fn measure(case: Case, size: Size) -> Self {
        let target = Target::start().await;
        let mut decoy = None;
        if size.most_added_here.is_some() {
            decoy = Some(Target::start().await);
        }
        let mut row = Self::new(case, target.footprint());
        let mut floor = FLOOR;
        let mut slice = async || {
            let door = (case.through, case.neighbour);
            floor += STRIDE;
            let begun = target.footprint().ticks;
            let outcomes = target.ask(door, floor, size.each, size.period).await;
            (target.footprint().ticks - begun, outcomes)
        };
        // What is made once is made before anything is compared.
        slice().await;
        row.before = target.footprint();
        target.forget_peak();
        let mut files = 0;
        for _ in 0..size.slices {
            row.without.add(slice().await);
            if let Some(decoy) = &decoy {
                let crowd = Self::gather(case, decoy).await;
                row.elsewhere.add(slice().await);
                Self::disperse(case, crowd, decoy).await;
            }
            let crowd = Self::gather(case, &target).await;
            files = files.max(target.footprint().files);
            row.with.add(slice().await);
            files = files.max(target.footprint().files);
            row.opened += Self::disperse(case, crowd, &target).await;
        }
        row.after = target.footprint();
        row.during = Footprint { files, ..row.after };
        let asked = [&row.without, &row.elsewhere, &row.with].map(|seen| seen.asked);
        target.assert_clean(asked.into_iter().sum::<usize>() - row.lost());
        row
    }

    fn new(case: Case, footprint: Footprint) -> Self {
        Self {
            case,
            opened: 0,
            without: Seen::default(),
            elsewhere: Seen::default(),
            with: Seen::default(),
            before: footprint,
            during: footprint,
            after: footprint,
        }
    }

    /// The whole crowd, once it is at `target`.
    async fn gather(case: Case, target: &Target) -> Crowd {
        let there = target.idle_files() + case.held() * 9 / 10;
        let crowd = Crowd::gather((case.manner, case.by), case.crowd, target, case.through);
        crowd.until_all().await;
        let what = format!("{there} open files for {case:?}");
        target.until_files(&what, |files| files >= there).await;
        crowd
    }

    /// Sends it away and waits until it is forgotten; tells how many connections it has opened.
    async fn disperse(case: Case, crowd: Crowd, target: &Target) -> usize {
        let opened = crowd.disperse(case.by).await;
        let gone = target.idle_files() + SPARE;
        target
            .until_files("the crowd to be forgotten", |files| files <= gone)
            .await;
        opened
    }

    fn lost(&self) -> usize {
        let all = [&self.without, &self.elsewhere, &self.with];
        all.iter().map(|seen| seen.lost.len()).sum()
    }

    /// Promises that were not kept.
    pub(crate) fn broken(&self, size: Size) -> Vec<String> {
        let mut broken = Vec::new();
        let lost = [&self.without, &self.elsewhere, &self.with].map(|seen| &seen.lost);
        for what in lost.into_iter().flatten().take(5) {
            broken.push(format!("a signature is lost: {what}"));
        }
        let (usual, beside) = (self.without.p99(), self.with.p99());
        if beside > usual + size.most_added.max(usual / 10) {
            broken.push(format!("99 of 100 within {beside:?}, else {usual:?}"));
        }
        if let Some(most) = size.most_added_here {
            let usual = self.elsewhere.p99();
            if beside > usual + most.max(usual / 10) {
                broken.push(format!(
                    "99 of 100 within {beside:?}, with the crowd elsewhere {usual:?}"
                ));
            }
        }
        let grown = self.during.peak.saturating_sub(self.before.resident);
        if grown > MOST_MEMORY {
            broken.push(format!("{grown} KiB of memory more"));
        }
        if !broken.is_empty() {
            broken.insert(0, format!("{:?}", self.case));
        }
        broken
    }

    /// The line above the table's body.
    pub(crate) const HEAD: &str = "\
| held up by | through | baker at | connections | files before, with, after | MiB before, most, after | signatures \
| lost | CPU without, elsewhere, with | median without, elsewhere, with | p99 without, elsewhere, with |
|---|---|---|---|---|---|---|---|---|---|---|";
}

impl Case {
    /// How many connections the proxy holds open when the crowd is there.
    fn held(self) -> usize {
        let most = match self.manner {
            Manner::Bodies => BODIES,
            // Heads of that many ranges are refused at once.
            Manner::Ranges => 0,
            Manner::Heads | Manner::Reads | Manner::Silence => CAP,
        };
        self.crowd.min(most)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case {
            manner,
            by,
            through,
            neighbour,
            crowd,
        } = self.case;
        let by = match by {
            By::Sockets => "sockets",
            By::Slowhttptest => "slowhttptest",
        };
        let through = match through {
            Through::Http => "http",
            Through::Tcp => "tcp",
        };
        let at = match neighbour {
            Neighbour::OtherAddress => "another address",
            Neighbour::SameAddress => "the same address",
        };
        let mib = |kib: u64| kib / 1024;
        let ms = |length: Duration| length.as_secs_f64() * 1_000.0;
        let asked = |seen: &Seen| f64::from(u32::try_from(seen.asked).unwrap());
        let ms_each =
            |seen: &Seen| f64::from(u32::try_from(seen.ticks).unwrap()) * 10.0 / asked(seen);
        let all = [&self.without, &self.elsewhere, &self.with];
        let each = |figure: &dyn Fn(&Seen) -> f64| {
            let asked = all.iter().filter(|seen| seen.asked > 0);
            let figures: Vec<_> = asked.map(|seen| format!("{:.1}", figure(seen))).collect();
            figures.join(", ")
        };
        write!(
            f,
            "| {}, {crowd} of {by} | {through} | {at} | {} | {}, {}, {} | {}, {}, {} | {} | {} | {} | {} | {} |",
            manner.words().1,
            self.opened,
            self.before.files,
            self.during.files,
            self.after.files,
            mib(self.before.resident),
            mib(self.during.peak),
            mib(self.after.resident),
            all.map(|seen| seen.asked).iter().sum::<usize>(),
            self.lost(),
            each(&|seen| ms_each(seen)),
            each(&|seen| ms(seen.median())),
            each(&|seen| ms(seen.p99())),
        )
    }
}
