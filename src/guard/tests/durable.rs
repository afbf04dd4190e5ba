//! The guard over the real store: what is promised survives closing, opening and other bakers.

use std::sync::Arc;

use crate::fixture::{ask, ask_kind, at, bytes, raise, second, signature, stream};
use crate::task::Tasks;
use crate::tezos::{ConsensusKind, Position, Scheme};

use super::super::*;
use super::{Home, permit, refusal};

#[tokio::test]
async fn a_claim_survives_closing_and_still_belongs_to_its_bytes_alone() {
    let (home, guard) = Home::initialised().await;
    let asked = ask(at(101, 0), 1);
    drop(permit(guard.claim(asked, second(1_000)).await));
    drop(guard);
    let guard = home.open();
    let other = refusal(guard.claim(ask(at(101, 0), 2), second(1_000)).await);
    assert_eq!(other.reason(), "conflict");
    let below = refusal(guard.claim(ask(at(100, 5), 1), second(1_000)).await);
    assert_eq!(below.reason(), "below-floor");
    drop(permit(guard.claim(asked, second(1_000)).await));
}

#[tokio::test]
async fn a_recorded_signature_is_replayed_after_opening_and_nothing_else_is() {
    let (home, guard) = Home::initialised().await;
    let asked = ask(at(101, 0), 1);
    let permit = permit(guard.claim(asked, second(1_000)).await);
    assert_eq!(guard.replay(&asked), None);
    let kept = guard
        .record(permit, signature(7), "home-a", second(1_002))
        .await
        .unwrap();
    drop(guard);
    let guard = home.open();
    assert_eq!(guard.replay(&asked), Some(kept.clone()));
    let again = guard.claim(asked, second(1_003)).await;
    assert!(
        matches!(&again, Ok(Claim::Recorded(record)) if *record == kept),
        "{again:?}"
    );
    assert_eq!(guard.replay(&ask(at(101, 0), 2)), None);
    assert_eq!(guard.replay(&ask(at(101, 1), 1)), None);
    let other_kind = ask_kind(ConsensusKind::Preattestation, at(101, 0), 1);
    assert_eq!(guard.replay(&other_kind), None);
}

#[tokio::test]
async fn equal_bytes_under_another_scheme_are_neither_claimed_nor_replayed() {
    let (home, guard) = Home::initialised().await;
    let pop = Candidate {
        scheme: Scheme::Pop,
        ..ask(at(101, 0), 1)
    };
    let aug = Candidate {
        scheme: Scheme::Aug,
        ..pop
    };
    let permit = permit(guard.claim(pop, second(1_000)).await);
    guard
        .record(permit, signature(7), "a", second(1_000))
        .await
        .unwrap();
    let mut guard = guard;
    for _ in ["before", "after closing"] {
        assert_eq!(guard.replay(&aug), None);
        let refused = refusal(guard.claim(aug, second(1_000)).await);
        assert_eq!(refused.reason(), "scheme");
        assert!(guard.replay(&pop).is_some());
        drop(guard);
        guard = home.open();
    }
}

#[tokio::test]
async fn a_second_signature_for_a_slot_is_dropped_and_the_first_returned() {
    let (home, guard) = Home::initialised().await;
    let asked = ask_kind(ConsensusKind::Block, at(101, 0), 1);
    let one = permit(guard.claim(asked, second(1_000)).await);
    let two = permit(guard.claim(asked, second(1_000)).await);
    let first = guard.record(one, signature(1), "a", second(1_001)).await;
    let second_one = guard.record(two, signature(2), "b", second(1_002)).await;
    assert_eq!(first.clone().unwrap().signature, signature(1));
    assert_eq!(first, second_one);
    drop(guard);
    assert_eq!(home.open().replay(&asked), first.ok());
}

