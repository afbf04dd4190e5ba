//! The sentences of refusals, which bakers print, and the permit.

use crate::fixture::{ask, ask_kind, at, bytes, key, record, second};
use crate::tezos::{ChainId, ConsensusKind, ConsensusPayload, Payload, Scheme};

use super::super::*;
use super::Home;

fn refused(state: Option<&StreamState>, candidate: &Candidate) -> Refusal {
    match decide(None, state, candidate) {
        Verdict::Refused(refusal) => refusal,
        other @ (Verdict::Again { .. } | Verdict::Fresh | Verdict::Recorded(_)) => {
            panic!("{other:?}")
        }
    }
}

#[test]
fn every_refusal_names_the_position_and_the_digests() {
    let mut state = StreamState::with_floor(at(100, 0), second(1_000));
    state.enter(&ask(at(101, 2), 1), second(1_001));
    let pkh = key();
    let (one, two) = (bytes(1).short(), bytes(2).short());
    let slot = format!("attestation level 101 round 2 of {pkh}");
    let aug = Candidate {
        scheme: Scheme::Aug,
        ..ask(at(101, 2), 1)
    };
    let mut signed = state.clone();
    signed.rows.get_mut(&at(101, 2)).unwrap().record = Some(record(7));
    let table = [
        (
            refused(None, &ask(at(101, 2), 1)),
            "no-watermark",
            format!("{pkh} has no attestation watermark on chain NetXdQprcVkpaWU"),
        ),
        (
            refused(Some(&state), &ask(at(101, 1), 1)),
            "below-floor",
            format!(
                "attestation level 101 round 1 of {pkh} is not above the watermark level 101 round 2 \
                 (asked {one})"
            ),
        ),
        (
            refused(Some(&state), &ask(at(101, 2), 2)),
            "conflict",
            format!(
                "{slot} is claimed by other bytes: asked {two}, claimed {one} at \
                 1970-01-01T00:16:41Z, no signature recorded"
            ),
        ),
        (
            refused(Some(&signed), &ask(at(101, 2), 2)),
            "conflict",
            format!(
                "{slot} is claimed by other bytes: asked {two}, claimed {one} at \
                 1970-01-01T00:16:41Z, signed through signer-7 at 1970-01-01T00:16:40Z"
            ),
        ),
        (
            refused(Some(&state), &aug),
            "scheme",
            format!("{slot} is claimed under the standard scheme, asked under aug (digest {one})"),
        ),
    ];
    for (refusal, reason, sentence) in table {
        assert_eq!(refusal.reason(), reason);
        assert_eq!(refusal.to_string(), sentence);
    }
}

#[tokio::test]
async fn a_permit_carries_exactly_what_was_claimed() {
    let (_home, guard) = Home::initialised().await;
    let asked = ask_kind(ConsensusKind::Block, at(101, 0), 3);
    let permit = super::permit(guard.claim(asked, second(1_000)).await);
    assert_eq!(*permit.scope(), Scope::Slot(asked));
    assert_eq!(permit.digest(), bytes(3));
    assert_eq!(permit.key(), key());
    assert_eq!(permit.scheme(), Scheme::Standard);
}

#[tokio::test]
async fn bytes_of_a_slot_get_no_permit_without_a_claim() {
    let (_home, guard) = Home::initialised().await;
    let consensus = Payload::Consensus(ConsensusPayload {
        chain: ChainId::MAINNET,
        kind: ConsensusKind::Attestation,
        position: at(101, 0),
    });
    let permit = guard.unslotted(&consensus, key(), bytes(1), Scheme::Standard);
    assert!(permit.is_none());
    let operation = Payload::Other { magic: 3 };
    let permit = guard
        .unslotted(&operation, key(), bytes(1), Scheme::Standard)
        .unwrap();
    assert_eq!(permit.digest(), bytes(1));
    assert_eq!(permit.key(), key());
    assert_eq!(permit.scheme(), Scheme::Standard);
    let kept = guard
        .record(permit, crate::fixture::signature(5), "a", second(1_000))
        .await
        .unwrap();
    assert_eq!(kept.signature, crate::fixture::signature(5));
}
