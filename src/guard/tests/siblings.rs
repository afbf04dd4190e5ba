//! Which of our own slots a signer may take for the same position, kind by kind.

use crate::fixture::{ask_kind, at, raise, second};
use crate::tezos::ConsensusKind::{
    Attestation, Block, LegacyBlock, LegacyEndorsement, Preattestation,
};

use super::*;

#[tokio::test]
async fn a_slot_has_a_sibling_only_of_the_other_era_at_its_position_or_in_round_zero() {
    // Claimed here; asked about there.
    let pairs = [
        (Block, LegacyBlock, true),
        (LegacyBlock, Block, true),
        (Attestation, LegacyEndorsement, true),
        (LegacyEndorsement, Attestation, true),
        (Preattestation, Preattestation, false),
        (Preattestation, Attestation, false),
        (Attestation, Attestation, false),
        (Block, Attestation, false),
    ];
    for (claimed, asked, expected) in pairs {
        for (round, counts) in [(0, true), (2, true), (1, false)] {
            let home = Home::empty();
            let guard = home.open();
            let raises = vec![raise(claimed, at(100, 0))];
            guard.raise(raises, second(1_000)).await.unwrap();
            let candidate = ask_kind(claimed, at(101, round), 1);
            drop(permit(guard.claim(candidate, second(1_001)).await));
            let slot = ask_kind(asked, at(101, 2), 1).slot;
            let found = guard.store().has_sibling(&slot);
            assert_eq!(found, expected && counts, "{claimed} {asked} {round}");
            let elsewhere = ask_kind(asked, at(102, round), 1).slot;
            assert!(!guard.store().has_sibling(&elsewhere));
        }
    }
}

#[test]
fn every_condition_has_its_word() {
    let words = [Condition::Absent, Condition::Ready, Condition::Refusing].map(|it| it.to_string());
    assert_eq!(words, ["absent", "ready", "refusing"]);
}
