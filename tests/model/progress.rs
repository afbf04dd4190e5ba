//! L1 and L2 as questions to a single state: could the rest go well, and is a refusal one step away?
//!
//! The checker's own "eventually" cannot see loops, and this model is full of them. So L1 is asked of every
//! state: everything that is under way is dropped, then only good steps are made, and the owner of the
//! highest claim must get its signature.

use super::action::{Action, sigs};
use super::claims::digest;
use super::run::step;
use super::setup::{Setup, Signer};
use super::words::{At, BAKERS, Baker, Row, Table};
use super::world::{Process, Request, Stage, State};

/// More good steps than any request needs.
const STEPS: usize = 12;

/// L1: the highest claim is not poisoned for its own bytes.
pub(crate) fn the_owner_can_finish(setup: &Setup, state: &State) -> bool {
    let Some((calm, table)) = calm(setup, state) else {
        return true;
    };
    for at in setup.positions {
        for baker in BAKERS {
            let owns = state.history.claimed[at.index()] & (1 << baker as u8) != 0;
            let highest = table.height() == at.floor();
            if owns && highest && !finishes(setup, &calm, *at, baker) {
                return false;
            }
        }
    }
    true
}

/// The same world after all requests were dropped, with a store that works; nothing if it is in doubt.
fn calm(setup: &Setup, state: &State) -> Option<(State, Table)> {
    let mut calm = *state;
    if setup.is_embedded() {
        if calm.process != Process::Down {
            calm = step(setup, &calm, Action::Kill)?;
        }
        calm = step(setup, &calm, Action::Open)?;
        return (calm.process == Process::Up).then_some((calm, calm.memory));
    }
    calm.requests = Default::default();
    (!calm.foreign).then_some((calm, calm.disk))
}

fn finishes(setup: &Setup, calm: &State, at: At, baker: Baker) -> bool {
    let signed = matches!(calm.disk.row(at), Row::Signed(..));
    if !signed && helpful(setup, calm, at, baker).is_none() {
        return true;
    }
    let Some(mut state) = step(setup, calm, Action::Ask(0, baker, at)) else {
        return false;
    };
    for _ in 0..STEPS {
        // Requests are sorted, so ours may have moved.
        let Some(who) = state.requests.iter().position(Option::is_some) else {
            break;
        };
        let Some(action) = good(setup, &state, who) else {
            return false;
        };
        let Some(next) = step(setup, &state, action) else {
            return false;
        };
        state = next;
    }
    let released = state.history.released[at.index()];
    released.is_some_and(|sig| sig.baker == baker)
}

/// The next step of a request when everything goes well.
fn good(setup: &Setup, state: &State, who: usize) -> Option<Action> {
    let request = state.requests[who]?;
    let (at, baker) = (request.at, request.baker);
    if request.in_commit {
        return Some(Action::Synced(who));
    }
    Some(match request.stage {
        Stage::Claiming | Stage::Recording(_) if setup.is_embedded() => Action::Write(who),
        Stage::Claiming => Action::ClaimAnswered(who),
        Stage::Recording(_) => Action::RecordAnswered(who),
        Stage::Releasing(_) => Action::Release(who),
        Stage::Looked => Action::Put(who),
        Stage::Permitted => {
            let signer = helpful(setup, state, at, baker)?;
            let made = sigs(setup, state);
            let own = made
                .into_iter()
                .find(|sig| (sig.at, sig.baker) == (at, baker));
            match own {
                _ if state.sent[at.index()] & State::sent_bit(signer, baker) == 0 => {
                    Action::Forward(who, signer)
                }
                // The signer replays, or would make the same step again with a larger bound.
                Some(sig) => Action::Receive(who, sig),
                None => Action::Sign(signer, baker, at),
            }
        }
    })
}

/// A signer that is up and not past this slot.
fn helpful(setup: &Setup, state: &State, at: At, baker: Baker) -> Option<usize> {
    (0..setup.signers.len()).find(|signer| {
        let mark = state.marks[*signer];
        let below = mark.is_none_or(|mark| mark.at < at);
        match setup.signers[*signer] {
            Signer::SignsAgain => true,
            Signer::Replays => below || mark.is_some_and(|m| (m.at, m.baker) == (at, baker)),
            Signer::Refuses => below,
        }
    })
}

/// L2: where a claim meets a slot that is lost to it, the next answer of the store ends it.
pub(crate) fn refusals_are_immediate(setup: &Setup, state: &State) -> bool {
    let idle = !state
        .requests
        .iter()
        .flatten()
        .any(|request| request.in_commit);
    (0..setup.requests).all(|who| {
        let Some(request) = state.requests[who] else {
            return true;
        };
        let table = if setup.is_embedded() {
            &state.memory
        } else {
            &state.disk
        };
        let other = BAKERS.into_iter().find(|baker| *baker != request.baker);
        let row = table.row(request.at).digest();
        let lost = row.is_some() && row == other.map(|other| digest(setup, other));
        if request.stage != Stage::Claiming || !lost || !idle {
            return true;
        }
        let answer = if setup.is_embedded() {
            Action::Write(who)
        } else {
            Action::ClaimAnswered(who)
        };
        let after = step(setup, state, answer);
        after.is_some_and(|after| {
            let requests = |state: &State| state.requests.into_iter().flatten();
            let count = |state: &State| requests(state).count();
            let replays = |state: &State| {
                let releasing = |request: &Request| matches!(request.stage, Stage::Releasing(_));
                requests(state).filter(releasing).count()
            };
            // What was signed before a store went back is replayed from memory, whoever has the slot there now.
            let is_replayed = state.restored && replays(&after) > replays(state);
            count(&after) + 1 == count(state) || is_replayed
        })
    })
}
