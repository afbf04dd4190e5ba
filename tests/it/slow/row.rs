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
}

impl Size {
    /// A row of the table.
    pub(crate) const WHOLE: Self = Self {
        slices: 8,
        each: 25,
        period: Duration::from_millis(120),
        most_added: Duration::from_millis(10),
    };

    /// Enough to see somebody locked out. Beside other tests a latency says little.
    pub(crate) const SHORT: Self = Self {
        slices: 1,
        each: 10,
        period: Duration::from_millis(50),
        most_added: Duration::from_secs(1),
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
    with: Seen,
    before: Footprint,
    during: Footprint,
    after: Footprint,
}

impl Row {
    /// Measures with a proxy of its own.
    pub(crate) async fn measure(case: Case, size: Size) -> Self {
        let target = Target::start().await;
        let (mut without, mut with) = (Seen::default(), Seen::default());
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
        let before = target.footprint();
        target.forget_peak();
        let (mut opened, mut files) = (0, 0);
        let there = before.files + case.held() * 9 / 10;
        for _ in 0..size.slices {
            without.add(slice().await);
            let by = (case.manner, case.by);
            let crowd = Crowd::gather(by, case.crowd, &target, case.through);
            crowd.until_all().await;
            let what = format!("{there} open files for {case:?}");
            target.until_files(&what, |files| files >= there).await;
            files = files.max(target.footprint().files);
            with.add(slice().await);
            files = files.max(target.footprint().files);
            opened += crowd.disperse(case.by).await;
            let gone = before.files + SPARE;
            target
                .until_files("the crowd to be forgotten", |files| files <= gone)
                .await;
        }
        let after = target.footprint();
        let row = Self {
            case,
            opened,
            without,
            with,
            before,
            during: Footprint { files, ..after },
            after,
        };
        target.assert_clean(row.without.asked + row.with.asked - row.lost());
        row
    }

    fn lost(&self) -> usize {
        self.without.lost.len() + self.with.lost.len()
    }

    /// Promises that were not kept.
    pub(crate) fn broken(&self, size: Size) -> Vec<String> {
        let mut broken = Vec::new();
        for what in self.without.lost.iter().chain(&self.with.lost).take(5) {
            broken.push(format!("a signature is lost: {what}"));
        }
        let (usual, beside) = (self.without.p99(), self.with.p99());
        if beside > usual + size.most_added.max(usual / 10) {
            broken.push(format!("99 of 100 within {beside:?}, else {usual:?}"));
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
| lost | CPU without, with | median without, with | p99 without, with |
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
        write!(
            f,
            "| {}, {crowd} of {by} | {through} | {at} | {} | {}, {}, {} | {}, {}, {} | {} | {} | {:.1}, {:.1} | {:.1}, {:.1} | {:.1}, {:.1} |",
            manner.words().1,
            self.opened,
            self.before.files,
            self.during.files,
            self.after.files,
            mib(self.before.resident),
            mib(self.during.peak),
            mib(self.after.resident),
            self.without.asked + self.with.asked,
            self.lost(),
            ms_each(&self.without),
            ms_each(&self.with),
            ms(self.without.median()),
            ms(self.with.median()),
            ms(self.without.p99()),
            ms(self.with.p99()),
        )
    }
}
