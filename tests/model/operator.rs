//! What operators do to a store, what becomes of it behind the back of the replicas, and bugs that lower floors.

use super::claims::{log, note_now};
use super::decision;
use super::setup::{Bug, FirstFloor, Restore, Setup};
use super::step::Event;
use super::words::{At, Change, Floor, Row, Table};
use super::world::{Process, State};
use super::{belief, cluster};

/// Seeded bugs: takes an unsigned claim back, and mostly the floor with it.
pub(crate) fn reopen(setup: &Setup, state: &mut State, at: At) -> Option<Event> {
    let table = &mut state.disk;
    if !matches!(table.row(at), Row::Claimed(_)) {
        return None;
    }
    table.rows[at.index()] = Row::Free;
    if !setup.has(Bug::ClaimForgottenAtTimeout) {
        table.floor = Some(highest_row(setup, table));
    }
    Some(Event::Quiet)
}

/// What the floor would be if it followed the rows.
fn highest_row(setup: &Setup, table: &Table) -> Floor {
    let rows = setup
        .positions
        .iter()
        .filter(|at| table.row(**at) != Row::Free);
    rows.map(|at| at.floor()).max().unwrap_or_default()
}

/// Replaces the durable table by a step of the operator, where no commit is under way.
fn replace(setup: &Setup, state: &mut State, table: Table) -> Option<Event> {
    if setup.is_embedded() {
        if state.process != Process::Up || state.requests.iter().flatten().any(|r| r.in_commit) {
            return None;
        }
        state.cache = table;
        state.memory = table;
    }
    state.disk = table;
    Some(Event::Quiet)
}

pub(crate) fn raise(setup: &Setup, state: &mut State, floor: Floor) -> Option<Event> {
    let before = state.disk;
    before.floor?;
    let mut raised = decision::raise(setup.prunes, &before, floor);
    if setup.has(Bug::RaiseReopens) {
        raised.floor = Some(highest_row(setup, &raised));
    }
    state.raises_left -= 1;
    log(setup, &mut raised, Change::Raise(floor));
    replace(setup, state, raised)
}

pub(crate) fn restore(setup: &Setup, state: &mut State) -> Option<Event> {
    if setup.is_etcd() {
        return cluster::restore(setup, state);
    }
    if setup.is_embedded() {
        if state.process != Process::Down {
            return None;
        }
        state.cache = state.backup?;
        state.lost_pages = false;
    }
    state.disk = state.backup.take()?;
    state.restored = true;
    state.foreign = setup.restore == Restore::Renamed;
    Some(Event::Outside)
}

pub(crate) fn lose(setup: &Setup, state: &mut State) -> Option<Event> {
    if setup.is_etcd() {
        return cluster::wipe(setup, state);
    }
    if setup.is_embedded() {
        if state.process != Process::Down {
            return None;
        }
        state.cache = Table::default();
        state.lost_pages = false;
    }
    state.disk = Table::default();
    state.losses_left -= 1;
    Some(Event::Outside)
}

pub(crate) fn init(setup: &Setup, state: &mut State) -> Option<Event> {
    let known = |at: &&At| match setup.first_floor {
        FirstFloor::AtClaims => state.history.claimed[at.index()] != 0,
        FirstFloor::AtForwards => state.sent[at.index()] != 0,
    };
    let floor = setup.positions.iter().filter(known).map(|at| at.floor());
    let floor = floor.max();
    let first = decision::raise(setup.prunes, &Table::default(), floor.unwrap_or_default());
    if setup.is_etcd() {
        return cluster::init(state, first);
    }
    replace(setup, state, first)
}

pub(crate) fn back_up_disk(setup: &Setup, state: &mut State) -> Option<Event> {
    if setup.is_etcd() {
        cluster::back_up(state)?;
    }
    state.backup = Some(state.disk);
    Some(Event::Quiet)
}

pub(crate) fn back_up_file(state: &mut State) -> Option<Event> {
    state.backup = (state.cache != state.disk).then_some(state.cache);
    state.backup.map(|_| Event::Quiet)
}

pub(crate) fn note_later(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    if setup.is_etcd() {
        return belief::note_later(setup, state, who);
    }
    if setup.is_embedded() && state.process != Process::Up {
        return None;
    }
    let table = if setup.is_embedded() {
        state.memory
    } else {
        state.disk
    };
    note_now(&mut state.witnesses[who], &table);
    Some(Event::Quiet)
}
