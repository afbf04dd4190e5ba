//! One look at the chain: from the node's head down, block after block, as long as one can show a signature above
//! a floor. One request at a time; levels, bytes and time are bounded. What was found is acted upon at once,
//! so a look that ends early has done what it could.

use std::time::Duration;

use tokio::time::Instant;

use crate::guard::{Change, Condition, Halt, StoreError, WatermarkStore, is_within_reach};
use crate::node::block::{self, Header, Ours, Seen, Unreadable};
use crate::node::judge::{Finding, Floors, Resume, Wanted};
use crate::node::{Node, NodeError};
use crate::settings::Chain;
use crate::telemetry::Metrics;
use crate::tezos::{ChainId, Curve, Level, Position, PublicKeyHash};

/// Blocks that are looked at, the head included.
const LEVELS: u32 = 64;
/// Genesis and the block that activates a protocol are made by no baker.
const LAST_UNBAKED: u32 = 1;
/// A whole look is given this long.
const BUDGET: Duration = Duration::from_mins(1);
/// One answer is given this long; those of a loaded node take a second.
const ANSWER: Duration = Duration::from_secs(10);

/// What a look needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk<'a> {
    pub(super) node: &'a Node,
    pub(super) store: &'a dyn WatermarkStore,
    pub(super) chain: &'a Chain,
    pub(super) config_name: &'a str,
    pub(super) level_gap: u32,
    pub(super) metrics: &'a Metrics,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    /// Level of the head.
    pub(super) head: Level,
    /// The lowest level of which anything was read.
    pub(super) lowest: Level,
}

/// Why a look is not enough.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotLooked {
    /// No answer.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// An answer that cannot be used.
    #[error("what node {url} answers to {what} {reason}")]
    Unreadable {
        url: String,
        what: String,
        reason: String,
    },
    /// An answer to another question.
    #[error("what node {url} answers to {what} is another block than the one asked for")]
    Another { url: String, what: String },
    /// The configured chain was left between two requests.
    #[error("node {url} went over to chain {chain}")]
    Chain { url: String, chain: ChainId },
    /// Its blocks end in the past.
    #[error("node {url} lags: its head is {age_seconds:.0}s old, more than {most_seconds:.0}s")]
    Lags {
        url: String,
        age_seconds: f64,
        most_seconds: f64,
    },
    /// The time was up.
    #[error("node {url} is slow: {done} blocks took {seconds}s", seconds = BUDGET.as_secs())]
    Slow { url: String, done: u32 },
    /// Operations without their signers, or of an unknown kind.
    #[error(
        "{count} consensus operations of node {url} do not say who signed them, or are of a kind that this \
         version does not know"
    )]
    Unread { url: String, count: usize },
    /// What the store holds now is not known, so nothing can be held against it.
    #[error("the watermarks cannot be read as they are now: {0}")]
    Old(StoreError),
    /// A key could not be halted.
    #[error("a key to be halted could not be: {0}")]
    Store(#[from] StoreError),
}

/// What the store holds on `chain` of keys that can be halted; nothing while it cannot halt any.
pub(super) fn floors(store: &dyn WatermarkStore, chain: ChainId) -> Floors {
    let report = store.report();
    let streams = match (report.condition, report.sealed) {
        (Condition::Ready, None) => store.streams(),
        // A sealed store signs nothing any more, and one that refuses neither signs nor halts.
        (Condition::Ready, Some(_)) | (Condition::Absent | Condition::Refusing, _) => Vec::new(),
    };
    Floors::of(chain, &streams, |account| store.account(account))
}

