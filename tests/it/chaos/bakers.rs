//! Bakers in the manner of Octez: for each key one thing at a time, level after level as time goes on, asked
//! once and never again.

use std::sync::Arc;
use std::time::Duration;

use signer_proxy::tezos::{PublicKey, digest};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::harness::baker::Outcome;
use crate::harness::direct::FLOOR;
use crate::harness::luck::Luck;
use crate::harness::payload::{Kind, Slot, slot};
use crate::harness::wait::lasts;

use super::field::Field;
use super::verdict::Lost;

/// Long enough for one Ledger to sign for all keys.
const LEVEL: Duration = Duration::from_secs(3);

/// Before a vote, as if others' messages had to arrive first.
const BETWEEN: Duration = Duration::from_millis(600);

/// Of a hundred levels, those in which a key has a block to sign.
const BLOCKS: u32 = 25;

/// What bakers were told.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) asked: usize,
    pub(super) signed: usize,
    /// Votes not asked for, because the level was over.
    pub(super) skipped: usize,
    pub(super) longest: Duration,
    /// Lost slots that nobody has judged yet.
    pub(super) lost: Vec<Lost>,
}

/// One baker for each key; they end when told.
#[derive(Debug)]
pub(super) struct Bakers {
    field: Arc<Field>,
    counts: std::sync::Mutex<Counts>,
    over: watch::Sender<bool>,
}

impl Bakers {
    pub(super) fn new(field: &Arc<Field>) -> Arc<Self> {
        Arc::new(Self {
            field: Arc::clone(field),
            counts: std::sync::Mutex::default(),
            over: watch::Sender::new(false),
        })
    }

    pub(super) fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap()
    }

    /// Nothing more is asked; what was asked is waited for.
    pub(super) fn end(&self) {
        self.over.send_replace(true);
    }

    fn level(&self) -> u32 {
        let levels = self.field.now().as_millis() / LEVEL.as_millis();
        FLOOR + 1 + u32::try_from(levels).unwrap()
    }

    /// Waits until a level begins, or for the end.
    async fn begins(&self, level: u32) -> bool {
        let mut over = self.over.subscribe();
        let begin = lasts(self.field.at(Duration::ZERO), LEVEL * (level - FLOOR - 1));
        tokio::select! {
            _ = over.wait_for(|over| *over) => false,
            () = begin => true,
        }
    }

    pub(super) async fn bake(self: Arc<Self>, key: PublicKey, mut luck: Luck) {
        let mut level = self.level();
        while self.begins(level).await {
            for kind in Kind::ALL {
                if kind == Kind::Block && !luck.percent(BLOCKS) {
                    continue;
                }
                if kind != Kind::Block {
                    lasts(Instant::now(), luck.length(BETWEEN)).await;
                }
                if self.level() > level {
                    self.counts().skipped += 1;
                } else {
                    self.ask(&key, slot(kind, level, 0)).await;
                }
            }
            level = self.level().max(level + 1);
        }
    }

    async fn ask(&self, key: &PublicKey, slot: Slot) {
        let bytes = slot.bytes(key.curve(), 1);
        let asked = self.field.now();
        let outcome = self.field.baker.sign(key, &bytes).await;
        let ended = self.field.now();
        let error = outcome.signature.as_ref().err().map(|_| words(&outcome));
        let lost = match error {
            None => None,
            Some(error) => Some(Lost {
                key: key.hash(),
                slot,
                digest: digest(&bytes).to_string(),
                asked,
                ended,
                limit: useful(slot.kind),
                error,
                state: self.state().await,
            }),
        };
        let mut counts = self.counts();
        counts.asked += 1;
        counts.signed += usize::from(lost.is_none());
        counts.longest = counts.longest.max(outcome.took);
        counts.lost.extend(lost);
    }

    /// Signers and paths as the proxy sees them, in a line.
    async fn state(&self) -> String {
        let status = self.field.proxy.status().await;
        let signers = status["signers"].as_array().unwrap().iter();
        let state = |one: &serde_json::Value| {
            format!("{} {} ({})", one["name"], one["state"], one["cause"])
        };
        signers
            .map(|signer| {
                let paths: Vec<_> = signer["paths"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(state)
                    .collect();
                format!("{}: {}", state(signer), paths.join(", "))
            })
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// What was answered instead of a signature.
fn words(outcome: &Outcome) -> String {
    match &outcome.post {
        Some(Ok(answer)) if answer.body.starts_with('[') => {
            format!("{} {}", answer.status, answer.json()[0]["msg"])
        }
        Some(_) | None => format!("{outcome:?}"),
    }
}

/// How long an answer is of use in round 0 with blocks every six seconds.
const fn useful(kind: Kind) -> Duration {
    match kind {
        Kind::Block => Duration::from_secs(6),
        Kind::Preattestation | Kind::Attestation => Duration::from_secs(4),
    }
}
