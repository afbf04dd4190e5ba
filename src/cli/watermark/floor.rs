//! Where a level comes from: the operator's word, or a node's head.

use clap::Args;

use crate::cli::{Failure, code};
use crate::node::{INIT_MARGIN, Node};
use crate::settings::{Chain, Settings, SignerUrl};
use crate::task::Tasks;
use crate::tezos::Level;

/// Where the level comes from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Floor {
    /// A level above everything ever signed with the key.
    #[arg(long, value_name = "N", value_parser = parse_level)]
    pub(super) level: Option<Level>,
    /// An Octez node in sync, such as `http://127.0.0.1:8732`: its head plus 10.
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    pub(super) from_node: Option<SignerUrl>,
}

pub(in crate::cli) fn parse_level(text: &str) -> Result<Level, String> {
    let number: u32 = text
        .parse()
        .map_err(|_| "a level is a whole number".to_owned())?;
    Level::new(number).ok_or_else(|| "a level is at most 2147483647".to_owned())
}

fn parse_url(text: &str) -> Result<SignerUrl, String> {
    crate::config::http_url(text)
}

/// The level that was given, or that the node gives.
pub(super) async fn floor_of(floor: Floor, chain: &Chain) -> Result<Level, Failure> {
    match (floor.level, floor.from_node) {
        (Some(level), _) => Ok(level),
        (None, Some(url)) => from_node(&url, chain)
            .await
            .map_err(|error| Failure::new(code::PROBLEM, error)),
        (None, None) => Err(Failure::new(code::USAGE, "--level or --from-node")),
    }
}

/// A level beside the head of the configured node.
#[derive(Debug)]
pub(super) enum Beside {
    /// No node is configured.
    NoNode,
    /// At or above the head.
    Reaches,
    /// Below the head, which is at this level: what lies between may have been signed.
    Below(u32),
    /// The head is not known, and why.
    Unknown(String),
}

/// Compares `level` with the head of the configured node.
pub(super) async fn beside_head(settings: &Settings, chain: &Chain, level: Level) -> Beside {
    let Some(node) = &settings.node else {
        return Beside::NoNode;
    };
    match from_node(&node.url, chain).await {
        Err(error) => Beside::Unknown(error),
        Ok(floor) => {
            let head = floor.get().saturating_sub(INIT_MARGIN);
            if level.get() < head {
                Beside::Below(head)
            } else {
                Beside::Reaches
            }
        }
    }
}

/// The sentence that refuses a level below the head, and names what goes on all the same.
pub(super) fn below_sentence(level: Level, head: u32) -> String {
    format!(
        "level {level} lies below the head of the chain, which is at {head}: the key may have signed up to \
         there; give a level of at least {head} (--below-head goes on all the same); nothing was changed"
    )
}

/// The head of the node plus the margin; the error says why the node cannot be relied on.
async fn from_node(url: &SignerUrl, chain: &Chain) -> Result<Level, String> {
    let tasks = Tasks::new();
    let level = Node::new(url, &tasks)
        .floor_for_init(chain, crate::time::now())
        .await;
    level.map_err(|error| error.to_string())
}
