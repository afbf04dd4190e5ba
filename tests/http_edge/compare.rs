//! The table of messages through nginx, HAProxy and our edge: what each answers, and what reaches the
//! backend behind it.
//!
//! `scripts/hostile` sends the whole table and writes `docs/hostile.md`. Without it, a part of the table
//! goes through HAProxy and our edge, so that the comparison is known to work.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signer_proxy::task::Tasks;

use super::program::{Outcome, Program};
use super::table::{Case, cases};

/// How often HAProxy is started for the page: processes of this version differ from one to the next in
/// what they make of some trailers.
const STARTS: usize = 6;

/// One program and what it made of each message.
struct Column {
    name: &'static str,
    version: String,
    outcomes: Vec<Outcome>,
}

impl Column {
    async fn fill(tasks: &Tasks, program: Program, cases: &Arc<Vec<Case>>) -> Self {
        let next = Arc::new(AtomicUsize::new(0));
        let mut lanes = Vec::new();
        let Program {
            name,
            version,
            lanes: all,
            running,
        } = program;
        for lane in all {
            let (next, cases) = (Arc::clone(&next), Arc::clone(cases));
            lanes.push(tasks.spawn("lane", async move {
                let mut outcomes = Vec::new();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(at) else {
                        return outcomes;
                    };
                    outcomes.push((at, lane.send(case).await));
                }
            }));
        }
        let mut outcomes = Vec::new();
        for lane in lanes {
            outcomes.extend(lane.await.unwrap());
        }
        drop(running);
        outcomes.sort_by_key(|(at, _)| *at);
        Self {
            name,
            version,
            outcomes: outcomes.into_iter().map(|(_, outcome)| outcome).collect(),
        }
    }

    /// Keeps for each message the outcome of which more has reached the backend.
    fn merge(&mut self, other: Self) {
        for (mine, other) in self.outcomes.iter_mut().zip(other.outcomes) {
            if other.reached > mine.reached {
                *mine = other;
            }
        }
    }

    /// Whether a request reaches the backend that our edge refuses.
    fn is_laxer(&self, at: usize, case: &Case) -> bool {
        is_refused(case) && self.outcomes[at].reached > case.good()
    }

    /// Whether a request does not reach the backend that our edge lets through.
    fn is_stricter(&self, at: usize, case: &Case) -> bool {
        self.outcomes[at].reached < case.good()
    }

    fn total(&self, cases: &[Case], holds: impl Fn(&Self, usize, &Case) -> bool) -> usize {
        let cases = cases.iter().enumerate();
        cases.filter(|(at, case)| holds(self, *at, case)).count()
    }
}

/// Whether the edge itself refuses something in it; 413 is the service's own.
fn is_refused(case: &Case) -> bool {
    let mut statuses = case.statuses.iter();
    statuses.any(|status| ![100, 200, 413].contains(status))
}

/// The whole comparison, a line for each message.
fn rows(cases: &[Case], columns: &[Column]) -> String {
    let mut text = String::from("| message |");
    for column in columns {
        write!(text, " {} |", column.name).unwrap();
    }
    text.push_str(" passed on though we refuse |\n|---|");
    text.push_str(&"---|".repeat(columns.len() + 1));
    for (at, case) in cases.iter().enumerate() {
        write!(text, "\n| {} |", case.name).unwrap();
        for column in columns {
            let outcome = &column.outcomes[at];
            write!(text, " {} ({}) |", outcome.statuses, outcome.reached).unwrap();
        }
        write!(text, " {} |", laxer(at, case, columns).join(", ")).unwrap();
    }
    text
}

/// A line for each program.
fn totals(cases: &[Case], columns: &[Column]) -> String {
    let mut text = String::from(
        "| program | version | messages | passed on though we refuse | held back though we pass on | \
         closed without an answer |\n|---|---|---|---|---|---|\n",
    );
    for column in columns {
        let silent = |column: &Column, at: usize, _: &Case| column.outcomes[at].statuses == "none";
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            column.name,
            column.version,
            cases.len(),
            column.total(cases, Column::is_laxer),
            column.total(cases, Column::is_stricter),
            column.total(cases, silent),
        )
        .unwrap();
    }
    text
}

