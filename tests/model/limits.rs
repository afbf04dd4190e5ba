//! What the protocol does not promise, shown and not only said: each test finds the way to a second signature.
//!
//! If one of these tests fails because no way is found any more, a limit has fallen, and the documents that
//! name it are out of date.

use super::audit::Rule;
use super::run::differs;
use super::setup::{
    Anew, Doubtful, FirstFloor, Late, Noted, ROUNDS, Restore, Setup, Storage, Witnessed,
};

/// A copy made while a claim was written, which a power cut then took back, has the floor of the claim that
/// came instead.
#[test]
fn a_witness_of_floors_alone_misses_a_store_that_went_another_way() {
    let sound = Setup::gone_another_way().narrow();
    let floors = Setup {
        witnessed: Witnessed::Floors,
        ..sound
    };
    differs(sound, floors, Rule::I1);
}

/// Its number of commits is the same, too.
#[test]
fn a_witness_that_counts_commits_misses_a_store_that_went_another_way() {
    let sound = Setup::gone_another_way().narrow();
    let counted = Setup {
        witnessed: Witnessed::Number,
        ..sound
    };
    differs(sound, counted, Rule::I1);
}

/// A store in doubt may hold a signature that nobody was told of and that a power cut took back, where another
/// one left instead.
#[test]
fn replays_of_a_store_that_went_another_way_are_second_signatures() {
    let sound = Setup::gone_another_way().narrow();
    let replayed = Setup {
        doubtful: Doubtful::Replayed,
        ..sound
    };
    differs(sound, replayed, Rule::I2);
}

/// A witness that lags misses what came after it was last written, without any power cut.
#[test]
fn a_witness_that_is_noted_later_misses_the_last_claims() {
    let sound = Setup {
        power: false,
        ..Setup::rolled_back().narrow()
    };
    let later = Setup {
        noted: Noted::Later,
        ..sound
    };
    differs(sound, later, Rule::I1);
}

/// A replica that was paused with its permit forwards what nobody has seen yet. So a first floor lies above what
/// could have been claimed, by a margin, and not at what the chain shows.
#[test]
fn a_first_floor_at_what_was_seen_is_too_low_for_a_paused_replica() {
    let sound = Setup {
        losses: 1,
        ..Setup::shared().narrow()
    };
    let seen = Setup {
        first_floor: FirstFloor::AtForwards,
        ..sound
    };
    differs(sound, seen, Rule::I1);
}

/// The witness of one replica protects what this replica knew, and says nothing to the others.
#[test]
fn a_replica_that_never_saw_a_claim_cannot_notice_its_rollback() {
    let sound = Setup {
        restore: Restore::Renamed,
        power: false,
        storage: Storage::Shared,
        ..Setup::rolled_back().narrow()
    };
    let silent = Setup {
        restore: Restore::Silent,
        ..sound
    };
    differs(sound, silent, Rule::I1);
}

/// A cluster that went back with a revision that is not lower shows itself by floors and lineage, to those who have
/// seen them.
#[test]
fn a_cluster_that_went_back_is_believed_by_replicas_without_a_witness() {
    let sound = Setup::went_back().narrow();
    let blind = Setup {
        witnessed: Witnessed::Nothing,
        ..sound
    };
    differs(sound, blind, Rule::I1);
}

/// One that has none is enough.
#[test]
fn a_cluster_that_went_back_is_believed_by_the_one_replica_without_a_witness() {
    let sound = Setup::went_back().narrow();
    let one = Setup {
        witnessed: Witnessed::AllButOne,
        ..sound
    };
    differs(sound, one, Rule::I1);
}

/// What a replica had seen is forgotten if it starts anew before that is noted.
#[test]
fn a_witness_over_etcd_that_is_noted_later_misses_the_last_claims() {
    let sound = Setup::went_back().narrow();
    let later = Setup {
        noted: Noted::Later,
        ..sound
    };
    differs(sound, later, Rule::I1);
}

/// Whoever starts anew knows where the last claim was and not whose it was, as long as it has no signature. If a claim of
/// other bytes comes late to a cluster that went back, it finds the floor where it was.
#[test]
fn a_late_claim_of_other_bytes_is_believed_by_who_starts_anew_and_saw_no_signature() {
    let signed = Setup {
        anew: Anew::Signed,
        ..late()
    };
    differs(signed, late(), Rule::I1);
}

/// Of the signatures of a stream whoever starts anew knows those of the highest slots: one here, eight in the program. One
/// that came after them, for a slot below, may be gone.
#[test]
fn a_signature_that_came_after_one_of_a_later_slot_is_not_missed_by_who_starts_anew() {
    let running = Setup {
        positions: ROUNDS,
        requests: 1,
        signatures: 2,
        anew: Anew::Never,
        ..Setup::went_back()
    };
    let anew = Setup {
        anew: Anew::Ever,
        ..running
    };
    differs(running, anew, Rule::I2);
}

/// A claim comes late to a cluster that went back.
fn late() -> Setup {
    Setup {
        late: Late::Ever,
        ..Setup::went_back().narrow()
    }
}
