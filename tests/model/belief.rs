//! Whether a replica believes its cluster: what it reads is held against what it knows, and what it knows against what
//! it has seen. A doubt ends when it starts anew, unless it is one that others may cover meanwhile: that is kept.

use super::etcd::present;
use super::knowledge::{Doubt, Keys, Known, Replica};
use super::setup::{Anew, Bug, Noted, Setup};
use super::step::Event;
use super::words::{At, Row, Sig, Table};
use super::world::{State, Witness};

/// Takes in an answer; false if the store is not believed, which `seen` says more about than what is known. The
/// checks are those of `take_in` and `hold_against`, in their order.
pub(crate) fn hear(
    setup: &Setup,
    state: &mut State,
    who: usize,
    seen: &Witness,
    keys: Keys,
) -> bool {
    let Some(mut etcd) = state.etcd else {
        return false;
    };
    let there = present(state, &etcd);
    let replica = &mut etcd.replicas[who];
    let identity = seen.identity.unwrap_or(there.identity);
    let is_other = identity.cluster != there.identity.cluster && !setup.has(Bug::IdentityIgnored);
    let is_behind = there.revisions.last < seen.revision && !setup.has(Bug::RevisionIgnored);
    replica.doubt = match (is_other, is_behind) {
        (true, true | false) => Doubt::Shows,
        (false, true) => Doubt::Passes,
        (false, false) => replica.known.judge(setup, seen, &there, keys),
    };
    if !replica.doubts() {
        replica.known.take(&there, keys);
        let is_below = replica.known.table.height() < seen.floor;
        if !vouched(setup, seen, &replica.known) {
            // A later claim may bring the floor back.
            replica.doubt = if is_below {
                Doubt::Passes
            } else {
                Doubt::Shows
            };
        }
    }
    let replica = *replica;
    state.etcd = Some(etcd);
    if setup.noted != Noted::Later {
        note(setup, &mut state.witnesses[who], &replica);
    }
    !replica.doubts()
}

/// Whether lineage, floor, last signature and what never ends are still what was seen.
fn vouched(setup: &Setup, seen: &Witness, known: &Known) -> bool {
    let lineage = seen.identity.map_or(0, |identity| identity.lineage);
    let is_other = lineage != 0 && lineage != known.identity.lineage;
    let is_below = known.table.height() < seen.floor;
    let now = known.seen();
    let went_on = (seen.sealed && !now.sealed) || (seen.stopped && !now.stopped);
    (!is_other || setup.has(Bug::LineageIgnored))
        && (!is_below || setup.has(Bug::WitnessIgnored))
        && (!went_on || setup.has(Bug::EndsIgnored))
        && (seen
            .signed
            .is_none_or(|sig| stands(setup, sig, &known.table))
            || setup.has(Bug::SignatureIgnored))
}

/// Whether a signature is there still, or was rightly pruned.
fn stands(setup: &Setup, sig: Sig, table: &Table) -> bool {
    let level = |at: At| at.level_and_round().0;
    let highest = table.height().0.checked_sub(1).map(At);
    let is_far = highest.is_some_and(|highest| level(highest) > level(sig.at));
    match table.row(sig.at) {
        Row::Free => setup.prunes && is_far,
        row @ (Row::Claimed(_) | Row::Signed(..)) => row.sig() == Some(sig),
    }
}

/// Notes what is known, or doubted, in the state directory, if the replica has one.
fn note(setup: &Setup, file: &mut Witness, replica: &Replica) {
    let seen = replica.known.seen();
    let revision = file.revision;
    let is_news = setup.noted != Noted::WithOther || *file != Witness { revision, ..seen };
    if file.identity.is_none() {
        return;
    }
    match replica.doubt {
        Doubt::Passes => file.doubt = !setup.has(Bug::DoubtForgotten),
        Doubt::None if is_news => *file = seen,
        Doubt::None | Doubt::Shows => {}
    }
}

pub(crate) fn note_later(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    let replica = state.etcd?.replicas[who];
    note(setup, &mut state.witnesses[who], &replica);
    Some(Event::Quiet)
}

/// A replica reads, for what it shows; what it decides is compared all the same.
pub(crate) fn look(setup: &Setup, state: &mut State, who: usize, keys: Keys) -> Option<Event> {
    let replica = &mut state.etcd.as_mut()?.replicas[who];
    if replica.doubts() {
        return None;
    }
    replica.is_behind = false;
    let seen = replica.known.seen();
    hear(setup, state, who, &seen, keys);
    Some(Event::Quiet)
}

/// A replica starts anew: it knows what its witness kept, and reads everything before it does anything, unless a doubt
/// was kept.
pub(crate) fn restart(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    let seen = state.witnesses[who];
    let replica = &mut state.etcd.as_mut()?.replicas[who];
    let may = match setup.anew {
        Anew::Never => false,
        Anew::InDoubt => replica.doubts(),
        Anew::Signed => replica.saw_it_signed(),
        Anew::Ever => true,
    };
    if !may {
        return None;
    }
    state.requests[who] = None;
    *replica = Replica::default();
    replica.known.revisions.last = seen.revision;
    if seen.doubt {
        replica.doubt = Doubt::Passes;
        return Some(Event::Quiet);
    }
    hear(setup, state, who, &seen, Keys::ALL);
    Some(Event::Quiet)
}
