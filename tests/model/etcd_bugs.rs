//! Seeded bugs of a store in etcd, one test each: what a transaction does not compare, what is taken for an answer,
//! and what a replica that has seen more does not hold against a cluster.
//!
//! Above each test stands what it guards in `src/etcd`.

use super::audit::Rule;
use super::run::breaks;
use super::setup::{Anew, Bug, LEVELS, Late, Noted, ROUNDS, Restore, Setup};

fn slot() -> Setup {
    Setup::etcd().narrow().single()
}

fn raised() -> Setup {
    Setup {
        raises: 1,
        ..slot()
    }
}

fn ended() -> Setup {
    Setup { ends: 1, ..slot() }
}

/// A claim of other bytes comes late to a cluster that went back.
fn late() -> Setup {
    Setup {
        late: Late::Ever,
        ..Setup::went_back().narrow()
    }
}

/// The same where its revision shows it, and what was seen is noted at once.
fn lower_and_late() -> Setup {
    Setup {
        restore: Restore::Silent,
        noted: Noted::BeforeTheAnswer,
        signatures: 0,
        ..late()
    }
}

// The comparisons of floor and row in `Known::claim`.
#[test]
fn a_claim_that_compares_nothing_is_found_out() {
    breaks(slot().with(Bug::NothingCompared), Rule::I1);
    breaks(slot().with(Bug::NothingCompared), Rule::I4);
}

// `self.expect(layout.floor(&stream))` in `Known::claim`: below a floor that has risen, and where rows were pruned.
#[test]
fn a_claim_that_compares_its_row_alone_is_found_out() {
    let alone = Setup {
        requests: 1,
        ..Setup::etcd().single()
    };
    breaks(alone.with(Bug::FloorNotCompared), Rule::I4);
    let pruned = Setup {
        positions: LEVELS,
        prunes: true,
        ..alone
    };
    breaks(pruned.with(Bug::FloorNotCompared), Rule::I8);
    let two = Setup {
        requests: 2,
        ..pruned
    };
    breaks(two.with(Bug::FloorNotCompared), Rule::I1);
}

// `self.expect(layout.row(&candidate.slot))` in `Known::claim`: a raise to the very floor ends a claim, and leaves
// the floor's key as it is.
#[test]
fn a_claim_that_compares_the_floor_alone_is_found_out() {
    breaks(raised().with(Bug::RowNotCompared), Rule::I5);
}

// `self.expect(layout.meta())` in `Known::claim`.
#[test]
fn a_claim_that_does_not_compare_the_identity_is_found_out() {
    breaks(ended().with(Bug::MetaNotCompared), Rule::I7);
}

// The lineage that `Known::amend` writes again with a seal.
#[test]
fn a_seal_that_leaves_the_identity_as_it_is_is_found_out() {
    breaks(ended().with(Bug::SealBesideIdentity), Rule::I7);
}

// `self.expect(layout.account(..))` in `Known::claim`.
#[test]
fn a_claim_that_does_not_compare_stop_and_halt_is_found_out() {
    breaks(ended().with(Bug::AccountNotCompared), Rule::I7);
}

// The same in `Known::record`.
#[test]
fn a_record_that_does_not_compare_stop_and_halt_is_found_out() {
    breaks(ended().with(Bug::RecordBesideHalt), Rule::I7);
}

// `is_final`: a halt ends, perhaps at another replica.
#[test]
fn a_halt_that_is_answered_from_memory_is_found_out() {
    let resumed = Setup { ends: 2, ..slot() };
    breaks(resumed.with(Bug::OldHaltRefuses), Rule::L1);
}

// `self.expect(layout.row(&candidate.slot))` in `Known::record`.
#[test]
fn a_record_that_does_not_compare_its_claim_is_found_out() {
    let two = Setup::etcd().narrow();
    breaks(two.with(Bug::RecordNotCompared), Rule::I4);
    breaks(two.with(Bug::RecordNotCompared), Rule::I2);
}

// `self.expect(layout.floor(stream))` in `Known::amend`.
#[test]
fn a_raise_that_compares_nothing_is_found_out() {
    let rounds = Setup {
        positions: ROUNDS,
        requests: 1,
        ..raised()
    };
    breaks(rounds.with(Bug::RaiseNotCompared), Rule::I4);
}

// `self.expect(layout.row(slot))` in `Known::amend` and in `Known::end`.
#[test]
fn a_raise_that_ends_what_was_signed_meanwhile_is_found_out() {
    breaks(raised().with(Bug::EndedNotCompared), Rule::I4);
}

