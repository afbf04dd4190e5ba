//! Claims, records and raises over a store in etcd, in the steps of `src/etcd`.
//!
//! A replica decides on what it knows, which may be old by any amount, and makes a transaction that holds only if
//! what decides is as it knows it. Decision and transaction are one step here: a transaction that was under way for
//! long is one that was decided on knowledge that is old. Where it fails, what is there comes back, and it is
//! decided anew. A transaction without an answer is one that nobody hears of, and the same question again.

use super::claims;
use super::decision::{self, Decision};
use super::knowledge::{Etcd, Keys, Known, Replica, Txn, What};
use super::setup::{Bug, Noted, Setup};
use super::step::{Event, end, grant, refuse, withhold};
use super::words::{Floor, Row, Sig, Table};
use super::world::{Request, Stage, State, Witness};

/// The store as it is.
pub(crate) fn present(state: &State, etcd: &Etcd) -> Known {
    Known {
        table: state.disk,
        identity: etcd.identity,
        revisions: etcd.revisions,
    }
}

/// What a transaction writes: the contents that it leaves, and which keys it touches.
fn writes(setup: &Setup, txn: &Txn) -> (Table, Keys) {
    let basis = &txn.basis;
    let mut keys = Keys {
        shows_gone: true,
        ..Keys::default()
    };
    let after = match txn.what {
        What::Claim(baker, at) => {
            let (decision, after) = claims::claim(setup, &basis.table, baker, at);
            if decision == Decision::Fresh {
                keys.floor = true;
                if !setup.leaves_rows {
                    keys.rows = basis.gone(&after);
                }
                keys.rows[at.index()] = true;
            }
            after
        }
        What::Record(sig) => {
            let recorded = claims::record(setup, &basis.table, sig.baker, sig.at, sig);
            let (after, _) = recorded.unwrap_or((basis.table, sig));
            keys.rows[sig.at.index()] = after != basis.table;
            after
        }
        What::Raise(floor) => {
            let after = decision::raise(setup.prunes, &basis.table, floor);
            keys.floor = after.floor != basis.table.floor;
            keys.rows = basis.gone(&after);
            after
        }
    };
    (after, keys)
}

/// Whether nothing that decides has been written since.
fn compares(setup: &Setup, txn: &Txn, keys: Keys, etcd: &Etcd) -> bool {
    let (known, there) = (&txn.basis.revisions, &etcd.revisions);
    let unless = |bug| setup.has(bug) || setup.has(Bug::NothingCompared);
    let meta = known.meta == there.meta || setup.has(Bug::MetaNotCompared);
    let account = known.account == there.account;
    let floor = known.floor == there.floor;
    let row = |at: usize| known.rows[at] == there.rows[at];
    match txn.what {
        What::Claim(_, at) => {
            let floor = floor || unless(Bug::FloorNotCompared);
            let account = account || setup.has(Bug::AccountNotCompared);
            meta && account && floor && (row(at.index()) || unless(Bug::RowNotCompared))
        }
        What::Record(sig) => {
            let account = account || setup.has(Bug::RecordBesideHalt);
            account && (row(sig.at.index()) || setup.has(Bug::RecordNotCompared))
        }
        What::Raise(_) => {
            let mut gone = (0..keys.rows.len()).filter(|at| keys.rows[*at]);
            let ended = gone.all(row) || setup.has(Bug::EndedNotCompared);
            setup.has(Bug::RaiseNotCompared) || meta && floor && ended
        }
    }
}

/// Makes a transaction: everything that it writes, or nothing where a comparison fails.
fn make(setup: &Setup, state: &mut State, txn: &Txn) -> Option<Keys> {
    let etcd = state.etcd.as_mut()?;
    let (after, keys) = writes(setup, txn);
    if !compares(setup, txn, keys, etcd) {
        return None;
    }
    let revisions = &mut etcd.revisions;
    let revision = revisions.last + 1;
    if keys.floor {
        state.disk.floor = after.floor;
        (revisions.floor, revisions.last) = (revision, revision);
    }
    for at in (0..keys.rows.len()).filter(|at| keys.rows[*at]) {
        let row = after.rows[at];
        state.disk.rows[at] = row;
        revisions.rows[at] = if row == Row::Free { 0 } else { revision };
        revisions.last = revision;
    }
    Some(keys)
}

