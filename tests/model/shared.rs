//! Claims and records over a linearizable store that replicas share.
//!
//! A transaction takes effect at one instant. Its answer may be lost, and a copy of it may take effect later
//! (`unheard`). Claims are compared by content, as the program's contract of stores says; comparing revisions
//! as well would only make late copies do less.

use super::claims::{self, digest, doubtful, note};
use super::decision::Decision;
use super::setup::{Bug, Setup};
use super::step::{Event, end, grant, refuse};
use super::words::{At, Baker, Row, Sig};
use super::world::{Request, Stage, State};

/// Whether a replica believes this store at all.
fn believed(setup: &Setup, state: &State, who: usize) -> bool {
    let own = !state.foreign || setup.has(Bug::IdentityIgnored);
    own && !doubtful(setup, state.witnesses[who], &state.disk)
}

pub(crate) fn claim(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    if !believed(setup, state, who) {
        return end(state, who);
    }
    let Request { baker, at, .. } = state.requests[who]?;
    let witness = state.witnesses[who];
    let (decision, after) = claims::claim(setup, &state.disk, baker, at);
    let event = match decision {
        Decision::Fresh => {
            state.disk = after;
            grant(state, who, witness)
        }
        Decision::Again => grant(state, who, witness),
        Decision::Recorded => {
            let sig = state.disk.row(at).sig()?;
            state.requests[who].as_mut()?.stage = Stage::Releasing(sig);
            Some(Event::Quiet)
        }
        Decision::Refused if setup.has(Bug::LoserWaits) => return None,
        Decision::Refused => refuse(state, who),
        Decision::Withheld => end(state, who),
    };
    note(setup, &mut state.witnesses[who], &state.disk);
    event
}

pub(crate) fn claim_unheard(
    setup: &Setup,
    state: &mut State,
    baker: Baker,
    at: At,
) -> Option<Event> {
    let (decision, after) = claims::claim(setup, &state.disk, baker, at);
    state.disk = after;
    (decision == Decision::Fresh).then_some(Event::Quiet)
}

pub(crate) fn record(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    let Request {
        baker, at, stage, ..
    } = state.requests[who]?;
    let Stage::Recording(sig) = stage else {
        return None;
    };
    if !believed(setup, state, who) {
        return end(state, who);
    }
    let Some((after, stands)) = claims::record(setup, &state.disk, baker, at, sig) else {
        return end(state, who);
    };
    state.disk = after;
    let released = if setup.has(Bug::LoserReleased) {
        sig
    } else {
        stands
    };
    state.requests[who].as_mut()?.stage = Stage::Releasing(released);
    note(setup, &mut state.witnesses[who], &state.disk);
    Some(Event::Quiet)
}

pub(crate) fn record_unheard(setup: &Setup, state: &mut State, sig: Sig) -> Option<Event> {
    let (after, _) = claims::record(setup, &state.disk, sig.baker, sig.at, sig)?;
    if after == state.disk {
        return None;
    }
    state.disk = after;
    Some(Event::Quiet)
}

/// Seeded bugs: guesses the outcome of a transaction that was not answered.
pub(crate) fn unknown(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    if setup.has(Bug::UnknownIsFailure) {
        return refuse(state, who);
    }
    let request = state.requests[who].as_mut()?;
    request.stage = match request.stage {
        Stage::Claiming => Stage::Permitted,
        Stage::Recording(sig) => Stage::Releasing(sig),
        other @ (Stage::Looked | Stage::Permitted | Stage::Releasing(_)) => other,
    };
    Some(Event::Quiet)
}

/// Seeded bug: a replica becomes the leader, because the lease was free or looked expired.
pub(crate) fn take_lease(state: &mut State, who: usize) -> Option<Event> {
    state.lease = Some(u8::try_from(who).ok()?);
    Some(Event::Quiet)
}

/// Seeded bug: the leader reads, and decides by what it read.
pub(crate) fn look(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    if state.lease.map(usize::from) != Some(who) {
        return None;
    }
    let Request { baker, at, .. } = state.requests[who]?;
    if claims::claim(setup, &state.disk, baker, at).0 != Decision::Fresh {
        return claim(setup, state, who);
    }
    state.requests[who].as_mut()?.stage = Stage::Looked;
    Some(Event::Quiet)
}

/// Seeded bug: it writes, still believing to be the leader.
pub(crate) fn put(setup: &Setup, state: &mut State, who: usize) -> Option<Event> {
    let Request { baker, at, .. } = state.requests[who]?;
    state.disk.rows[at.index()] = Row::Claimed(digest(setup, baker));
    state.disk.floor = Some(state.disk.height().max(at.floor()));
    grant(state, who, state.witnesses[who])
}