// `claim_slot` answers from memory what is recorded or refused for good, and nothing else; `Known::claim` puts a sign
// of life into what else would only read.
#[test]
fn a_permit_by_what_was_read_without_a_transaction_is_found_out() {
    breaks(raised().with(Bug::OldReadPermits), Rule::I5);
    breaks(ended().with(Bug::OldReadPermits), Rule::I7);
}

// `make`: `CallError::Unknown` is `StoreError::Unknown`, which the guard asks again.
#[test]
fn an_unknown_outcome_over_etcd_taken_for_a_failure_is_found_out() {
    breaks(slot().with(Bug::UnknownIsFailure), Rule::L1);
}

// The same.
#[test]
fn an_unknown_outcome_over_etcd_taken_for_a_success_is_found_out() {
    breaks(slot().with(Bug::UnknownIsSuccess), Rule::I1);
    breaks(slot().with(Bug::UnknownIsSuccess), Rule::I3);
}

// `record_signature` returns what the book says stands.
#[test]
fn releasing_the_loser_of_a_race_over_etcd_is_found_out() {
    let two = Setup::etcd().narrow();
    breaks(two.with(Bug::LoserReleased), Rule::I2);
    breaks(two.with(Bug::LoserReleased), Rule::I3);
}

// `claim_slot` answers from memory what is refused for good.
#[test]
fn letting_the_loser_of_a_slot_over_etcd_wait_is_found_out() {
    breaks(slot().with(Bug::LoserWaits), Rule::L2);
}

// `is_another`: the cluster's id.
#[test]
fn using_a_cluster_of_another_id_is_found_out() {
    let renamed = Setup {
        restore: Restore::Renamed,
        ..Setup::went_back().narrow()
    };
    breaks(renamed.with(Bug::IdentityIgnored), Rule::I7);
}

// `is_another`: the revision. Floors that are equal hide whose claim it was.
#[test]
fn a_revision_that_went_back_and_is_ignored_is_found_out() {
    breaks(lower_and_late().with(Bug::RevisionIgnored), Rule::I7);
    breaks(lower_and_late().with(Bug::RevisionIgnored), Rule::I1);
}

// `hold_against`: `went_back`.
#[test]
fn floors_of_the_witness_that_are_ignored_are_found_out() {
    let bumped = Setup::went_back().narrow();
    breaks(bumped.with(Bug::WitnessIgnored), Rule::I1);
}

// `hold_against`: the lineage.
#[test]
fn a_lineage_that_is_ignored_is_found_out() {
    let wiped = Setup {
        restore: Restore::Never,
        losses: 1,
        ..Setup::went_back().narrow()
    };
    breaks(wiped.with(Bug::LineageIgnored), Rule::I7);
}

// `take_in_ends`.
#[test]
fn a_seal_or_stop_of_the_witness_that_is_ignored_is_found_out() {
    let ended = Setup {
        ends: 1,
        requests: 1,
        ..Setup::went_back().narrow()
    };
    breaks(ended.with(Bug::EndsIgnored), Rule::I7);
}

// `take_in_signatures`: the same bytes would be signed again.
#[test]
fn a_last_signature_of_the_witness_that_is_ignored_is_found_out() {
    let bumped = Setup {
        signatures: 2,
        ..Setup::went_back().narrow()
    };
    breaks(bumped.with(Bug::SignatureIgnored), Rule::I2);
}

// `Known::check_row`: a claim of other bytes came late to a cluster that went back.
#[test]
fn a_known_row_that_is_not_held_against_what_is_read_is_found_out() {
    let runs_on = Setup {
        anew: Anew::Never,
        ..late()
    };
    breaks(runs_on.with(Bug::RowsIgnored), Rule::I1);
}

// `Known::check_age`: the signature of a slot that is below the present one is gone.
#[test]
fn a_key_that_is_older_than_it_was_and_is_ignored_is_found_out() {
    let runs_on = Setup {
        positions: ROUNDS,
        requests: 1,
        anew: Anew::Never,
        ..Setup::went_back()
    };
    breaks(runs_on.with(Bug::AgeIgnored), Rule::I7);
}

// `Witness::keep_doubt`, and `EtcdStore::with`, which reads it.
#[test]
fn a_doubt_that_is_forgotten_at_a_start_is_found_out() {
    let in_doubt = Setup {
        anew: Anew::InDoubt,
        ..late()
    };
    breaks(in_doubt.with(Bug::DoubtForgotten), Rule::I1);
}

// `make_counted` and `look`: the revision is raised for whoever starts anew, until it is where it was.
#[test]
fn signs_of_life_in_doubt_are_found_out() {
    breaks(lower_and_late().with(Bug::WritesInDoubt), Rule::I1);
}
