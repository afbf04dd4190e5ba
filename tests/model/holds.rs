//! The protocol without bugs: every rule holds in every state of these worlds.

use super::run::holds;
use super::setup::{ALL, CAREFUL, LEVELS, MIXED, ONE, ROUNDS, Restore, Rival, Setup};
use super::situations::Situation;

#[test]
fn replicas_over_one_store_never_sign_a_slot_twice() {
    let small = Setup {
        signers: MIXED,
        ..Setup::shared()
    };
    // With a third position and both signers the exploration did not end within ten minutes.
    let large = Setup {
        requests: 3,
        signers: MIXED,
        ..Setup::shared()
    };
    let situations = &[
        Situation::Replay,
        Situation::LostRace,
        Situation::Refusal,
        Situation::ClaimWithoutForward,
        Situation::ForwardWithoutRecord,
        Situation::RecordWithoutRelease,
        Situation::TwoSignatures,
    ];
    holds(small, large, situations, 300_000);
}

#[test]
fn three_positions_are_claimed_in_order_or_never() {
    let small = Setup {
        positions: ALL,
        ..Setup::shared().single()
    };
    let large = Setup {
        positions: ALL,
        ..Setup::shared()
    };
    let situations = &[Situation::Replay, Situation::Refusal];
    holds(small, large, situations, 100_000);
}

#[test]
fn three_replicas_never_sign_a_slot_twice() {
    let three = Setup {
        requests: 3,
        ..Setup::shared()
    };
    let small = three.single();
    let large = Setup {
        positions: ROUNDS,
        ..three
    };
    let situations = &[Situation::Replay, Situation::Refusal];
    holds(small, large, situations, 20_000);
}

#[test]
fn signers_that_refuse_or_forget_change_nothing() {
    let small = Setup {
        positions: ONE,
        signers: CAREFUL,
        forgets: true,
        ..Setup::shared()
    };
    let large = Setup {
        positions: ROUNDS,
        ..small
    };
    let situations = &[Situation::TwoSignatures, Situation::LostRace];
    holds(small, large, situations, 4_000);
}

#[test]
fn payloads_that_differ_in_the_branch_alone_are_two() {
    let small = Setup {
        rival: Rival::Branch,
        ..Setup::shared().narrow()
    };
    let large = Setup {
        rival: Rival::Branch,
        ..Setup::shared()
    };
    holds(small, large, &[Situation::Refusal], 400);
}

#[test]
fn what_is_pruned_is_refused_to_everybody() {
    let small = Setup {
        positions: LEVELS,
        prunes: true,
        ..Setup::shared()
    };
    let large = Setup {
        positions: ALL,
        ..small
    };
    let situations = &[Situation::PrunedOwnerAsks, Situation::RecordHomeless];
    holds(small, large, situations, 20_000);
}

#[test]
fn what_an_operator_raises_over_is_refused_to_everybody() {
    let small = Setup {
        raises: 1,
        ..Setup::shared()
    };
    let large = Setup {
        signers: MIXED,
        ..small
    };
    let situations = &[Situation::RecordHomeless, Situation::Replay];
    holds(small, large, situations, 50_000);
}

#[test]
fn without_a_store_nothing_is_signed_until_a_floor_is_set() {
    let small = Setup {
        losses: 1,
        ..Setup::shared().single()
    };
    let large = Setup {
        losses: 2,
        ..Setup::shared()
    };
    let situations = &[Situation::NoWatermark, Situation::Replay];
    holds(small, large, situations, 20_000);
}

#[test]
fn a_store_of_another_identity_permits_nothing() {
    let small = Setup {
        restore: Restore::Renamed,
        ..Setup::shared().single()
    };
    let large = Setup {
        restore: Restore::Renamed,
        ..Setup::shared()
    };
    holds(small, large, &[Situation::ForeignStore], 50_000);
}

#[test]
fn the_owner_of_a_claim_can_always_get_its_signature() {
    let small = Setup {
        progress: true,
        signers: MIXED,
        ..Setup::shared().narrow()
    };
    let large = Setup {
        progress: true,
        ..Setup::shared()
    };
    let situations = &[Situation::Replay, Situation::ForwardWithoutRecord];
    holds(small, large, situations, 1_000);
    let careful = |setup| Setup {
        signers: CAREFUL,
        forgets: true,
        ..setup
    };
    holds(careful(small), careful(large), situations, 4_000);
}

#[test]
fn one_process_survives_kills_power_cuts_and_failed_syncs() {
    let small = Setup::embedded();
    let large = Setup {
        signers: MIXED,
        ..Setup::embedded()
    };
    let situations = &[
        Situation::Replay,
        Situation::Refusal,
        Situation::LostRace,
        Situation::UnsyncedAfterKill,
        Situation::LostPages,
        Situation::FailedStoreReplays,
        Situation::ClaimWithoutForward,
        Situation::ForwardWithoutRecord,
        Situation::RecordWithoutRelease,
    ];
    holds(small, large, situations, 50_000);
}

#[test]
fn one_process_never_poisons_a_claim() {
    let small = Setup {
        progress: true,
        ..Setup::embedded().single()
    };
    let large = Setup {
        progress: true,
        ..Setup::embedded()
    };
    let situations = &[Situation::UnsyncedAfterKill, Situation::LostPages];
    holds(small, large, situations, 10_000);
}

#[test]
fn one_process_claims_three_positions_in_order_or_never() {
    let small = Setup {
        positions: ALL,
        ..Setup::embedded().single()
    };
    let large = Setup {
        positions: ALL,
        ..Setup::embedded()
    };
    holds(small, large, &[Situation::Replay], 100_000);
}

#[test]
fn one_process_refuses_what_an_operator_raised_over() {
    let small = Setup {
        raises: 1,
        ..Setup::embedded().single()
    };
    let large = Setup {
        raises: 1,
        ..Setup::embedded()
    };
    let situations = &[Situation::RecordHomeless, Situation::UnsyncedAfterKill];
    holds(small, large, situations, 20_000);
}

#[test]
fn one_process_loses_its_store_and_refuses() {
    let small = Setup {
        losses: 1,
        ..Setup::embedded().single()
    };
    let large = Setup {
        losses: 1,
        ..Setup::embedded()
    };
    holds(small, large, &[Situation::NoWatermark], 20_000);
}

#[test]
fn a_store_below_its_witness_permits_nothing_until_it_is_accepted() {
    let small = Setup::rolled_back().single();
    let large = Setup::rolled_back();
    let situations = &[Situation::RollbackNoticed, Situation::RecordRolledBack];
    holds(small, large, situations, 100_000);
    holds(large.narrow(), large.narrow(), situations, 4_000);
}

#[test]
fn a_store_that_went_another_way_permits_nothing_until_it_is_accepted() {
    let small = Setup::gone_another_way();
    let situations = &[Situation::RollbackNoticed, Situation::RecordRolledBack];
    holds(small.narrow(), small.single(), situations, 4_000);
}
