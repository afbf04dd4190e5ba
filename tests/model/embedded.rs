//! Claims and records of the one process that holds a file, and what kills and power cuts do to it.
//!
//! One commit is under way at a time. Commits that share a sync are not told apart from commits one after
//! the other: none of their answers leaves before the sync.

use super::claims::{self, doubtful, log, note};
use super::decision::{self, Decision};
use super::setup::{Bug, Doubtful, Setup};
use super::step::{Event, end, grant, refuse};
use super::words::{Change, Table};
use super::world::{Process, Request, Stage, State};

pub(crate) fn write(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    let Request {
        baker, at, stage, ..
    } = state.requests[who]?;
    match state.process {
        Process::Up => {}
        Process::Down => return None,
        Process::Doubting if setup.doubtful == Doubtful::Dropped => return end(state, who),
        Process::Failed | Process::Doubting => return replay(setup, state, who),
    }
    if state.requests.iter().flatten().any(|other| other.in_commit) {
        return None;
    }
    if let Stage::Recording(sig) = stage {
        let Some((after, stands)) = claims::record(setup, &state.memory, baker, at, sig) else {
            return end(state, who);
        };
        if after == state.memory {
            state.requests[who].as_mut()?.stage = Stage::Releasing(stands);
            return Some(Event::Quiet);
        }
        return commit(setup, state, who, after);
    }
    let (decision, after) = claims::claim(setup, &state.memory, baker, at);
    match decision {
        Decision::Fresh => commit(setup, state, who, after),
        Decision::Again => grant(state, who, state.witnesses[0]),
        Decision::Recorded => replay(setup, state, who),
        Decision::Refused => refuse(state, who),
        Decision::Withheld => end(state, who),
    }
}

/// What needs no commit: the signature that memory has for these bytes.
fn replay(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    let Request {
        baker, at, stage, ..
    } = state.requests[who]?;
    let known = claims::claim(setup, &state.memory, baker, at).0 == Decision::Recorded;
    match (
        known && stage == Stage::Claiming,
        state.memory.row(at).sig(),
    ) {
        (true, Some(sig)) => {
            state.requests[who].as_mut()?.stage = Stage::Releasing(sig);
            Some(Event::Quiet)
        }
        (true, None) | (false, _) => end(state, who),
    }
}

fn commit(setup: &Setup, state: &mut State, who: usize, after: Table) -> Option<Event> {
    state.cache = after;
    state.lost_pages = false;
    if setup.has(Bug::MemoryBeforeDisk) {
        return publish(setup, state, who);
    }
    state.requests[who].as_mut()?.in_commit = true;
    Some(Event::Quiet)
}

/// Shows the change, notes it outside the store, and answers.
fn publish(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    let witness = state.witnesses[0];
    state.memory = state.cache;
    note(setup, &mut state.witnesses[0], &state.memory);
    let request = state.requests[who].as_mut()?;
    request.in_commit = false;
    if let Stage::Recording(sig) = request.stage {
        request.stage = Stage::Releasing(sig);
        return Some(Event::Quiet);
    }
    grant(state, who, witness)
}

pub(crate) fn synced(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    state.disk = state.cache;
    publish(setup, state, who)
}

pub(crate) fn sync_failed(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    // The pages look clean now, and what is not on the disk by chance is lost at the next power cut.
    state.lost_pages = state.cache != state.disk;
    if !setup.has(Bug::UnknownIsFailure) {
        state.process = Process::Failed;
    }
    end(state, who)
}

pub(crate) fn written_back(state: &mut State) -> Option<Event> {
    state.disk = state.cache;
    Some(Event::Quiet)
}

pub(crate) fn kill(state: &mut State) -> Option<Event> {
    state.requests = Default::default();
    state.memory = Table::default();
    state.process = Process::Down;
    Some(Event::Quiet)
}

pub(crate) fn power_cut(state: &mut State) -> Option<Event> {
    state.cache = state.disk;
    state.lost_pages = false;
    kill(state)
}

/// Clean pages leave memory for others; reading the file shows the disk again.
pub(crate) fn evicted(state: &mut State) -> Option<Event> {
    state.cache = state.disk;
    state.lost_pages = false;
    Some(Event::Quiet)
}

/// Reads the file after a copy of it was synced and has taken its place. A crash within leaves the old file,
/// which is no step at all, or the copy, which is this step and a kill.
fn read(setup: &Setup, state: &mut State) {
    let written = match setup.bug {
        Some(Bug::OpenWithoutSync) => false,
        Some(Bug::OpenWithoutCopy) => !state.lost_pages,
        _ => true,
    };
    if written {
        state.disk = state.cache;
        state.lost_pages = false;
    }
    state.memory = state.cache;
}

pub(crate) fn open(setup: &Setup, state: &mut State) -> Option<Event> {
    read(setup, state);
    state.process = if doubtful(setup, state.witnesses[0], &state.memory) {
        Process::Doubting
    } else {
        Process::Up
    };
    // A claim whose process died before it was noted is a permit from now on.
    if state.process == Process::Up && !setup.has(Bug::OpenWithoutNote) {
        note(setup, &mut state.witnesses[0], &state.memory);
    }
    Some(Event::Quiet)
}

/// The disk was full and is not any more: the process opens the file anew, as a new one would, while requests
/// stay under way. The program checks then that nothing it promised is gone; the model lets the audit do that.
pub(crate) fn recover(setup: &Setup, state: &mut State) -> Option<Event> {
    read(setup, state);
    state.process = Process::Up;
    note(setup, &mut state.witnesses[0], &state.memory);
    Some(Event::Reread)
}

/// The operator raises the floors of a store that is below its witness to where the witness is.
pub(crate) fn accept(setup: &Setup, state: &mut State) -> Option<Event> {
    let witness = state.witnesses[0];
    let floor = witness.floor.max(state.memory.height());
    let mut accepted = decision::raise(setup.prunes, &state.memory, floor);
    if setup.doubtful == Doubtful::Dropped {
        accepted.rows = Default::default();
    }
    accepted.commits = accepted.commits.max(witness.commits);
    log(setup, &mut accepted, Change::Raise(floor));
    state.disk = accepted;
    state.cache = accepted;
    state.memory = accepted;
    state.process = Process::Up;
    note(setup, &mut state.witnesses[0], &state.memory);
    Some(Event::Quiet)
}
