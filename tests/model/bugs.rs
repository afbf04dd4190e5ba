//! Fifteen seeded bugs, one test each, and some that other programs have or that are near to this one.
//!
//! A test explores the setup first without its bug, where every rule must hold, and then with it, until the
//! rule is broken that the bug must break. `--nocapture` prints the shortest way there.

use super::audit::Rule;
use super::run::{breaks, differs};
use super::setup::{Bug, CAREFUL, LEVELS, MIXED, Restore, Rival, Setup, Witnessed};

fn slot() -> Setup {
    Setup::shared().narrow()
}

fn positions() -> Setup {
    Setup::shared().single()
}

// Bug 1.
#[test]
fn a_claim_after_the_forward_is_found_out() {
    breaks(slot().with(Bug::ClaimAfterForward), Rule::I1);
    breaks(slot().with(Bug::ClaimAfterForward), Rule::I5);
}

// Bug 2.
#[test]
fn a_release_before_the_record_is_found_out() {
    breaks(slot().with(Bug::ReleaseBeforeRecord), Rule::I3);
    breaks(slot().with(Bug::ReleaseBeforeRecord), Rule::I2);
}

// Bug 3.
#[test]
fn deleting_a_claim_at_a_timeout_is_found_out() {
    breaks(slot().with(Bug::ClaimDeletedAtTimeout), Rule::I1);
    breaks(slot().with(Bug::ClaimDeletedAtTimeout), Rule::I4);
}

// Bug 4.
#[test]
fn expiring_a_claim_by_its_age_is_found_out() {
    breaks(slot().with(Bug::ClaimExpires), Rule::I1);
    breaks(slot().with(Bug::ClaimExpires), Rule::I8);
}

// Bug 5.
#[test]
fn a_lease_instead_of_a_comparison_is_found_out() {
    breaks(slot().with(Bug::LeaseInsteadOfCompare), Rule::I1);
    breaks(slot().with(Bug::LeaseInsteadOfCompare), Rule::I4);
}

// Bug 6.
#[test]
fn pruning_without_a_floor_is_found_out() {
    let setup = Setup {
        positions: LEVELS,
        prunes: true,
        bug: Some(Bug::PruneWithoutFloor),
        ..positions()
    };
    breaks(setup, Rule::I8);
    breaks(setup, Rule::I1);
}

// Bug 7: a replica tells the baker that a slot is lost which is its own; a process goes on after a failed sync
// and gives the slot to others over the claim that reached the disk.
#[test]
fn an_unknown_outcome_taken_for_a_failure_is_found_out() {
    breaks(slot().with(Bug::UnknownIsFailure), Rule::L1);
    let embedded = Setup::embedded().narrow().single();
    breaks(embedded.with(Bug::UnknownIsFailure), Rule::I4);
}

// Bug 8: of a claim, and of a record.
#[test]
fn an_unknown_outcome_taken_for_a_success_is_found_out() {
    breaks(slot().with(Bug::UnknownIsSuccess), Rule::I1);
    breaks(slot().with(Bug::UnknownIsSuccess), Rule::I3);
}

// Bug 9.
#[test]
fn memory_that_runs_ahead_of_the_disk_is_found_out() {
    let embedded = Setup::embedded().narrow();
    breaks(embedded.with(Bug::MemoryBeforeDisk), Rule::I1);
    breaks(embedded.with(Bug::MemoryBeforeDisk), Rule::I2);
    breaks(embedded.with(Bug::MemoryBeforeDisk), Rule::I5);
}

// Bug 10: too strict costs slots, too lax signs twice.
#[test]
fn comparing_the_level_alone_is_found_out() {
    breaks(positions().with(Bug::LevelOnlyStrict), Rule::L1);
    breaks(positions().with(Bug::LevelOnlyLax), Rule::I4);
    breaks(positions().with(Bug::LevelOnlyLax), Rule::I1);
}

// Bug 11.
#[test]
fn a_digest_without_the_branch_is_found_out() {
    let setup = Setup {
        rival: Rival::Branch,
        ..slot()
    };
    breaks(setup.with(Bug::DigestWithoutBranch), Rule::I1);
}

