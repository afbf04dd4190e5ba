//! One fault, one contestant, one load: what came of it, and what was promised.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::time::Duration;

use crate::harness::baker::Baker;
use crate::harness::direct::FLOOR;
use crate::harness::ground::Ground;
use crate::harness::load::{Load, Report};

use super::contestant::{Changes, Contestant};
use super::fault::{Fault, LATENCY_MS};

/// Requests a second.
const RATE: u32 = 20;
/// A slot whose turn comes later than this is lost: the chain has gone on.
const USEFUL: Duration = Duration::from_secs(15);

/// With the preferred tunnel stalled, all but one in a hundred come within it.
const MOST_WHEN_STALLED: Duration = Duration::from_millis(1_200);
/// Of the active signer of a key, in a minute of flaps.
const MOST_CHANGES: usize = 3;

/// How much is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) requests: usize,
    /// Requests before the fault.
    pub(crate) before: usize,
}

impl Size {
    /// A row of the table.
    pub(crate) const fn whole(fault: Fault) -> Self {
        Self {
            requests: fault.requests(),
            before: 40,
        }
    }

    /// Enough to see the fault and what follows it, for each key several times.
    pub(crate) const SHORT: Self = Self {
        requests: 48,
        before: 16,
    };
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    fault: Fault,
    contestant: Contestant,
    size: Size,
    report: Report,
    changes: Option<Changes>,
    /// Promises that it broke; HAProxy made none.
    pub(crate) broken: Vec<String>,
}

impl Row {
    /// Builds everything anew, asks and measures.
    pub(crate) async fn measure(fault: Fault, contestant: Contestant, size: Size) -> Self {
        let latency = LATENCY_MS.to_string();
        let signers = ["--curve", "tz1,tz2,tz3,tz4", "--keys-per-curve", "2"];
        let signers = [&signers[..], &["--serial", "--latency-ms", &latency]].concat();
        let mut ground = Ground::start(fault.entrances(), &signers).await;
        let front = contestant.start(&ground, fault.tables()).await;
        let baker = Baker::new(&front.address(), ground.signers[0].keys());
        let load = Load::new(size.requests, RATE).useful_for(USEFUL);
        let fate = async {
            load.issued(size.before).await;
            let _frozen = fault.strike(&mut ground).await;
            pending::<Infallible>().await
        };
        // When every request has come to its end, the rest of the fault is of no interest.
        let report = tokio::select! {
            report = load.run(&baker, FLOOR) => report,
            never = fate => match never {},
        };
        let mut row = Self {
            fault,
            contestant,
            size,
            report,
            changes: front.changes().await,
            broken: Vec::new(),
        };
        if contestant == Contestant::Ours {
            row.broken = row.promises(&ground);
        }
        if !row.broken.is_empty() {
            eprintln!("{row}\n{:#?}\n{:#?}", row.broken, row.report.failed());
            for line in front.log() {
                eprintln!("{line}");
            }
        }
        row
    }

    /// Requests that were not answered with a verified signature.
    pub(crate) fn lost(&self) -> usize {
        self.size.requests - self.report.posts()
    }

    fn promises(&self, ground: &Ground) -> Vec<String> {
        let mut broken = Vec::new();
        let mut hold = |kept: bool, promise: String| {
            if !kept {
                broken.push(format!("{:?}: {promise}", self.fault));
            }
        };
        let Size { requests, .. } = self.size;
        let came = (self.report.gets(), self.report.posts());
        hold(
            came == (requests, requests),
            format!("{came:?} of {requests} answered"),
        );
        // Of a short load one in a hundred is none.
        let p99 = self.report.within(99);
        let quick = p99 < MOST_WHEN_STALLED || requests < 100;
        hold(
            self.fault != Fault::Stalled || quick,
            format!("p99 is {p99:?}"),
        );
        hold(
            self.fault != Fault::Flapping
                || self
                    .changes
                    .is_some_and(|changes| changes.most <= MOST_CHANGES),
            format!("{:?}", self.changes),
        );
        let verdict = ground.judge();
        let clean = verdict.as_ref().is_ok_and(|all| all.signed >= came.1);
        hold(clean, format!("{verdict:#?}"));
        broken
    }

    /// The line above the table's body.
    pub(crate) const HEAD: &str = "\
| fault | through | GET | POST | median | p95 | p99 | longest | changes | what the lost ones saw |
|---|---|---|---|---|---|---|---|---|---|";
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (report, requests) = (&self.report, self.size.requests);
        let ms = |percent| report.within(percent).as_secs_f64() * 1_000.0;
        let losses: Vec<_> = report
            .losses()
            .into_iter()
            .map(|(seen, count)| format!("{seen} x {count}"))
            .collect();
        let changes = self.changes.map_or_else(String::new, |changes| {
            format!("{:.0}, {} a key", changes.all, changes.most)
        });
        write!(
            f,
            "| {} | {} | {}/{requests} | {}/{requests} | {:.0} | {:.0} | {:.0} | {:.0} | {changes} | {} |",
            self.fault.words().1,
            self.contestant.name(),
            report.gets(),
            report.posts(),
            ms(50),
            ms(95),
            ms(99),
            ms(100),
            losses.join(", ")
        )
    }
}
