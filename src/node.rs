//! An Octez node as outside evidence: its head for `watermark init` and for the far-future limit, and what its
//! chain shows of our keys. A node is asked and believed; nothing waits for it.

mod block;
mod evidence;
mod judge;

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::guard::NodeHead;
use crate::settings::{Chain, Node as Settings, Path, SignerUrl};
use crate::signer::{Gate, Outgoing, client::Client};
use crate::task::Tasks;
use crate::tezos::{ChainId, Level};

pub use evidence::{Outlook, Terms, Verdict, watch_evidence};

/// One question to a node is given this long.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often the head is read.
const PERIOD: Duration = Duration::from_secs(5);
/// Levels that are added to the head: covers what may be signed while the head is read.
pub const INIT_MARGIN: u32 = judge::MARGIN;

/// Why a node's head cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// No usable answer.
    #[error("node {url} does not answer {what}: {reason}")]
    Unanswered {
        /// The node.
        url: String,
        /// The question.
        what: String,
        /// Why.
        reason: String,
    },
    /// Its answers forbid to rely on it.
    #[error("node {url} {reason}")]
    Unfit {
        /// The node.
        url: String,
        /// Why.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Header {
    level: Level,
    timestamp: Timestamp,
}

#[derive(Deserialize)]
struct Bootstrapped {
    bootstrapped: bool,
    sync_state: String,
}

/// A node.
#[derive(Debug)]
pub struct Node {
    client: Client,
    url: String,
}

impl Node {
    /// A node at `url`.
    #[must_use]
    pub fn new(url: &SignerUrl, tasks: &Tasks) -> Self {
        let settings = Path {
            name: "node".to_owned(),
            url: url.clone(),
            prefix: String::new(),
            max_connections: 1,
            tls: crate::settings::PathTls::default(),
        };
        Self {
            client: Client::new(&settings, tasks.clone()),
            url: url.to_string(),
        }
    }

    /// The same, whose answers are read up to `bytes`.
    fn with_answers(url: &SignerUrl, bytes: usize, tasks: &Tasks) -> Self {
        let Self { client, url } = Self::new(url, tasks);
        let client = client.with_answer_bytes(bytes);
        Self { client, url }
    }

    /// The floor for a first use: the head's level plus [`INIT_MARGIN`].
    ///
    /// # Errors
    /// Another chain, a node that is not in sync, a head older than two block times, or no answer.
    pub async fn floor_for_init(&self, chain: &Chain, now: Timestamp) -> Result<Level, NodeError> {
        let unfit = |reason: String| NodeError::Unfit {
            url: self.url.clone(),
            reason,
        };
        let id: ChainId = self.ask("/chains/main/chain_id").await?;
        if id != chain.id {
            return Err(unfit(format!("is on chain {id}, not on {}", chain.id)));
        }
        let sync: Bootstrapped = self.ask("/chains/main/is_bootstrapped").await?;
        if !sync.bootstrapped || sync.sync_state != "synced" {
            return Err(unfit(format!(
                "is not in sync (state {:?})",
                sync.sync_state
            )));
        }
        let header: Header = self.ask("/chains/main/blocks/head/header").await?;
        let age_seconds = now.duration_since(header.timestamp).as_secs_f64();
        let most_seconds = chain.block_time.saturating_mul(2).as_secs_f64();
        if age_seconds > most_seconds {
            return Err(unfit(format!(
                "has a head of {age_seconds:.0}s ago, more than two block times ({most_seconds:.0}s)"
            )));
        }
        let floor = header.level.get().saturating_add(INIT_MARGIN);
        Level::new(floor).ok_or_else(|| unfit(format!("has an impossible head level {floor}")))
    }

    /// The chain is asked each time: the node may have come back with another one.
    async fn head(&self) -> Result<(ChainId, Level), NodeError> {
        let chain: ChainId = self.ask("/chains/main/chain_id").await?;
        let header: Header = self.ask("/chains/main/blocks/head/header").await?;
        Ok((chain, header.level))
    }

    async fn ask<T: DeserializeOwned>(&self, what: &str) -> Result<T, NodeError> {
        let body = self.fetch(what, TIMEOUT).await?;
        serde_json::from_slice(&body).map_err(|error| self.unanswered(what, error.to_string()))
    }

    /// The body of an answer with status 200, at most `within` from now.
    async fn fetch(&self, what: &str, within: Duration) -> Result<Bytes, NodeError> {
        let (outgoing, gate) = (Outgoing::get(what.to_owned()), Gate::open());
        let answer = tokio::time::timeout(within, self.client.send(&outgoing, &gate))
            .await
            .map_err(|_| self.unanswered(what, format!("silent for {}s", within.as_secs())))?
            .map_err(|error| self.unanswered(what, error.cause.to_string()))?;
        if answer.status != StatusCode::OK {
            return Err(self.unanswered(what, format!("status {}", answer.status)));
        }
        Ok(answer.body)
    }

    fn unanswered(&self, what: &str, reason: String) -> NodeError {
        NodeError::Unanswered {
            url: self.url.clone(),
            what: what.to_owned(),
            reason,
        }
    }
}

/// Publishes the head of the configured node, with the chain that it is on, until shutdown; tells once when it is lost and once when
/// it is back.
pub fn watch_head(settings: &Settings, tasks: &Tasks, head: watch::Sender<Option<NodeHead>>) {
    let node = Node::new(&settings.url, tasks);
    let shutdown = tasks.shutdown();
    tasks.spawn("node head", async move {
        let mut lost = false;
        loop {
            match node.head().await {
                Ok((chain, level)) => {
                    if std::mem::take(&mut lost) {
                        tracing::info!(
                            node = node.url,
                            %chain,
                            level = level.get(),
                            "node answers again"
                        );
                    }
                    head.send_replace(Some((chain, level)));
                }
                Err(error) => {
                    if !std::mem::replace(&mut lost, true) {
                        tracing::warn!(node = node.url, %error, "node head unknown");
                    }
                    // An old head would only allow less than time alone does.
                    head.send_replace(None);
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    });
}