impl Walk<'_> {
    /// Looks once and halts what must be halted.
    pub(super) async fn look(&self) -> Result<Looked, NotLooked> {
        let begun = Instant::now();
        let head = self.header("head").await?;
        // The walk may take longer than blocks do.
        let age_seconds = crate::time::now().duration_since(head.at).as_secs_f64();
        let (mut block, mut lowest) = (head.clone(), head.level);
        let mut unread = 0_usize;
        for done in 1..=LEVELS {
            let wanted = floors(self.store, self.chain.id).wanted(block.level);
            let baked = block.level.get() > LAST_UNBAKED && block.round.is_some();
            if !baked || !(wanted.baker || wanted.votes) {
                break;
            }
            let missed = self.block(&block, head.level, wanted).await?;
            unread = unread.saturating_add(missed);
            lowest = block.level;
            if begun.elapsed() > BUDGET {
                let url = self.url();
                return Err(NotLooked::Slow { url, done });
            }
            if done < LEVELS {
                block = self.before(&block).await?;
            }
        }
        self.assess(age_seconds, unread)?;
        let head = head.level;
        Ok(Looked { head, lowest })
    }

    /// Whether what was read is the present, by the age of the head when it was read, and the whole of it.
    fn assess(&self, age_seconds: f64, count: usize) -> Result<(), NotLooked> {
        let most_seconds = self.chain.block_time.saturating_mul(2).as_secs_f64();
        let url = self.url();
        if age_seconds > most_seconds {
            return Err(NotLooked::Lags {
                url,
                age_seconds,
                most_seconds,
            });
        }
        if count > 0 {
            return Err(NotLooked::Unread { url, count });
        }
        Ok(())
    }

    async fn header(&self, block: &str) -> Result<Header, NotLooked> {
        let what = format!("/chains/main/blocks/{block}/header");
        let header = self.ask(&what, block::read_header).await?;
        if header.chain == self.chain.id {
            Ok(header)
        } else {
            Err(NotLooked::Chain {
                url: self.url(),
                chain: header.chain,
            })
        }
    }

    /// The header of the block before `block`.
    async fn before(&self, block: &Header) -> Result<Header, NotLooked> {
        let header = self.header(&block.predecessor).await?;
        let follows = header.level.get().checked_add(1) == Some(block.level.get());
        if header.hash == block.predecessor && follows {
            Ok(header)
        } else {
            Err(NotLooked::Another {
                url: self.url(),
                what: format!("/chains/main/blocks/{}/header", block.predecessor),
            })
        }
    }

    /// Reads what is wanted of a block and acts upon it. Returns how many operations could not be read.
    async fn block(
        &self,
        header: &Header,
        head: Level,
        wanted: Wanted,
    ) -> Result<usize, NotLooked> {
        let (mut seen, mut unread) = (Vec::new(), 0);
        if let Some(round) = header.round.filter(|_| wanted.baker) {
            let what = format!("/chains/main/blocks/{}/metadata", header.hash);
            let position = Position::new(header.level, round);
            let (hash, ours) = (header.hash.clone(), self.ours());
            let read = move |body: &[u8]| block::read_baker(body, position, &hash, &ours);
            seen.extend(self.ask(&what, read).await?);
        }
        if wanted.votes {
            let what = format!("/chains/main/blocks/{}/operations/0", header.hash);
            let (hash, ours) = (header.hash.clone(), self.ours());
            let level = header.level;
            let read = move |body: &[u8]| block::read_votes(body, level, &hash, &ours);
            let votes = self.ask(&what, read).await?;
            seen.extend(votes.seen);
            unread = votes.unread;
        }
        self.judge(seen, head).await?;
        Ok(unread)
    }

    fn ours(&self) -> Ours {
        floors(self.store, self.chain.id).keys().collect()
    }

    /// Halts each key of which something was seen above its floor, and raises its floors to that. The floors are
    /// read now, after the block was: what any proxy on this store has signed until then is below them. Where they
    /// cannot be read anew nobody is accused; the next look sees the same blocks.
    async fn judge(&self, seen: Vec<Seen>, head: Level) -> Result<(), NotLooked> {
        if seen.is_empty() {
            return Ok(());
        }
        let resume = Resume {
            config: self.config_name,
            chain: self.chain.id,
            head,
        };
        self.store.refresh().await.map_err(NotLooked::Old)?;
        let floors = floors(self.store, self.chain.id);
        for finding in floors.judge(seen) {
            let key = finding.seen.key;
            let sentence = finding.sentence(resume);
            self.halt(&floors, key, &finding, sentence).await?;
            if key.curve() == Curve::Bls
                && let Some(companion) = self.companion(&finding).await
            {
                let sentence = finding.companion_sentence(companion, resume);
                self.halt(&floors, companion, &finding, sentence).await?;
            }
        }
        Ok(())
    }

    /// Halts `key`, if it is not yet, and raises its floors to what was signed, all or nothing. A position that
    /// the key cannot have come to raises nothing: a raise is for ever, and a node may say anything.
    async fn halt(
        &self,
        floors: &Floors,
        key: PublicKeyHash,
        finding: &Finding,
        reason: String,
    ) -> Result<(), StoreError> {
        let now = crate::time::now();
        let account = floors.account(key);
        let head = self.store.head(self.chain.id, key);
        let mut signed = finding.signed.clone();
        signed.retain(|_, position| {
            let level = position.level;
            head.is_some_and(|head| is_within_reach(level, head, now, self.chain, self.level_gap))
        });
        let mut changes = floors.raises(key, &signed);
        let new = !floors.is_halted(key);
        // Also where memory has one: another replica may have resumed the key since.
        let halt = Halt::new(now, reason.clone());
        changes.push(Change::Halt { account, halt });
        let halted = self.store.amend(changes, now).await;
        let chain = account.chain;
        match &halted {
            Ok(()) if new => {
                self.metrics.evidence_halts.inc();
                tracing::error!(%key, %chain, reason, "key halted, the chain shows what this store never signed");
            }
            Ok(()) => {
                tracing::warn!(%key, %chain, reason, "watermark of a halted key raised to what the chain shows");
            }
            Err(error) => {
                tracing::error!(%key, %chain, reason, %error, "the chain shows what this store never signed, and the key cannot be halted");
            }
        }
        halted
    }

    /// The companion key in use by the baker of a halted key, if the store holds it. No receipt names it, and it
    /// signs what the consensus key signs.
    async fn companion(&self, finding: &Finding) -> Option<PublicKeyHash> {
        let Seen {
            block, delegate, ..
        } = &finding.seen;
        // From here on it is part of a request.
        let delegate: PublicKeyHash = delegate.parse().ok()?;
        let what =
            format!("/chains/main/blocks/{block}/context/delegates/{delegate}/companion_key");
        let ours = self.ours();
        let read = move |body: &[u8]| block::read_companion(body, &ours);
        match self.ask(&what, read).await {
            Ok(companion) => companion,
            Err(error) => {
                // Before Seoul there are no such keys. One that goes on alone cannot make a vote by itself.
                tracing::warn!(%delegate, %error, "companion key of a halted key unknown");
                None
            }
        }
    }

    /// Asks, and reads the answer where it delays nobody: it may be megabytes.
    async fn ask<T: Send + 'static>(
        &self,
        what: &str,
        read: impl FnOnce(&[u8]) -> Result<T, Unreadable> + Send + 'static,
    ) -> Result<T, NotLooked> {
        let body = self.node.fetch(what, ANSWER).await?;
        let failed = |reason: String| NotLooked::Unreadable {
            url: self.url(),
            what: what.to_owned(),
            reason,
        };
        tokio::task::spawn_blocking(move || read(&body))
            .await
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))
    }

    fn url(&self) -> String {
        self.node.url.clone()
    }
}