// Bug 12.
#[test]
fn releasing_the_loser_of_a_race_is_found_out() {
    breaks(slot().with(Bug::LoserReleased), Rule::I2);
    breaks(slot().with(Bug::LoserReleased), Rule::I3);
}

// Bug 13.
#[test]
fn a_missing_store_taken_for_level_zero_is_found_out() {
    let lost = Setup {
        losses: 1,
        ..slot()
    };
    breaks(lost.with(Bug::MissingIsZero), Rule::I1);
    let embedded = Setup {
        losses: 1,
        ..Setup::embedded().narrow()
    };
    breaks(embedded.with(Bug::MissingIsZero), Rule::I1);
}

// Bug 14.
#[test]
fn a_rollback_without_a_witness_is_found_out() {
    let setup = Setup::rolled_back().narrow().with(Bug::WitnessIgnored);
    breaks(setup, Rule::I1);
    breaks(setup, Rule::I7);
}

// A copy taken between claim and record has the same floors as the store. If it comes back after the signature
// left, the same bytes are signed again: for a block with a random nonce that is a second block.
#[test]
fn a_witness_of_floors_alone_misses_a_signature_that_is_rolled_back() {
    let counted = Setup::rolled_back().narrow();
    let floors = Setup {
        witnessed: Witnessed::Floors,
        ..counted
    };
    differs(counted, floors, Rule::I2);
}

// Bug 15.
#[test]
fn an_answer_given_to_another_request_is_found_out() {
    breaks(positions().with(Bug::SignatureNotVerified), Rule::I6);
}

#[test]
fn forgetting_a_claim_and_not_its_floor_is_found_out() {
    let setup = Setup {
        progress: true,
        ..slot()
    };
    breaks(setup.with(Bug::ClaimForgottenAtTimeout), Rule::L1);
}

#[test]
fn permits_from_pages_that_were_never_synced_are_found_out() {
    let setup = Setup::embedded().narrow().with(Bug::OpenWithoutSync);
    breaks(setup, Rule::I1);
    breaks(setup, Rule::I2);
}

#[test]
fn a_sync_in_place_of_a_copy_is_found_out() {
    let setup = Setup::embedded().narrow().with(Bug::OpenWithoutCopy);
    breaks(setup, Rule::I1);
    breaks(setup, Rule::I2);
}

#[test]
fn a_start_that_does_not_note_what_it_read_is_found_out() {
    let setup = Setup::rolled_back().narrow().with(Bug::OpenWithoutNote);
    breaks(setup, Rule::I1);
}

#[test]
fn using_a_store_of_another_identity_is_found_out() {
    let setup = Setup {
        restore: Restore::Renamed,
        ..slot()
    };
    breaks(setup.with(Bug::IdentityIgnored), Rule::I1);
    breaks(setup.with(Bug::IdentityIgnored), Rule::I7);
}

#[test]
fn refusing_a_repeat_of_the_same_bytes_is_found_out() {
    let setup = Setup {
        signers: MIXED,
        ..slot()
    };
    breaks(setup.with(Bug::RepeatRefused), Rule::L1);
}

#[test]
fn letting_the_loser_of_a_slot_wait_is_found_out() {
    breaks(slot().with(Bug::LoserWaits), Rule::L2);
}

#[test]
fn a_raise_that_opens_slots_anew_is_found_out() {
    let setup = Setup {
        raises: 1,
        ..slot()
    };
    breaks(setup.with(Bug::RaiseReopens), Rule::I1);
    breaks(setup.with(Bug::RaiseReopens), Rule::I8);
}

// Not a bug of the proxy: signers that keep watermarks save nobody who has two of them.
#[test]
fn careful_signers_do_not_make_up_for_a_missing_comparison() {
    let setup = Setup {
        signers: CAREFUL,
        witnessed: Witnessed::Nothing,
        ..slot()
    };
    breaks(setup.with(Bug::LeaseInsteadOfCompare), Rule::I1);
}
