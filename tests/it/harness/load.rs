//! A steady load in the style of several bakers: requests at a fixed rate, one at a time per key.

use std::collections::BTreeMap;
use std::time::Duration;

use signer_proxy::tezos::PublicKey;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::baker::{Baker, Outcome};
use super::payload::{Kind, Slot, slot};

/// How much is asked for, and how far it has come.
#[derive(Debug)]
pub(crate) struct Load {
    count: usize,
    period: Duration,
    useful: Option<Duration>,
    issued: watch::Sender<usize>,
}

impl Load {
    /// `count` requests, `rate` a second.
    pub(crate) fn new(count: usize, rate: u32) -> Self {
        Self {
            count,
            period: Duration::from_secs(1) / rate,
            useful: None,
            issued: watch::Sender::new(0),
        }
    }

    /// The same, but nothing is asked for a slot whose turn comes later than `useful` after its time: a
    /// baker whose chain has gone on has no use for it.
    pub(crate) const fn useful_for(mut self, useful: Duration) -> Self {
        self.useful = Some(useful);
        self
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
                workers.spawn(work(baker.clone(), key.clone(), slots, self.useful));
                queue
            })
            .collect();
        let mut ticks = interval(self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for n in 0..self.count {
            let due = ticks.tick().await;
            let nth = n / queues.len();
            let kind = Kind::ALL[nth % Kind::ALL.len()];
            let level = floor + 1 + u32::try_from(nth / Kind::ALL.len()).unwrap();
            let slot = slot(kind, level, 0);
            queues[n % queues.len()].send((due, slot)).unwrap();
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
    mut slots: mpsc::UnboundedReceiver<(Instant, Slot)>,
    useful: Option<Duration>,
) -> Vec<Option<Outcome>> {
    let mut outcomes = Vec::new();
    while let Some((due, slot)) = slots.recv().await {
        if useful.is_some_and(|useful| due.elapsed() > useful) {
            outcomes.push(None);
            continue;
        }
        let bytes = slot.bytes(key.curve(), 1);
        outcomes.push(Some(baker.sign(&key, &bytes).await));
    }
    outcomes
}

/// What came of a load.
#[derive(Debug)]
pub(crate) struct Report {
    /// In no order; absent where nothing was asked, because the turn came too late.
    outcomes: Vec<Option<Outcome>>,
}

impl Report {
    fn asked(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().flatten()
    }

    /// Answers to `GET /authorized_keys`.
    pub(crate) fn gets(&self) -> usize {
        self.asked().filter(|one| one.get.is_ok()).count()
    }

    /// Signatures that are right.
    pub(crate) fn posts(&self) -> usize {
        self.asked().filter(|one| one.signature.is_ok()).count()
    }

    /// The length within which `percent` of those that were asked came to their end, well or not.
    pub(crate) fn within(&self, percent: usize) -> Duration {
        let mut took: Vec<_> = self.asked().map(|one| one.took).collect();
        took.sort_unstable();
        let rank = (took.len() * percent).div_ceil(100).max(1);
        took.get(rank - 1).copied().unwrap_or_default()
    }

    /// What those that got no signature saw, and how many each.
    pub(crate) fn losses(&self) -> BTreeMap<String, usize> {
        let mut losses = BTreeMap::new();
        for one in &self.outcomes {
            let seen = match one {
                None => "too late".to_owned(),
                Some(one) if one.signature.is_ok() => continue,
                Some(Outcome { status, .. }) => match status {
                    None => "no answer".to_owned(),
                    Some(200) => "wrong answer".to_owned(),
                    Some(status) => status.to_string(),
                },
            };
            *losses.entry(seen).or_default() += 1;
        }
        losses
    }

    /// The first few that got no signature, in full.
    pub(crate) fn failed(&self) -> Vec<&Outcome> {
        self.asked()
            .filter(|one| one.signature.is_err())
            .take(5)
            .collect()
    }

    /// Fails unless every `GET` was answered and every signature came and was right.
    pub(crate) fn assert_all(&self, count: usize) {
        assert_eq!(
            (self.gets(), self.posts()),
            (count, count),
            "of {count}; slowest {:?}; {:#?}",
            self.within(100),
            self.failed()
        );
    }
}
