//! What each step does. The rules of the protocol that do not depend on where claims are kept are here.

use super::action::Action;
use super::knowledge::{Keys, What};
use super::setup::{Setup, Signer};
use super::words::{At, Baker, Sig};
use super::world::{Process, Request, Stage, State, Witness};
use super::{belief, cluster, embedded, etcd, operator, shared};

/// What a step did that the audit must hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Quiet,
    /// The store let a request go on to the signers. `witness` is what its replica had noted, or seen, before.
    Granted {
        baker: Baker,
        at: At,
        witness: Witness,
    },
    /// Bytes went to a signer; `proved` if the store had told this very request that they may.
    Forwarded {
        baker: Baker,
        at: At,
        proved: bool,
    },
    /// A request for the payload of `baker` at `at` was answered with `sig`.
    Released {
        baker: Baker,
        at: At,
        sig: Sig,
    },
    /// A request was told that its slot is not its own and never will be.
    Refused {
        baker: Baker,
        at: At,
    },
    /// A request was told that the key is halted or stopped, or the store sealed.
    Withheld,
    /// A process replaced what it shows by what it read.
    Reread,
    /// The store was replaced or lost: no step of the protocol.
    Outside,
}

/// Makes a step; nothing if it cannot be made.
pub(crate) fn make(setup: &Setup, state: &mut State, action: Action) -> Option<Event> {
    match action {
        Action::Ask(who, baker, at) => ask(state, who, baker, at),
        Action::Forward(who, signer) => forward(state, who, signer),
        Action::Sign(signer, baker, at) => sign(setup, state, signer, baker, at),
        Action::Receive(who, sig) => receive(state, who, sig),
        Action::Release(who) => release(state, who),
        Action::ClaimAnswered(who) if setup.is_etcd() => etcd::claim(setup, state, who),
        Action::ClaimUnheard(baker, at) if setup.is_etcd() => {
            etcd::unheard(setup, state, What::Claim(baker, at))
        }
        Action::RecordAnswered(who) if setup.is_etcd() => etcd::record(setup, state, who),
        Action::RecordUnheard(sig) if setup.is_etcd() => {
            etcd::unheard(setup, state, What::Record(sig))
        }
        Action::Look(who) => belief::look(setup, state, who, Keys::ALL),
        Action::News(who) => belief::look(setup, state, who, Keys::NEWS),
        Action::Keep(who) => etcd::keep(setup, state, who),
        Action::Late => etcd::late(setup, state),
        Action::Restart(who) => belief::restart(setup, state, who),
        Action::RaiseAt(who, floor) => etcd::raise(setup, state, who, floor),
        Action::End(end) => cluster::end(setup, state, end),
        Action::Live => cluster::live(setup, state),
        Action::ClaimAnswered(who) => shared::claim(setup, state, who),
        Action::ClaimUnheard(baker, at) => shared::claim_unheard(setup, state, baker, at),
        Action::RecordAnswered(who) => shared::record(setup, state, who),
        Action::RecordUnheard(sig) => shared::record_unheard(setup, state, sig),
        Action::GiveUp(who) => end(state, who),
        Action::Unknown(who) => shared::unknown(setup, state, who),
        Action::TakeLease(who) => shared::take_lease(state, who),
        Action::LookAsLeader(who) => shared::look(setup, state, who),
        Action::Put(who) => shared::put(setup, state, who),
        Action::Write(who) => embedded::write(setup, state, who),
        Action::Synced(who) => embedded::synced(setup, state, who),
        Action::SyncFailed(who) => embedded::sync_failed(setup, state, who),
        Action::WrittenBack => embedded::written_back(state),
        Action::Kill => embedded::kill(state),
        Action::PowerCut => embedded::power_cut(state),
        Action::Evicted => embedded::evicted(state),
        Action::Open => embedded::open(setup, state),
        Action::Recover => embedded::recover(setup, state),
        Action::Accept => embedded::accept(setup, state),
        Action::Forget(signer) => {
            state.marks[signer] = None;
            Some(Event::Quiet)
        }
        Action::Raise(floor) => operator::raise(setup, state, floor),
        Action::BackupDisk => operator::back_up_disk(setup, state),
        Action::BackupFile => operator::back_up_file(state),
        Action::Restore => operator::restore(setup, state),
        Action::Note(who) => operator::note_later(setup, state, who),
        Action::Lose => operator::lose(setup, state),
        Action::Init => operator::init(setup, state),
        Action::Timeout(who) => {
            let at = state.requests[who]?.at;
            state.requests[who] = None;
            operator::reopen(setup, state, at)
        }
        Action::Expire(at) => operator::reopen(setup, state, at),
    }
}

/// Lets a request go on to the signers.
pub(crate) fn grant(state: &mut State, who: usize, witness: Witness) -> Option<Event> {
    let request = state.requests[who].as_mut()?;
    request.stage = Stage::Permitted;
    request.proved = true;
    request.in_commit = false;
    let Request { baker, at, .. } = *request;
    Some(Event::Granted { baker, at, witness })
}

/// Ends a request without an answer that means anything.
pub(crate) fn end(state: &mut State, who: usize) -> Option<Event> {
    state.requests[who] = None;
    Some(Event::Quiet)
}

/// Ends a request with a refusal for good.
pub(crate) fn refuse(state: &mut State, who: usize) -> Option<Event> {
    let Request { baker, at, .. } = state.requests[who].take()?;
    Some(Event::Refused { baker, at })
}

/// Ends a request with a refusal for as long as the operator wants it.
pub(crate) fn withhold(state: &mut State, who: usize) -> Option<Event> {
    state.requests[who] = None;
    Some(Event::Withheld)
}

fn ask(state: &mut State, who: usize, baker: Baker, at: At) -> Option<Event> {
    if state.process == Process::Down {
        return None;
    }
    state.requests[who] = Some(Request {
        baker,
        at,
        stage: Stage::Claiming,
        proved: false,
        in_commit: false,
    });
    Some(Event::Quiet)
}

fn forward(state: &mut State, who: usize, signer: usize) -> Option<Event> {
    let Request {
        baker, at, proved, ..
    } = state.requests[who]?;
    state.sent[at.index()] |= State::sent_bit(signer, baker);
    Some(Event::Forwarded { baker, at, proved })
}

fn sign(setup: &Setup, state: &mut State, signer: usize, baker: Baker, at: At) -> Option<Event> {
    let nonce = state.made[at.index()][baker as usize];
    if nonce >= setup.signatures {
        return None;
    }
    let sig = Sig { at, baker, nonce };
    match setup.signers[signer] {
        Signer::SignsAgain => {}
        // What a signer replays is on the network already.
        Signer::Replays | Signer::Refuses => {
            if state.marks[signer].is_some_and(|mark| mark.at >= at) {
                return None;
            }
            state.marks[signer] = Some(sig);
        }
    }
    state.made[at.index()][baker as usize] += 1;
    Some(Event::Quiet)
}

fn receive(state: &mut State, who: usize, sig: Sig) -> Option<Event> {
    let request = state.requests[who]?;
    if !state.was_sent(request.at, request.baker) {
        return None;
    }
    state.requests[who].as_mut()?.stage = Stage::Recording(sig);
    Some(Event::Quiet)
}

fn release(state: &mut State, who: usize) -> Option<Event> {
    let Request {
        baker, at, stage, ..
    } = state.requests[who].take()?;
    match stage {
        Stage::Releasing(sig) | Stage::Recording(sig) => Some(Event::Released { baker, at, sig }),
        Stage::Claiming | Stage::Looked | Stage::Permitted => None,
    }
}
