//! The protocol over etcd without bugs: every rule holds, however old the knowledge that replicas decide on.

use super::etcd_situations::Over;
use super::run::holds;
use super::setup::{ALL, Anew, CARELESS, LEVELS, Late, MIXED, Noted, Restore, Setup};
use super::situations::Situation;

#[test]
fn replicas_that_decide_on_old_knowledge_never_sign_a_slot_twice() {
    let mixed = Setup {
        signers: MIXED,
        ..Setup::etcd()
    };
    let (small, large) = (mixed.narrow(), Setup::etcd());
    let situations = &[
        Situation::Replay,
        Situation::LostRace,
        Situation::Refusal,
        Situation::ClaimWithoutForward,
        Situation::ForwardWithoutRecord,
        Situation::RecordWithoutRelease,
        Situation::TwoSignatures,
        Situation::Etcd(Over::OldClaim),
        Situation::Etcd(Over::OldRecord),
        Situation::Etcd(Over::LostAnswer),
    ];
    holds(small, large, situations, 5_000);
}

#[test]
fn transactions_that_come_late_or_twice_change_nothing() {
    let late = Setup {
        late: Late::Ever,
        signers: MIXED,
        ..Setup::etcd()
    };
    let situations = &[Situation::Etcd(Over::LateCopy), Situation::Replay];
    let large = Setup {
        signers: CARELESS,
        ..late.single()
    };
    holds(late.narrow(), large, situations, 20_000);
}

#[test]
fn positions_are_claimed_in_order_on_old_knowledge_or_never() {
    let small = Setup::etcd().single();
    // With all positions at two replicas the exploration did not end within seven minutes.
    let all = Setup {
        positions: ALL,
        requests: 1,
        ..small
    };
    let situations = &[
        Situation::Etcd(Over::OldClaim),
        Situation::Etcd(Over::OldRecord),
    ];
    holds(small, small, situations, 90_000);
    holds(all, all, situations, 100_000);
}

#[test]
fn three_replicas_over_etcd_never_sign_a_slot_twice() {
    let three = Setup {
        requests: 3,
        ..Setup::etcd()
    };
    let large = three.single();
    let situations = &[
        Situation::Etcd(Over::OldClaim),
        Situation::Etcd(Over::LostAnswer),
    ];
    holds(three.narrow(), large, situations, 5_000);
}

#[test]
fn what_is_pruned_in_etcd_is_refused_however_old_the_knowledge_of_it() {
    let small = Setup {
        positions: LEVELS,
        prunes: true,
        ..Setup::etcd().single()
    };
    let large = Setup {
        signatures: 2,
        ..small
    };
    let situations = &[Situation::PrunedOwnerAsks, Situation::RecordHomeless];
    holds(small, large, situations, 50_000);
    let left = |setup| Setup {
        leaves_rows: true,
        ..setup
    };
    holds(left(small), left(large), &[], 50_000);
}

#[test]
fn what_is_raised_over_in_etcd_is_refused_however_old_the_knowledge_of_it() {
    let small = Setup {
        raises: 1,
        ..Setup::etcd().single()
    };
    let large = Setup {
        signatures: 2,
        ..small
    };
    let situations = &[Situation::RecordHomeless, Situation::Etcd(Over::OldClaim)];
    let alone = Setup {
        requests: 1,
        ..small
    };
    holds(small.narrow(), small, situations, 1_000);
    holds(alone, large, situations, 5_000);
}

#[test]
fn a_seal_a_stop_or_a_halt_between_decision_and_transaction_holds() {
    let small = Setup {
        ends: 2,
        ..Setup::etcd().single()
    };
    let large = Setup { ends: 1, ..small };
    let situations = &[
        Situation::Etcd(Over::SealUnderWay),
        Situation::Etcd(Over::HaltUnderWay),
    ];
    holds(small.narrow(), large, situations, 20_000);
}

#[test]
fn over_etcd_the_owner_of_a_claim_can_always_get_its_signature() {
    let progress = Setup {
        progress: true,
        late: Late::Ever,
        ..Setup::etcd()
    };
    let small = Setup {
        signers: MIXED,
        ..progress
    };
    let large = progress.single();
    let situations = &[
        Situation::Etcd(Over::LostAnswer),
        Situation::Etcd(Over::OldClaim),
    ];
    holds(small.narrow(), large, situations, 20_000);
}

#[test]
fn a_cluster_that_went_back_permits_nothing_to_a_replica_that_knows_it() {
    let bumped = Setup::went_back();
    let lower = Setup {
        restore: Restore::Silent,
        ..bumped
    };
    let situations = &[
        Situation::Etcd(Over::Doubt),
        Situation::Etcd(Over::BelievedAgain),
    ];
    // One replica that starts anew, with two positions; the others are heard of until the cluster goes back.
    let alone = |setup| Setup {
        requests: 1,
        ..setup
    };
    for setup in [bumped, lower] {
        let three = Setup {
            requests: 3,
            ..setup.narrow()
        };
        holds(setup.narrow(), setup, situations, 5_000);
        holds(alone(setup), three, situations, 20_000);
    }
}