/// Takes in an answer; false if the store is not believed, which `seen` says more about than what is known. The
/// checks are those of `take_in` and `hold_against`, in their order.
fn hear(setup: &Setup, state: &mut State, who: usize, seen: &Witness, keys: Keys) -> bool {
    let Some(mut etcd) = state.etcd else {
        return false;
    };
    let there = present(state, &etcd);
    let replica = &mut etcd.replicas[who];
    let identity = seen.identity.unwrap_or(there.identity);
    let is_other = identity.cluster != there.identity.cluster && !setup.has(Bug::IdentityIgnored);
    let is_behind = there.revisions.last < seen.revision && !setup.has(Bug::RevisionIgnored);
    replica.doubts = is_other || is_behind;
    if !replica.doubts {
        replica.known.take(&there, keys);
        replica.doubts = !vouched(setup, seen, &replica.known);
    }
    let replica = *replica;
    state.etcd = Some(etcd);
    if !replica.doubts {
        note(setup, &mut state.witnesses[who], &replica.known);
    }
    !replica.doubts
}

/// Whether lineage, floors and what never ends are still what was seen.
fn vouched(setup: &Setup, seen: &Witness, known: &Known) -> bool {
    let lineage = seen.identity.map_or(0, |identity| identity.lineage);
    let is_other = lineage != 0 && lineage != known.identity.lineage;
    let is_below = known.table.height() < seen.floor;
    let now = known.seen();
    let went_on = (seen.sealed && !now.sealed) || (seen.stopped && !now.stopped);
    (!is_other || setup.has(Bug::LineageIgnored))
        && (!is_below || setup.has(Bug::WitnessIgnored))
        && (!went_on || setup.has(Bug::EndsIgnored))
}

/// Notes what is known in the state directory, if the replica has one.
fn note(setup: &Setup, file: &mut Witness, known: &Known) {
    let seen = known.seen();
    let is_news = match setup.noted {
        Noted::BeforeTheAnswer => true,
        Noted::WithFloors => {
            let revision = file.revision;
            *file != Witness { revision, ..seen }
        }
        Noted::Later => false,
    };
    if is_news && file.identity.is_some() {
        *file = seen;
    }
}

pub(crate) fn note_later(state: &mut State, who: usize) -> Option<Event> {
    let replica = state.etcd?.replicas[who];
    state.witnesses[who].identity?;
    if !replica.doubts {
        state.witnesses[who] = replica.known.seen();
    }
    Some(Event::Quiet)
}

pub(crate) fn claim(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    let Request { baker, at, .. } = state.requests[who]?;
    let replica = state.etcd?.replicas[who];
    let basis = replica.known;
    let seen = basis.seen();
    if let Some(event) = from_memory(setup, state, who) {
        return Some(event);
    }
    if replica.doubts {
        return end(state, who);
    }
    let (decision, _) = claims::claim(setup, &basis.table, baker, at);
    if decision == Decision::Again && setup.has(Bug::OldReadPermits) {
        return grant(state, who, seen);
    }
    if decision == Decision::Withheld && setup.has(Bug::OldHaltRefuses) {
        return withhold(state, who);
    }
    let what = What::Claim(baker, at);
    let made = make(setup, state, &Txn { what, basis });
    if !hear(setup, state, who, &seen, made.unwrap_or(Keys::ALL)) {
        return end(state, who);
    }
    match decision {
        _ if made.is_none() => from_memory(setup, state, who).or(Some(Event::Quiet)),
        Decision::Fresh | Decision::Again => grant(state, who, seen),
        Decision::Refused => refuse(state, who),
        Decision::Withheld => withhold(state, who),
        Decision::Recorded => None,
    }
}

/// What can never change is answered from memory: a signature, also in doubt, and that a slot is lost.
fn from_memory(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    let Request { baker, at, .. } = state.requests[who]?;
    let replica = state.etcd?.replicas[who];
    let table = replica.known.table;
    match claims::claim(setup, &table, baker, at).0 {
        Decision::Recorded => {
            state.requests[who].as_mut()?.stage = Stage::Releasing(table.row(at).sig()?);
            Some(Event::Quiet)
        }
        Decision::Refused if table.floor.is_some() && !replica.doubts => {
            if setup.has(Bug::LoserWaits) {
                return Some(Event::Quiet);
            }
            refuse(state, who)
        }
        Decision::Refused | Decision::Withheld | Decision::Fresh | Decision::Again => None,
    }
}

