//! The far-future limit: one bad request must not lock a key for years.
//!
//! The base is the highest level over all kinds of a key, so a baker that rarely proposes passes; time
//! since the last claim widens the limit, so a holiday passes. The clock can only refuse here: what the
//! floor forbids is refused elsewhere whatever the clock says.

use jiff::Timestamp;

use crate::settings::Chain;
use crate::tezos::Level;

/// Levels above a configured node's head that are still believed.
pub(super) const NODE_MARGIN: u32 = 1_000;

/// The highest claim of a key on a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The highest level over all kinds.
    pub level: Level,
    /// When any of these floors last rose.
    pub at: Timestamp,
}

/// The level is further ahead than this key can have come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "level {level} is too far ahead: the highest claimed level is {base}, at most {limit} is \
     believed now; if the chain really is there, raise the watermark with `signer-proxy watermark \
     init` or set guard.level-gap"
)]
pub struct TooFar {
    /// The level asked.
    pub level: u32,
    /// The highest claimed level over all kinds of the key.
    pub base: u32,
    /// The highest level that would have been accepted.
    pub limit: u32,
}

/// Whether a key whose highest claim is `head` can have come to `level` by `now`: the far-future limit without
/// any node's word.
#[must_use]
pub fn is_within_reach(level: Level, head: Head, now: Timestamp, chain: &Chain, gap: u32) -> bool {
    check(level, head, now, chain, gap, None).is_ok()
}

/// Accepts `level` up to `gap` + 2 x (time since the last claim / block time) above the head, or up to
/// the node's head plus [`NODE_MARGIN`], whichever is higher.
pub(super) fn check(
    level: Level,
    head: Head,
    now: Timestamp,
    chain: &Chain,
    gap: u32,
    node: Option<Level>,
) -> Result<(), TooFar> {
    let elapsed_ms = now
        .as_millisecond()
        .saturating_sub(head.at.as_millisecond())
        .max(0);
    let block_ms = i64::try_from(chain.block_time.as_millis())
        .unwrap_or(i64::MAX)
        .max(1);
    let blocks = elapsed_ms
        .checked_div(block_ms)
        .unwrap_or(0)
        .saturating_mul(2);
    let by_time = u32::try_from(blocks).unwrap_or(u32::MAX);
    let by_claims = head.level.get().saturating_add(gap).saturating_add(by_time);
    let by_node = node.map_or(0, |node| node.get().saturating_add(NODE_MARGIN));
    let limit = by_claims.max(by_node);
    if level.get() <= limit {
        Ok(())
    } else {
        Err(TooFar {
            level: level.get(),
            base: head.level.get(),
            limit,
        })
    }
}