#[test]
fn a_cluster_that_forgot_a_seal_or_a_stop_permits_nothing() {
    let small = Setup {
        ends: 1,
        ..Setup::went_back()
    };
    let large = Setup { ends: 2, ..small };
    let situations = &[Situation::Etcd(Over::Doubt)];
    holds(small.narrow(), large.narrow(), situations, 100_000);
}

#[test]
fn a_cluster_of_another_id_permits_nothing() {
    let small = Setup {
        restore: Restore::Renamed,
        signatures: 2,
        ..Setup::went_back()
    };
    let large = Setup {
        requests: 3,
        ..small
    };
    let situations = &[Situation::Etcd(Over::Doubt), Situation::ForeignStore];
    holds(small.narrow(), large.narrow(), situations, 5_000);
}

#[test]
fn a_cluster_that_was_wiped_permits_nothing() {
    let small = Setup {
        restore: Restore::Never,
        losses: 1,
        ..Setup::went_back()
    };
    let situations = &[
        Situation::Etcd(Over::Doubt),
        Situation::Etcd(Over::AnotherLineage),
    ];
    holds(small.narrow(), small, situations, 5_000);
}

#[test]
fn a_cluster_that_forgot_nothing_but_a_signature_permits_nothing() {
    let bumped = Setup {
        signatures: 2,
        ..Setup::went_back()
    };
    let lower = Setup {
        restore: Restore::Silent,
        ..bumped
    };
    let situations = &[Situation::RecordRolledBack, Situation::Etcd(Over::Doubt)];
    for small in [bumped, lower] {
        let three = Setup {
            requests: 3,
            ..small
        };
        holds(small.narrow(), three.narrow(), situations, 5_000);
    }
}

#[test]
fn a_late_claim_of_other_bytes_is_told_by_who_runs_on_or_saw_the_one_that_was_there_signed() {
    let runs_on = Setup {
        late: Late::Ever,
        anew: Anew::Never,
        ..Setup::went_back()
    };
    let situations = &[
        Situation::Etcd(Over::Doubt),
        Situation::Etcd(Over::AnotherWay),
    ];
    for anew in [Anew::Never, Anew::Signed] {
        let small = Setup { anew, ..runs_on };
        let large = Setup {
            requests: 1,
            ..small
        };
        holds(small.narrow(), large, situations, 5_000);
    }
}

#[test]
fn a_doubt_is_kept_when_other_claims_cover_what_it_is_about() {
    let small = Setup {
        late: Late::Ever,
        anew: Anew::InDoubt,
        ..Setup::went_back()
    };
    let large = Setup {
        requests: 1,
        ..small
    };
    let situations = &[Situation::Etcd(Over::DoubtIsKept)];
    holds(small.narrow(), large, situations, 5_000);
}

#[test]
fn a_revision_that_others_raise_to_where_it_was_hides_nothing_that_was_seen() {
    let small = Setup {
        restore: Restore::Silent,
        covered: true,
        ..Setup::went_back()
    };
    let situations = &[Situation::Etcd(Over::Doubt), Situation::Etcd(Over::Covered)];
    let alone = |setup| Setup {
        requests: 1,
        ..setup
    };
    holds(small.narrow(), alone(small), situations, 5_000);
    // The lost claim and the late one may have the very same revision. Records are another matter: see `limits`.
    let late = Setup {
        late: Late::Ever,
        signatures: 0,
        ..small
    };
    let running = Setup {
        anew: Anew::Never,
        ..late
    };
    holds(running.narrow(), alone(running), situations, 5_000);
}

#[test]
fn a_revision_that_is_lower_tells_as_long_as_nobody_writes_in_doubt() {
    let small = Setup {
        restore: Restore::Silent,
        noted: Noted::BeforeTheAnswer,
        late: Late::Ever,
        signatures: 0,
        ..Setup::went_back()
    };
    let situations = &[
        Situation::Etcd(Over::DoubtIsKept),
        Situation::Etcd(Over::AnotherWay),
    ];
    holds(small.narrow(), small.narrow(), situations, 2_000);
}

#[test]
fn a_floor_that_was_lower_is_remembered_when_a_late_claim_brings_it_back() {
    let small = Setup {
        late: Late::InDoubt,
        anew: Anew::Ever,
        ..Setup::went_back()
    };
    let situations = &[
        Situation::Etcd(Over::DoubtIsKept),
        Situation::Etcd(Over::AnotherWay),
    ];
    holds(small.narrow(), small.narrow(), situations, 2_000);
}

/// The row of a late claim may have the very revision of the one that was lost, whose signature is under way.
#[test]
fn a_record_tells_a_late_claim_of_the_very_revision_from_its_own() {
    let small = Setup {
        restore: Restore::Silent,
        late: Late::Ever,
        anew: Anew::Never,
        ..Setup::went_back()
    };
    let situations = &[
        Situation::Etcd(Over::Doubt),
        Situation::Etcd(Over::AnotherWay),
    ];
    holds(
        small.narrow().single(),
        small.narrow().single(),
        situations,
        1_000,
    );
}
