//! The rules about a single table: what is claimed and recorded in it, and what is noted of it elsewhere.

use super::decision::{self, Decision, Recording};
use super::setup::{Bug, Noted, Rival, Setup, Witnessed};
use super::words::{At, Baker, Change, Digest, Floor, Row, Sig, Table};
use super::world::Witness;

/// The digest that rows keep of a baker's payload: of all its bytes, if nothing is wrong.
pub(crate) fn digest(setup: &Setup, baker: Baker) -> Digest {
    let (content, branch) = match (baker, setup.rival) {
        (Baker::A, _) => (0, 0),
        (Baker::B, Rival::Content) => (1, 0),
        (Baker::B, Rival::Branch) => (0, 1),
    };
    if setup.has(Bug::DigestWithoutBranch) {
        Digest(content)
    } else {
        Digest(content | branch)
    }
}

/// What the protocol decides on a claim, given this table, and the table with the claim if it is granted.
pub(crate) fn claim(setup: &Setup, table: &Table, baker: Baker, at: At) -> (Decision, Table) {
    let digest = digest(setup, baker);
    let mut seen = *table;
    if setup.has(Bug::MissingIsZero) {
        seen.floor = Some(table.height());
    }
    if setup.has(Bug::PruneWithoutFloor) {
        seen.floor = Some(Floor(0));
    }
    let (mut decision, mut after) = decision::claim(setup.prunes, &seen, at, digest);
    let highest = table.height().0.checked_sub(1).map(At);
    let level = |at: At| at.level_and_round().0;
    let same_level = highest.is_some_and(|highest| level(at) == level(highest));
    match setup.bug {
        Some(Bug::PruneWithoutFloor) => after.floor = after.floor.max(table.floor),
        Some(Bug::RepeatRefused) if decision == Decision::Again => decision = Decision::Refused,
        Some(Bug::LevelOnlyStrict) if decision == Decision::Fresh && same_level => {
            decision = Decision::Refused;
        }
        // The stream keeps its last claim, whichever that is.
        Some(Bug::LevelOnlyLax) if same_level && highest != Some(at) => {
            decision = Decision::Fresh;
            after.rows = Default::default();
            after.rows[at.index()] = Row::Claimed(digest);
            after.floor = Some(at.floor());
        }
        _ => {}
    }
    if decision == Decision::Fresh {
        log(setup, &mut after, Change::Claim(at, digest));
    }
    (decision, after)
}

/// The table after a signature of a slot came, and the signature that stands; nothing if the slot is not
/// claimed for these bytes.
pub(crate) fn record(
    setup: &Setup,
    table: &Table,
    baker: Baker,
    at: At,
    sig: Sig,
) -> Option<(Table, Sig)> {
    let digest = digest(setup, baker);
    match decision::record(table, at, digest) {
        Recording::Homeless | Recording::Withheld => None,
        Recording::Second => Some((*table, table.row(at).sig()?)),
        Recording::First => {
            let mut after = *table;
            after.rows[at.index()] = Row::Signed(digest, sig);
            log(setup, &mut after, Change::Record(sig));
            Some((after, sig))
        }
    }
}

/// Adds a commit to the history of a table, or counts it, where a witness notes that.
pub(crate) fn log(setup: &Setup, table: &mut Table, change: Change) {
    match setup.witnessed {
        Witnessed::Nothing | Witnessed::Floors | Witnessed::AllButOne => {}
        Witnessed::Number => table.commits += 1,
        Witnessed::History => table.history = table.history.and(change),
    }
}

/// Whether a store is not the one that was noted outside of it, or that one before its last commit was noted.
pub(crate) fn doubtful(setup: &Setup, witness: Witness, table: &Table) -> bool {
    !setup.has(Bug::WitnessIgnored) && is_below(witness, table)
}

pub(crate) fn is_below(witness: Witness, table: &Table) -> bool {
    table.height() < witness.floor
        || table.commits < witness.commits
        || !table.history.continues(witness.history)
}

/// Notes a table outside the store, if that is done before the answer.
pub(crate) fn note(setup: &Setup, witness: &mut Witness, table: &Table) {
    if setup.witnessed != Witnessed::Nothing && setup.noted == Noted::BeforeTheAnswer {
        note_now(witness, table);
    }
}

pub(crate) fn note_now(witness: &mut Witness, table: &Table) {
    witness.floor = witness.floor.max(table.height());
    witness.history = table.history;
    witness.commits = table.commits;
}
