//! The far-future limit: where it ends, and that no clock can make it allow what the floor forbids.

use jiff::Timestamp;

use crate::fixture::{ask, ask_kind, at, second};
use crate::tezos::{ChainId, ConsensusKind, Level};

use super::super::horizon::{Head, NODE_MARGIN, check};
use super::super::*;
use super::{Home, mainnet, permit, refusal};

/// The highest level that passes with a head of 5 000 claimed at second 1 000.
fn limit(now: Timestamp, gap: u32, node: Option<u32>) -> u32 {
    let level = |level| Level::new(level).unwrap();
    let head = Head {
        level: level(5_000),
        at: second(1_000),
    };
    let passes = |asked: u32| check(level(asked), head, now, &mainnet(), gap, node.map(level));
    let refused = passes(i32::MAX.unsigned_abs()).unwrap_err();
    assert_eq!(passes(refused.limit), Ok(()));
    let past = passes(refused.limit + 1).unwrap_err();
    assert_eq!((past.level, past.base), (refused.limit + 1, 5_000));
    refused.limit
}

#[test]
fn the_limit_is_the_gap_plus_twice_the_blocks_since_the_last_claim_or_the_nodes_head() {
    let table = [
        (second(1_000), 1_000, None, 6_000),
        (second(1_005), 1_000, None, 6_000),
        (second(1_006), 1_000, None, 6_002),
        (second(1_600), 1_000, None, 6_200),
        (second(1_000), 0, None, 5_000),
        (second(1_000), 1_000, Some(4_000), 6_000),
        (second(1_000), 1_000, Some(5_000), 6_000),
        (second(1_000), 1_000, Some(90_000), 90_000 + NODE_MARGIN),
        (second(1_000 + 86_400), 1_000, Some(10_000), 6_000 + 28_800),
    ];
    for (now, gap, node, expected) in table {
        assert_eq!(limit(now, gap, node), expected, "{now} {gap} {node:?}");
    }
}

#[test]
fn a_clock_that_went_back_only_narrows_the_limit_to_the_gap() {
    for now in [second(999), second(0), Timestamp::MIN] {
        assert_eq!(limit(now, 1_000, None), 6_000);
    }
}

#[test]
fn extreme_values_saturate() {
    let level = Level::MAX;
    let head = Head {
        level,
        at: Timestamp::MIN,
    };
    let mut chain = mainnet();
    chain.block_time = std::time::Duration::ZERO;
    let passed = check(level, head, Timestamp::MAX, &chain, u32::MAX, Some(level));
    assert_eq!(passed, Ok(()));
    chain.block_time = std::time::Duration::MAX;
    assert_eq!(check(level, head, Timestamp::MAX, &chain, 0, None), Ok(()));
}

#[tokio::test]
async fn a_block_150_000_levels_after_the_last_block_passes_while_attestations_are_current() {
    let (_home, guard) = Home::initialised().await;
    // A level each 6 s, asked once a day; this key has not proposed a block since level 100.
    let per_day = 14_400;
    let mut now = second(1_000);
    for day in 1..=11 {
        now = second(1_000 + i64::from(day) * 86_400);
        let attestation = ask(at(100 + day * per_day, 0), 1);
        drop(permit(guard.claim(attestation, now).await));
    }
    let block = ask_kind(ConsensusKind::Block, at(150_100, 0), 1);
    drop(permit(guard.claim(block, now).await));
}

#[tokio::test]
async fn ten_poisoned_requests_in_a_row_90_000_ahead_are_refused_and_leave_no_trace() {
    let (_home, guard) = Home::initialised().await;
    let before = guard.streams();
    for nth in 1..=10 {
        let poison = ask(at(100 + 90_000 * nth, 0), 1);
        let refused = guard.claim(poison, second(1_001)).await;
        assert!(matches!(refused, Err(ClaimError::TooFar(_))), "{refused:?}");
    }
    assert_eq!(format!("{before:?}"), format!("{:?}", guard.streams()));
    drop(permit(guard.claim(ask(at(101, 0), 1), second(1_001)).await));
}

#[tokio::test]
async fn no_clock_lets_a_position_below_the_floor_pass() {
    let (_home, guard) = Home::initialised().await;
    for now in [Timestamp::MIN, second(0), second(1_000), Timestamp::MAX] {
        for position in [at(100, 0), at(99, 7), at(0, 0)] {
            let refused = refusal(guard.claim(ask(position, 1), now).await);
            assert_eq!(refused.reason(), "below-floor");
        }
    }
}

#[tokio::test]
async fn a_repeat_passes_whatever_the_clock_says() {
    let (_home, guard) = Home::initialised().await;
    let asked = ask(at(1_100, 0), 1);
    drop(permit(guard.claim(asked, second(1_000)).await));
    drop(permit(guard.claim(asked, second(0)).await));
}

#[tokio::test]
async fn the_nodes_head_widens_the_limit_of_its_own_chain_alone() {
    let home = Home::empty();
    let (tell, node) = tokio::sync::watch::channel(None);
    let guard = SigningGuard {
        node_head: node,
        ..home.open()
    };
    let floor = crate::fixture::raise(ConsensusKind::Attestation, at(100, 0));
    guard.raise(vec![floor], second(1_000)).await.unwrap();
    let far = ask(at(500_000, 0), 1);
    let refused = guard.claim(far, second(1_000)).await;
    assert!(matches!(refused, Err(ClaimError::TooFar(_))), "{refused:?}");
    let level = Level::new(499_999).unwrap();
    tell.send_replace(Some((ChainId::from_bytes([1; 4]), level)));
    let refused = guard.claim(far, second(1_000)).await;
    assert!(matches!(refused, Err(ClaimError::TooFar(_))), "{refused:?}");
    tell.send_replace(Some((ChainId::MAINNET, level)));
    drop(permit(guard.claim(far, second(1_000)).await));
}

#[test]
fn without_a_nodes_word_the_gap_and_the_time_alone_count() {
    let head = Head {
        level: at(1_000, 0).level,
        at: second(0),
    };
    for (level, seconds, expected) in [
        (2_000, 0, true),
        (2_001, 0, false),
        // Two levels for each block time that went by.
        (2_020, 60, true),
        (2_021, 60, false),
        (900, 0, true),
    ] {
        let level = at(level, 0).level;
        let reached = is_within_reach(level, head, second(seconds), &mainnet(), 1_000);
        assert_eq!(reached, expected, "{level} after {seconds} s");
    }
}
