//! Claims, records and raises over a store in etcd, in the steps of `src/etcd`.
//!
//! A replica decides on what it knows, which may be old by any amount, and makes a transaction that holds only if
//! what decides is as it knows it. Decision and transaction are one step here: a transaction that was under way for
//! long is one that was decided on knowledge that is old. Where it fails, what is there comes back, and it is
//! decided anew. A transaction without an answer is one that nobody hears of, and the same question again.

use super::belief::{hear, look};
use super::claims;
use super::decision::{self, Decision};
use super::knowledge::{Etcd, Keys, Known, Replica, Txn, What};
use super::setup::{Bug, Late, Setup};
use super::step::{Event, end, grant, refuse, withhold};
use super::words::{Floor, Row, Sig, Table};
use super::world::{Request, Stage, State};

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
fn compares(setup: &Setup, txn: &Txn, keys: Keys, etcd: &Etcd, disk: &Table) -> bool {
    let (known, there) = (&txn.basis.revisions, &etcd.revisions);
    let unless = |bug| setup.has(bug) || setup.has(Bug::NothingCompared);
    // By its value too: another store may have other things at the same revisions.
    if txn.basis.identity.lineage != etcd.identity.lineage {
        return false;
    }
    let meta = known.meta == there.meta || setup.has(Bug::MetaNotCompared);
    let account = known.account == there.account;
    let floor = known.floor == there.floor;
    let row = |at: usize| known.rows[at] == there.rows[at];
    // What a claim or a record is about is compared by its value as well, for the same reason.
    let mine = &txn.basis.table;
    let value = |at: usize| row(at) && mine.rows[at] == disk.rows[at];
    match txn.what {
        What::Claim(_, at) => {
            let floor = (floor && mine.floor == disk.floor) || unless(Bug::FloorNotCompared);
            let account = account || setup.has(Bug::AccountNotCompared);
            meta && account && floor && (value(at.index()) || unless(Bug::RowNotCompared))
        }
        What::Record(sig) => {
            let account = account || setup.has(Bug::RecordBesideHalt);
            account && (value(sig.at.index()) || setup.has(Bug::RecordNotCompared))
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
    let disk = state.disk;
    let etcd = state.etcd.as_mut()?;
    let (after, keys) = writes(setup, txn);
    if !compares(setup, txn, keys, etcd, &disk) {
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

pub(crate) fn claim(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    let Request { baker, at, .. } = state.requests[who]?;
    let replica = state.etcd?.replicas[who];
    let basis = replica.known;
    let seen = basis.seen();
    if let Some(event) = from_memory(setup, state, who) {
        return Some(event);
    }
    if replica.doubts() {
        return end(state, who);
    }
    if replica.is_behind {
        look(setup, state, who, Keys::ALL)?;
        return if state.etcd?.replicas[who].doubts() {
            end(state, who)
        } else {
            from_memory(setup, state, who).or(Some(Event::Quiet))
        };
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
        Decision::Refused if table.floor.is_some() && !replica.doubts() => {
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
    if replica.doubts() {
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
    if replica.doubts() || etcd.late.is_some() || after == basis.table {
        return None;
    }
    etcd.late = Some(txn);
    Some(Event::Quiet)
}

/// The copy comes to the store, however late.
pub(crate) fn late(setup: &Setup, state: &mut State) -> Option<Event> {
    let etcd = state.etcd?;
    let txn = etcd.late?;
    let replicas = &etcd.replicas[..setup.requests];
    if setup.late == Late::InDoubt && state.restored && !replicas.iter().all(Replica::doubts) {
        return None;
    }
    deliver(setup, state, &txn)
}

fn deliver(setup: &Setup, state: &mut State, txn: &Txn) -> Option<Event> {
    let before = state.disk;
    make(setup, state, txn)?;
    (state.disk != before).then_some(Event::Quiet)
}

/// An operator raises a floor at some replica, by what that one knows.
pub(crate) fn raise(setup: &Setup, state: &mut State, who: usize, floor: Floor) -> Option<Event> {
    let replica = state.etcd?.replicas[who];
    let basis = replica.known;
    basis.table.floor.filter(|_| !replica.doubts())?;
    let what = What::Raise(floor);
    let made = make(setup, state, &Txn { what, basis });
    if made.is_some() {
        state.raises_left -= 1;
    }
    hear(setup, state, who, &basis.seen(), made.unwrap_or(Keys::ALL));
    Some(Event::Quiet)
}