/// `docs/hostile.md`.
fn summary(cases: &[Case], columns: &[Column]) -> String {
    let refused = cases.iter().filter(|case| is_refused(case)).count();
    let mut text = format!(
        "# Hostile messages, compared\n\n\
         `scripts/hostile` sends the {} messages of `tests/http_edge/verdicts.txt` through nginx and HAProxy, each with\n\
         the least configuration that proxies HTTP, and through our edge, and writes this page. Our edge refuses something\n\
         in {refused} of them. A message counts as passed on when more whole requests of it reach the backend than our edge\n\
         lets through, of HAProxy in any of {STARTS} processes, which differ. Some of these are harmless, and none says what\n\
         a careful configuration can do.\n\n{}",
        cases.len(),
        totals(cases, columns)
    );
    // Programs that are laxer at the same messages share a list.
    let mut lists: Vec<(String, Vec<&str>)> = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let laxer = laxer(at, case, columns).join(" and ");
        if laxer.is_empty() {
            continue;
        }
        match lists.iter_mut().find(|(names, _)| *names == laxer) {
            Some((_, found)) => found.push(case.name),
            None => lists.push((laxer, vec![case.name])),
        }
    }
    for (names, found) in lists {
        let count = found.len();
        write!(
            text,
            "\n## Passed on by {names}: {count}\n\n{}",
            wrapped(&found)
        )
        .unwrap();
    }
    text
}

/// Names of the programs that pass on more of a message than our edge does.
fn laxer(at: usize, case: &Case, columns: &[Column]) -> Vec<&'static str> {
    let columns = columns.iter().filter(|column| column.is_laxer(at, case));
    columns.map(|column| column.name).collect()
}

/// Names in lines of the width of a document.
fn wrapped(names: &[&str]) -> String {
    let mut text = String::new();
    let mut width = 0;
    for name in names {
        if width + name.len() > 115 {
            text.push('\n');
            width = 0;
        } else if width > 0 {
            text.push(' ');
        }
        write!(text, "{name};").unwrap();
        width += name.len() + 2;
    }
    text.pop();
    text.push_str(".\n");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_a_backend_is_compared() {
    let page = std::env::var("HOSTILE").ok();
    let cases = cases().into_iter();
    let (step, starts) = if page.is_some() { (1, STARTS) } else { (20, 1) };
    let cases = Arc::new(cases.step_by(step).collect::<Vec<_>>());
    let tasks = Tasks::new();
    let mut columns = Vec::new();
    if page.is_some() {
        let nginx = Program::nginx(&tasks).await;
        columns.push(Column::fill(&tasks, nginx, &cases).await);
    }
    let haproxy = Program::haproxy(&tasks).await;
    let mut haproxy = Column::fill(&tasks, haproxy, &cases).await;
    for _ in 1..starts {
        let again = Program::haproxy(&tasks).await;
        haproxy.merge(Column::fill(&tasks, again, &cases).await);
    }
    columns.push(haproxy);
    let edge = Column::fill(&tasks, Program::edge().await, &cases).await;
    for (case, outcome) in cases.iter().zip(&edge.outcomes) {
        let statuses: Vec<_> = case.statuses.iter().map(u16::to_string).collect();
        let expected = (statuses.join(" "), case.good());
        let found = (outcome.statuses.clone(), outcome.reached);
        assert_eq!(found, expected, "{}", case.name);
    }
    columns.push(edge);
    // The first message is a plain GET.
    for column in &columns {
        let first = &column.outcomes[0];
        assert_eq!(
            (&*first.statuses, first.reached),
            ("200", 1),
            "{}",
            column.name
        );
    }
    if let Some(page) = page {
        // After what the test runner has written on the line.
        println!("\n{}", rows(&cases, &columns));
        std::fs::write(page, summary(&cases, &columns)).unwrap();
    }
}
