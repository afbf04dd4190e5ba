//! What becomes of a cluster of etcd: seals, stops and halts, copies that come back, a wipe, and a revision that rises
//! by signs of life alone.

use super::belief::look;
use super::etcd::present;
use super::knowledge::{Keys, Replica, Revisions};
use super::setup::{Bug, Restore, Setup};
use super::step::Event;
use super::words::{Account, Table};
use super::world::State;

/// What an operator, or evidence, decides about the store or the key as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Seal,
    Stop,
    Halt,
    Resume,
}

pub(crate) const ENDS: [End; 4] = [End::Seal, End::Stop, End::Halt, End::Resume];

/// Made by a replica that knows everything: one that does not is told by its comparison, and tries again.
pub(crate) fn end(setup: &Setup, state: &mut State, end: End) -> Option<Event> {
    let etcd = state.etcd.as_mut()?;
    let table = &mut state.disk;
    let revisions = &mut etcd.revisions;
    let revision = revisions.last + 1;
    match (end, table.account) {
        (End::Seal, _) if !table.sealed => {
            table.sealed = true;
            // The lineage is written with it, so that claims which were decided before do not hold.
            if !setup.has(Bug::SealBesideIdentity) {
                revisions.meta = revision;
            }
        }
        (End::Stop, Account::Free | Account::Halted) => table.account = Account::Stopped,
        (End::Halt, Account::Free) => table.account = Account::Halted,
        (End::Resume, Account::Halted) => table.account = Account::Free,
        _ => return None,
    }
    if end != End::Seal {
        revisions.account = revision;
    }
    revisions.last = revision;
    state.ends_left -= 1;
    Some(Event::Quiet)
}

/// All replicas look, as they do every second, and each look is a write. It is the last one for some seconds.
fn everybody_looks(setup: &Setup, state: &mut State) -> Option<()> {
    let looks = u8::try_from(setup.requests).ok()?;
    state.etcd.as_mut()?.revisions.last += looks;
    for who in 0..setup.requests {
        look(setup, state, who, Keys::ALL);
        state.etcd.as_mut()?.replicas[who].is_behind = true;
    }
    Some(())
}

pub(crate) fn back_up(state: &mut State) -> Option<()> {
    let etcd = state.etcd.as_mut()?;
    etcd.backup = Some((etcd.identity, etcd.revisions));
    Some(())
}

/// The copy takes the place of the cluster, some seconds after the last answer of that one.
pub(crate) fn restore(setup: &Setup, state: &mut State) -> Option<Event> {
    let (identity, revisions) = state.etcd?.backup?;
    let there = present(state, state.etcd.as_ref()?);
    if there.revisions == revisions && setup.restore != Restore::Renamed {
        // Nothing is lost, and it is no other cluster.
        return None;
    }
    everybody_looks(setup, state)?;
    let etcd = state.etcd.as_mut()?;
    let last = etcd.revisions.last;
    (etcd.identity, etcd.revisions) = (identity, revisions);
    match setup.restore {
        Restore::Never | Restore::Silent => {}
        Restore::Bumped => etcd.revisions.last = last,
        Restore::Renamed => etcd.identity.cluster += 1,
    }
    etcd.backup = None;
    state.disk = state.backup.take()?;
    state.restored = true;
    state.foreign = setup.restore == Restore::Renamed;
    Some(Event::Outside)
}

/// All members are emptied and started as they were: id and revision tell nothing.
pub(crate) fn wipe(setup: &Setup, state: &mut State) -> Option<Event> {
    everybody_looks(setup, state)?;
    let etcd = state.etcd.as_mut()?;
    etcd.identity.lineage = 0;
    etcd.revisions = Revisions {
        last: etcd.revisions.last,
        ..Revisions::default()
    };
    state.disk = Table::default();
    state.losses_left -= 1;
    state.foreign = true;
    Some(Event::Outside)
}

/// The first floor of a cluster that was wiped makes a store of another lineage.
pub(crate) fn init(state: &mut State, first: Table) -> Option<Event> {
    let etcd = state.etcd.as_mut()?;
    let revisions = &mut etcd.revisions;
    revisions.last += 1;
    (revisions.meta, revisions.floor) = (revisions.last, revisions.last);
    etcd.identity.lineage = 2;
    state.disk = first;
    Some(Event::Quiet)
}

/// Somebody writes a sign of life to a cluster that went back, until its revision is where it was.
pub(crate) fn live(setup: &Setup, state: &mut State) -> Option<Event> {
    let etcd = state.etcd.as_mut()?;
    let highest = etcd
        .replicas
        .iter()
        .map(|replica| replica.known.revisions.last);
    let is_behind = highest.max()? > etcd.revisions.last;
    let in_doubt = etcd.replicas.iter().any(Replica::doubts);
    let lives = setup.covered || (setup.has(Bug::WritesInDoubt) && in_doubt);
    if !state.restored || !is_behind || !lives {
        return None;
    }
    etcd.revisions.last += 1;
    Some(Event::Quiet)
}
