//! A steady load in the style of several bakers: requests at a fixed rate, one at a time per key.

use std::time::Duration;

use signer_proxy::tezos::PublicKey;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::baker::{Baker, Outcome};
use super::payload::{Kind, Slot, slot};

/// How much is asked for, and how far it has come.
#[derive(Debug)]
pub(crate) struct Load {
    count: usize,
    period: Duration,
    issued: watch::Sender<usize>,
}

impl Load {
    /// `count` requests, `rate` a second.
    pub(crate) fn new(count: usize, rate: u32) -> Self {
        Self {
            count,
            period: Duration::from_secs(1) / rate,
            issued: watch::Sender::new(0),
        }
    }

    /// Returns when `count` requests have been issued.
    pub(crate) async fn issued(&self, count: usize) {
        let mut issued = self.issued.subscribe();
        issued.wait_for(|issued| *issued >= count).await.unwrap();
    }

    /// Asks, key by key in turn, for one slot after the other above `floor`.
    ///
    /// A request whose key is still busy waits for its turn, as in a baker.
    pub(crate) async fn run(&self, baker: &Baker, floor: u32) -> Report {
        let mut workers = JoinSet::new();
        let queues: Vec<_> = baker
            .keys()
            .iter()
            .map(|key| {
                let (queue, slots) = mpsc::unbounded_channel();
                workers.spawn(work(baker.clone(), key.clone(), slots));
                queue
            })
            .collect();
        let mut ticks = interval(self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for n in 0..self.count {
            ticks.tick().await;
            let nth = n / queues.len();
            let kind = Kind::ALL[nth % Kind::ALL.len()];
            let level = floor + 1 + u32::try_from(nth / Kind::ALL.len()).unwrap();
            queues[n % queues.len()].send(slot(kind, level, 0)).unwrap();
            self.issued.send_replace(n + 1);
        }
        drop(queues);
        Report {
            outcomes: workers.join_all().await.into_iter().flatten().collect(),
        }
    }
}

async fn work(
    baker: Baker,
    key: PublicKey,
    mut slots: mpsc::UnboundedReceiver<Slot>,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    while let Some(slot) = slots.recv().await {
        let bytes = slot.bytes(key.curve(), 1);
        outcomes.push(baker.sign(&key, &bytes).await);
    }
    outcomes
}

/// What came of a load.
#[derive(Debug)]
pub(crate) struct Report {
    outcomes: Vec<Outcome>,
}

impl Report {
    /// Fails unless every `GET` was answered and every signature came and was right.
    pub(crate) fn assert_all(&self, count: usize) {
        let gets = self.outcomes.iter().filter(|one| one.get.is_ok()).count();
        let posts = self.outcomes.iter().filter(|one| one.signature.is_ok());
        let posts = posts.count();
        let mut took: Vec<_> = self.outcomes.iter().map(|one| one.took).collect();
        took.sort_unstable();
        let slowest = took.last();
        print_row(gets, posts, count, &took);
        let failed: Vec<_> = self
            .outcomes
            .iter()
            .filter(|one| one.get.is_err() || one.signature.is_err())
            .take(5)
            .collect();
        assert_eq!(
            (gets, posts),
            (count, count),
            "of {count}; slowest {slowest:?}; {failed:#?}"
        );
    }
}

/// A row of the table in docs/failure-modes.md: `cargo test --test it tunnel:: -- --nocapture`.
#[expect(clippy::print_stdout, reason = "the table is what this is for")]
fn print_row(gets: usize, posts: usize, count: usize, sorted: &[Duration]) {
    let current = std::thread::current();
    let test = current.name().unwrap_or_default().to_owned();
    let at = |percent: usize| {
        let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted
            .get(index)
            .map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
    };
    println!(
        "| `{test}` | {gets}/{count} | {posts}/{count} | {:.0} | {:.0} | {:.0} |",
        at(50),
        at(95),
        at(100)
    );
}