pub(crate) fn record(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    let Stage::Recording(sig) = state.requests[who]?.stage else {
        return None;
    };
    let replica = state.etcd?.replicas[who];
    if replica.doubts {
        return end(state, who);
    }
    let basis = replica.known;
    let seen = basis.seen();
    let keys = match recorded(setup, state, who, sig)? {
        Recorded::Stands(stands) => return leave(setup, state, who, sig, stands),
        // What refuses it is looked at again.
        Recorded::Homeless => None,
        Recorded::First => {
            let what = What::Record(sig);
            make(setup, state, &Txn { what, basis })
        }
    };
    if !hear(setup, state, who, &seen, keys.unwrap_or(Keys::ALL)) {
        return end(state, who);
    }
    match recorded(setup, state, who, sig)? {
        Recorded::Stands(stands) => leave(setup, state, who, sig, stands),
        Recorded::Homeless => end(state, who),
        Recorded::First => Some(Event::Quiet),
    }
}

/// What a replica knows of a slot for which it has a signature.
enum Recorded {
    First,
    Stands(Sig),
    Homeless,
}

fn recorded(setup: &Setup, state: &State, who: usize, sig: Sig) -> Option<Recorded> {
    let Request { baker, at, .. } = state.requests[who]?;
    let table = state.etcd?.replicas[who].known.table;
    Some(match claims::record(setup, &table, baker, at, sig) {
        None => Recorded::Homeless,
        Some((after, stands)) if after == table => Recorded::Stands(stands),
        Some(_) => Recorded::First,
    })
}

fn leave(setup: &Setup, state: &mut State, who: usize, own: Sig, stands: Sig) -> Option<Event> {
    let sig = if setup.has(Bug::LoserReleased) {
        own
    } else {
        stands
    };
    state.requests[who].as_mut()?.stage = Stage::Releasing(sig);
    Some(Event::Quiet)
}

/// A transaction of a replica that knows everything takes effect, and nobody hears of it.
pub(crate) fn unheard(setup: &Setup, state: &mut State, what: What) -> Option<Event> {
    let basis = present(state, state.etcd.as_ref()?);
    deliver(setup, state, &Txn { what, basis })
}

/// The network keeps a copy of what a replica asks now.
pub(crate) fn keep(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    let Request {
        baker, at, stage, ..
    } = state.requests[who]?;
    let etcd = state.etcd.as_mut()?;
    let replica = etcd.replicas[who];
    let what = match stage {
        Stage::Claiming => What::Claim(baker, at),
        Stage::Recording(sig) => What::Record(sig),
        Stage::Looked | Stage::Permitted | Stage::Releasing(_) => return None,
    };
    let basis = replica.known;
    let txn = Txn { what, basis };
    let (after, _) = writes(setup, &txn);
    if replica.doubts || etcd.late.is_some() || after == basis.table {
        return None;
    }
    etcd.late = Some(txn);
    Some(Event::Quiet)
}

/// The copy comes to the store, however late.
pub(crate) fn late(setup: &Setup, state: &mut State) -> Option<Event> {
    let txn = state.etcd?.late?;
    deliver(setup, state, &txn)
}

fn deliver(setup: &Setup, state: &mut State, txn: &Txn) -> Option<Event> {
    let before = state.disk;
    make(setup, state, txn)?;
    (state.disk != before).then_some(Event::Quiet)
}

/// A replica reads, for what it shows; what it decides is compared all the same.
pub(crate) fn look(setup: &Setup, state: &mut State, who: usize, keys: Keys) -> Option<Event> {
    let replica = state.etcd?.replicas[who];
    if replica.doubts {
        return None;
    }
    hear(setup, state, who, &replica.known.seen(), keys);
    Some(Event::Quiet)
}

/// A replica starts anew: it knows what its witness kept, and reads everything before it does anything.
pub(crate) fn restart(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    let seen = state.witnesses[who];
    state.requests[who] = None;
    let replica = &mut state.etcd.as_mut()?.replicas[who];
    *replica = Replica::default();
    replica.known.revisions.last = seen.revision;
    hear(setup, state, who, &seen, Keys::ALL);
    Some(Event::Quiet)
}

/// An operator raises a floor at some replica, by what that one knows.
pub(crate) fn raise(setup: &Setup, state: &mut State, who: usize, floor: Floor) -> Option<Event> {
    let replica = state.etcd?.replicas[who];
    let basis = replica.known;
    basis.table.floor.filter(|_| !replica.doubts)?;
    let what = What::Raise(floor);
    let made = make(setup, state, &Txn { what, basis });
    if made.is_some() {
        state.raises_left -= 1;
    }
    hear(setup, state, who, &basis.seen(), made.unwrap_or(Keys::ALL));
    Some(Event::Quiet)
}