#[tokio::test]
async fn a_signature_finds_its_row_although_later_positions_were_claimed_meanwhile() {
    let (_home, guard) = Home::initialised().await;
    let asked = ask(at(101, 0), 1);
    let permit = permit(guard.claim(asked, second(1_000)).await);
    for level in 102..=165 {
        drop(super::permit(
            guard.claim(ask(at(level, 0), 1), second(1_000)).await,
        ));
    }
    let kept = guard.record(permit, signature(1), "a", second(1_000)).await;
    assert_eq!(guard.replay(&asked), kept.ok());
}

#[tokio::test]
async fn a_signature_whose_row_was_pruned_does_not_leave() {
    let (home, guard) = Home::initialised().await;
    let asked = ask(at(101, 0), 1);
    let permit = permit(guard.claim(asked, second(1_000)).await);
    drop(super::permit(
        guard.claim(ask(at(166, 0), 1), second(1_000)).await,
    ));
    let kept = guard.record(permit, signature(1), "a", second(1_000)).await;
    assert_eq!(kept, Err(StoreError::Homeless));
    drop(guard);
    let guard = home.open();
    assert_eq!(guard.replay(&asked), None);
    let refused = refusal(guard.claim(asked, second(1_000)).await);
    assert_eq!(refused.reason(), "below-floor");
}

#[tokio::test]
async fn without_a_watermark_nothing_is_claimed_and_nothing_is_made() {
    let home = Home::empty();
    let guard = home.open();
    let refused = refusal(guard.claim(ask(at(101, 0), 1), second(1_000)).await);
    assert_eq!(refused.reason(), "no-watermark");
    let report = guard.report();
    assert_eq!(report.condition, Condition::Absent);
    let reason = report.reason.unwrap();
    assert!(reason.contains("signer-proxy watermark init"), "{reason}");
    drop(guard);
    let names: Vec<_> = std::fs::read_dir(home.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["lock"]);
}

#[tokio::test]
async fn streams_are_apart_by_kind_key_and_chain() {
    let home = Home::empty();
    let guard = home.open();
    let floor = raise(ConsensusKind::Attestation, at(100, 0));
    guard.raise(vec![floor], second(1_000)).await.unwrap();
    let asked = ask(at(101, 0), 1);
    let mut elsewhere = [asked; 3];
    elsewhere[0].slot.stream.kind = ConsensusKind::Preattestation;
    elsewhere[1].slot.stream.chain = ChainId::from_bytes([1; 4]);
    let other = crate::fixture::secret(crate::tezos::Curve::Ed25519, 2);
    elsewhere[2].slot.stream.key = other.public_key().hash();
    for candidate in elsewhere {
        let refused = refusal(guard.claim(candidate, second(1_000)).await);
        assert_eq!(refused.reason(), "no-watermark");
    }
    drop(permit(guard.claim(asked, second(1_000)).await));
}

#[tokio::test]
async fn raising_never_lowers_a_floor_and_survives_opening() {
    let (home, guard) = Home::initialised().await;
    let kind = ConsensusKind::Block;
    guard
        .raise(vec![raise(kind, at(500, 3))], second(1_000))
        .await
        .unwrap();
    guard
        .raise(vec![raise(kind, at(400, 0))], second(2_000))
        .await
        .unwrap();
    drop(guard);
    let guard = home.open();
    let report = guard.streams();
    let block = report.iter().find(|report| report.stream == stream(kind));
    let block = block.unwrap();
    assert_eq!((block.floor, block.floor_at), (at(500, 3), second(1_000)));
    let refused = refusal(
        guard
            .claim(ask_kind(kind, at(500, 3), 1), second(2_000))
            .await,
    );
    assert_eq!(refused.reason(), "below-floor");
    drop(permit(
        guard
            .claim(ask_kind(kind, at(500, 4), 1), second(2_000))
            .await,
    ));
}

