//! The chain as evidence outside the store: signatures of our keys above our floors mean that the store
//! went back, or that somebody else signs with the key. Such a key is halted, durably, and its floors rise to what
//! was found.
//!
//! It looks once for each key, soon after the start and as soon as the node answers; again when the key was halted or
//! resumed, and after a gap: the node was gone, or many levels went by at once, as after a machine that slept or was
//! put back as a whole.
//! It is evidence and not a gate: nothing waits for it, and a node that is absent, slow, on another chain or
//! talks nonsense changes nothing but what the status says. Who asks what is in [`walk`], what counts is in
//! `node::judge`.

mod due;
mod walk;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::guard::{NodeHead, WatermarkStore};
use crate::settings::{Chain, Node as Settings};
use crate::task::Tasks;
use crate::telemetry::Metrics;
use crate::tezos::Level;

use self::due::Due;
use self::walk::{Looked, Walk};
use super::Node;

/// The largest answer of a node that is read: the metadata of a block that ends a cycle names every baker.
const ANSWER_BYTES: usize = 8 << 20;

/// What is known from the chain about signatures above the floors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Since when that is so.
    pub at: Timestamp,
    /// What is known.
    pub verdict: Verdict,
}

/// What is known from the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet: the node was not asked, or no key has a watermark.
    Waiting,
    /// Blocks from `head` down to `lowest` were looked at; what they show beyond the store halted its key.
    Checked {
        /// Level of the node's head at that time.
        head: Level,
        /// Level of the lowest block that could show anything.
        lowest: Level,
    },
    /// The chain could not be looked at, and why. It is tried again.
    NotChecked(String),
}

/// Who looks, and at what.
#[derive(Debug)]
struct Observer {
    node: Node,
    store: Arc<dyn WatermarkStore>,
    chains: Vec<Chain>,
    config_name: String,
    level_gap: u32,
    metrics: Arc<Metrics>,
    outlook: watch::Sender<Outlook>,
}

/// What the chain is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The chains that keys sign on.
    pub chains: &'a [Chain],
    /// The configuration as the operator names it, for the command that takes a halt back.
    pub config_name: &'a str,
    /// `guard.level-gap`, in levels: nothing is raised further than a request would be believed.
    pub level_gap: u32,
}

/// Starts looking, until shutdown. `head` is that of the same node.
pub fn watch_evidence(
    settings: &Settings,
    terms: &Terms<'_>,
    store: Arc<dyn WatermarkStore>,
    head: watch::Receiver<Option<NodeHead>>,
    metrics: Arc<Metrics>,
    tasks: &Tasks,
) -> watch::Receiver<Outlook> {
    let (outlook, told) = watch::channel(Outlook {
        at: crate::time::now(),
        verdict: Verdict::Waiting,
    });
    let observer = Observer {
        node: Node::with_answers(&settings.url, ANSWER_BYTES, tasks),
        store,
        chains: terms.chains.to_vec(),
        config_name: terms.config_name.to_owned(),
        level_gap: terms.level_gap,
        metrics,
        outlook,
    };
    let shutdown = tasks.shutdown();
    tasks.spawn("node evidence", async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = observer.run(head) => {}
        }
    });
    told
}

impl Observer {
    /// Ends when the head is watched no more.
    async fn run(&self, mut head: watch::Receiver<Option<NodeHead>>) {
        let mut due = Due::default();
        while head.changed().await.is_ok() {
            head.mark_unchanged();
            self.note(&head, &mut due).await;
        }
    }

    /// One reading of the head: looks, if it is time to.
    async fn note(&self, head: &watch::Receiver<Option<NodeHead>>, due: &mut Due) {
        let Some((chain, level)) = *head.borrow() else {
            due.lost();
            // What was checked stays so; whether it must be checked again shows when the node is back.
            if self.outlook.borrow().verdict == Verdict::Waiting {
                self.tell_not_checked("the node does not answer".to_owned());
            }
            return;
        };
        due.seen(level);
        let Some(chain) = self.chains.iter().find(|known| known.id == chain) else {
            due.lost();
            return self.tell_not_checked(format!(
                "the node is on chain {chain}, which is no [[chain]] of the configuration"
            ));
        };
        let before = walk::floors(&*self.store, chain.id).sought();
        if before.is_empty() {
            return self.tell_idle();
        }
        if !due.is_due(&before, tokio::time::Instant::now()) {
            return;
        }
        let walk = Walk {
            node: &self.node,
            store: &*self.store,
            chain,
            config_name: &self.config_name,
            level_gap: self.level_gap,
            metrics: &self.metrics,
        };
        match walk.look().await {
            Ok(Looked { head: top, lowest }) => {
                // As they stand now, without those that came only meanwhile.
                let mut sought = walk::floors(&*self.store, chain.id).sought();
                sought.retain(|now| before.iter().any(|then| then.account == now.account));
                due.done(sought, head.borrow().map(|(_, level)| level));
                tracing::info!(
                    node = self.node.url,
                    head = top.get(),
                    lowest = lowest.get(),
                    "chain checked for signatures that the store does not know"
                );
                self.tell(Verdict::Checked { head: top, lowest });
            }
            Err(cause) => {
                due.failed(tokio::time::Instant::now());
                self.tell_not_checked(cause.to_string());
            }
        }
    }

    /// Nothing to look for: no key has a watermark, or none could be halted.
    fn tell_idle(&self) {
        let failed = matches!(self.outlook.borrow().verdict, Verdict::NotChecked(_));
        if failed {
            self.tell(Verdict::Waiting);
        }
    }

    fn tell(&self, verdict: Verdict) {
        let at = crate::time::now();
        self.outlook.send_replace(Outlook { at, verdict });
    }

    /// An event for the first of several, for the reason may change with every try.
    fn tell_not_checked(&self, cause: String) {
        let before = self.outlook.borrow().clone();
        match before.verdict {
            Verdict::NotChecked(said) if said == cause => {}
            Verdict::NotChecked(_) => {
                let verdict = Verdict::NotChecked(cause);
                self.outlook.send_replace(Outlook {
                    at: before.at,
                    verdict,
                });
            }
            Verdict::Waiting | Verdict::Checked { .. } => {
                tracing::warn!(
                    node = self.node.url,
                    cause,
                    "chain not checked for signatures that the store does not know"
                );
                self.tell(Verdict::NotChecked(cause));
            }
        }
    }
}