#[tokio::test]
async fn a_raise_ends_an_unsigned_claim_for_good_and_its_late_signature_does_not_leave() {
    let (home, guard) = Home::initialised().await;
    let (unsigned, signed) = (ask(at(101, 0), 1), ask(at(102, 0), 2));
    let late = permit(guard.claim(unsigned, second(1_000)).await);
    let timely = permit(guard.claim(signed, second(1_000)).await);
    let recorded = guard
        .record(timely, signature(2), "home", second(1_000))
        .await
        .unwrap();
    let floor = Position::end_of_level(at(110, 0).level);
    guard
        .raise(
            vec![raise(ConsensusKind::Attestation, floor)],
            second(1_001),
        )
        .await
        .unwrap();
    let homeless = guard
        .record(late, signature(1), "home", second(1_002))
        .await;
    assert_eq!(homeless, Err(StoreError::Homeless));
    drop(guard);
    let guard = home.open();
    let refused = refusal(guard.claim(unsigned, second(1_003)).await);
    assert_eq!(refused.reason(), "below-floor");
    assert_eq!(guard.replay(&signed), Some(recorded));
}

#[tokio::test]
async fn a_claim_is_seen_by_no_one_before_it_is_committed() {
    let (_home, guard) = Home::initialised().await;
    let asked = ask(at(101, 0), 1);
    assert_eq!(guard.store().lookup(&asked.slot), None);
    drop(permit(guard.claim(asked, second(1_005)).await));
    let row = guard.store().lookup(&asked.slot).unwrap();
    assert_eq!((row.digest, row.claimed_at), (bytes(1), second(1_005)));
    let head = guard
        .store()
        .head(stream(ConsensusKind::Block).chain, crate::fixture::key());
    assert_eq!(head.unwrap().level, at(101, 0).level);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_claims_from_sixteen_tasks_give_each_slot_to_exactly_one_payload() {
    const TASKS: u8 = 16;
    const SLOTS: u32 = 63;
    let (home, guard) = Home::initialised().await;
    let guard = Arc::new(guard);
    let tasks = Tasks::new();
    let claims = (0..TASKS).map(|task| {
        let guard = Arc::clone(&guard);
        tasks.spawn("claims", async move {
            let mut won = Vec::new();
            for slot in 0..SLOTS {
                // Two tasks ask for the same bytes, seven other pairs for others.
                let asked = ask(at(101 + slot, 0), task / 2);
                if let Ok(claim) = guard.claim(asked, second(1_000)).await {
                    drop(permit(Ok(claim)));
                    won.push((slot, asked));
                }
            }
            won
        })
    });
    let claims: Vec<_> = claims.collect();
    let mut winners: std::collections::HashMap<u32, Candidate> = std::collections::HashMap::new();
    for claim in claims {
        for (slot, asked) in claim.await.unwrap() {
            assert_eq!(*winners.entry(slot).or_insert(asked), asked);
        }
    }
    // Nobody skips a slot, so each has a winner.
    assert_eq!(winners.len(), 63);
    let guard = Arc::try_unwrap(guard).unwrap();
    drop(guard);
    let guard = home.open();
    for asked in winners.values() {
        let row = guard.store().lookup(&asked.slot).unwrap();
        assert_eq!(row.digest, asked.digest);
    }
}

#[tokio::test]
async fn a_halt_of_the_guard_outlives_it_ends_its_claim_and_keeps_the_first_reason() {
    let (home, guard) = Home::initialised().await;
    let asked = ask(at(101, 0), 1);
    drop(permit(guard.claim(asked, second(1_000)).await));
    let account = Account::from(asked.slot.stream);
    for reason in ["first", "second"] {
        let (slots, reason) = ([asked.slot], reason.to_owned());
        let halted = guard.halt(account, &slots, reason, second(1_001)).await;
        halted.unwrap();
    }
    drop(guard);
    let guard = home.open();
    let next = ask(at(102, 0), 1);
    let refused = refusal(guard.claim(next, second(1_002)).await);
    assert_eq!(refused.reason(), "halted");
    assert!(refused.to_string().contains("first"), "{refused}");
    let resume = vec![Change::Resume { account }];
    guard.store().amend(resume, second(1_003)).await.unwrap();
    let ended = refusal(guard.claim(asked, second(1_004)).await);
    assert_eq!(ended.reason(), "below-floor");
    drop(permit(guard.claim(next, second(1_005)).await));
}
