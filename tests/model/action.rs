//! Everything that can happen next in a state of the world.
//!
//! The list is generous: it names what the network, the disk, the signers, the operator and the replicas may
//! do, in any order and any number of times. Whether a step does anything is decided where it is made.

use super::cluster::{ENDS, End};
use super::setup::{Bug, Copies, Late, Noted, Restore, Setup, Witnessed};
use super::words::{At, BAKERS, Baker, Floor, Sig};
use super::world::{Process, Stage, State};

/// One step. Numbers are places in the list of requests, or of signers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A baker's request comes to a replica: the first one, a repeat, or a copy made by the network.
    Ask(usize, Baker, At),
    /// Shared store: the claim takes effect and the replica hears of it.
    ClaimAnswered(usize),
    /// A claim takes effect and nobody hears of it: its answer was lost, its replica is gone, or it is a
    /// copy that was long under way.
    ClaimUnheard(Baker, At),
    RecordAnswered(usize),
    RecordUnheard(Sig),
    /// Embedded store: the committer decides, and writes what changes to the file, not synced.
    Write(usize),
    /// The sync ends well; the change shows in memory and the request is answered.
    Synced(usize),
    SyncFailed(usize),
    /// The operating system writes a page by itself.
    WrittenBack,
    /// The bytes go to a signer.
    Forward(usize, usize),
    /// A signer gets bytes that were sent to it once, and signs if it does.
    Sign(usize, Baker, At),
    /// A signature comes back to a replica, perhaps to the wrong request.
    Receive(usize, Sig),
    /// The baker has its answer.
    Release(usize),
    /// The deadline passes, or the replica of a shared store crashes. A request that is given up within its
    /// commit is as if it were given up right after.
    GiveUp(usize),
    /// The process of an embedded store is killed; what it wrote can still be read.
    Kill,
    /// Power fails: only what was synced can still be read.
    PowerCut,
    /// Pages that look clean leave the cache.
    Evicted,
    /// The process starts and opens the file.
    Open,
    /// The process opens the file anew after a failed sync.
    Recover,
    /// A signer loses its watermark.
    Forget(usize),
    Raise(Floor),
    /// Somebody copies the store: the disk itself, or what reading the file shows.
    BackupDisk,
    BackupFile,
    /// The copy takes the store's place.
    Restore,
    /// The operator accepts a store that is below its witness.
    Accept,
    /// The floor is noted outside the store, where that is not done before the answer.
    Note(usize),
    /// The store is gone.
    Lose,
    /// The operator sets a first floor, above everything that was ever claimed.
    Init,
    /// Etcd: a replica reads everything, or what was written since its last look.
    Look(usize),
    News(usize),
    /// The network keeps a copy of what a replica asks of the store; and the copy comes there.
    Keep(usize),
    Late,
    /// A replica starts anew with what it noted.
    Restart(usize),
    /// An operator raises a floor at a replica.
    RaiseAt(usize, Floor),
    End(End),
    /// Somebody writes a sign of life to a cluster that went back.
    Live,
    /// Seeded bugs only.
    Unknown(usize),
    Timeout(usize),
    Expire(At),
    TakeLease(usize),
    LookAsLeader(usize),
    Put(usize),
}

/// What can happen next.
pub(crate) fn enabled(setup: &Setup, state: &State, actions: &mut Vec<Action>) {
    requests(setup, state, actions);
    if setup.is_embedded() {
        process(setup, state, actions);
    } else {
        unheard(setup, state, actions);
    }
    if setup.is_etcd() {
        replicas(setup, state, actions);
    }
    signers(setup, state, actions);
    operator(setup, state, actions);
}

fn requests(setup: &Setup, state: &State, actions: &mut Vec<Action>) {
    for who in 0..setup.requests {
        let Some(request) = state.requests[who] else {
            for at in setup.positions {
                actions.extend(BAKERS.map(|baker| Action::Ask(who, baker, *at)));
            }
            continue;
        };
        let at = request.at;
        if request.in_commit {
            actions.push(Action::Synced(who));
            if setup.power {
                actions.push(Action::SyncFailed(who));
            }
            continue;
        }
        actions.push(Action::GiveUp(who));
        if setup.has(Bug::ClaimDeletedAtTimeout) || setup.has(Bug::ClaimForgottenAtTimeout) {
            actions.push(Action::Timeout(who));
        }
        match request.stage {
            Stage::Claiming => {
                claiming(setup, who, actions);
                if setup.has(Bug::ClaimAfterForward) {
                    forward(setup, state, who, actions);
                }
            }
            Stage::Looked => actions.push(Action::Put(who)),
            Stage::Permitted => {
                forward(setup, state, who, actions);
                for sig in sigs(setup, state) {
                    let own = sig.at == at && sig.baker == request.baker;
                    if own || setup.has(Bug::SignatureNotVerified) {
                        actions.push(Action::Receive(who, sig));
                    }
                }
            }
            Stage::Recording(_) => {
                actions.push(if setup.is_embedded() {
                    Action::Write(who)
                } else {
                    Action::RecordAnswered(who)
                });
                if setup.has(Bug::UnknownIsSuccess) {
                    actions.push(Action::Unknown(who));
                }
                if setup.has(Bug::ReleaseBeforeRecord) {
                    actions.push(Action::Release(who));
                }
            }
            Stage::Releasing(_) => actions.push(Action::Release(who)),
        }
    }
}

fn claiming(setup: &Setup, who: usize, actions: &mut Vec<Action>) {
    if setup.is_embedded() {
        actions.push(Action::Write(who));
    } else if setup.has(Bug::LeaseInsteadOfCompare) {
        actions.extend([Action::TakeLease(who), Action::LookAsLeader(who)]);
    } else {
        actions.push(Action::ClaimAnswered(who));
        if setup.has(Bug::UnknownIsFailure) || setup.has(Bug::UnknownIsSuccess) {
            actions.push(Action::Unknown(who));
        }
    }
}

fn forward(setup: &Setup, state: &State, who: usize, actions: &mut Vec<Action>) {
    let Some(request) = state.requests[who] else {
        return;
    };
    let sent = state.sent[request.at.index()];
    let fresh = |signer: &usize| sent & State::sent_bit(*signer, request.baker) == 0;
    let to = (0..setup.signers.len()).filter(fresh);
    actions.extend(to.map(|signer| Action::Forward(who, signer)));
}

/// All signatures that were ever made.
pub(crate) fn sigs(setup: &Setup, state: &State) -> Vec<Sig> {
    let mut sigs = Vec::new();
    for at in setup.positions {
        for baker in BAKERS {
            let made = state.made[at.index()][baker as usize];
            sigs.extend((0..made).map(|nonce| Sig {
                at: *at,
                baker,
                nonce,
            }));
        }
    }
    sigs
}

fn unheard(setup: &Setup, state: &State, actions: &mut Vec<Action>) {
    if setup.is_etcd() && (state.restored || state.foreign) {
        // Replicas that know nothing of the cluster that was there before are a limit, not a fault.
        return;
    }
    for at in setup.positions {
        actions.extend(BAKERS.map(|baker| Action::ClaimUnheard(baker, *at)));
    }
    actions.extend(sigs(setup, state).into_iter().map(Action::RecordUnheard));
}

fn replicas(setup: &Setup, state: &State, actions: &mut Vec<Action>) {
    for who in 0..setup.requests {
        actions.push(Action::Look(who));
        if setup.prunes || setup.raises > 0 {
            actions.push(Action::News(who));
        }
        if setup.late != Late::Never {
            actions.push(Action::Keep(who));
        }
        if setup.restore != Restore::Never || setup.losses > 0 {
            actions.push(Action::Restart(who));
        }
        if state.raises_left > 0 {
            let floors = setup.positions.iter().map(|at| at.floor());
            actions.extend(floors.map(|floor| Action::RaiseAt(who, floor)));
        }
    }
    if setup.late != Late::Never {
        actions.push(Action::Late);
    }
    if setup.covered || setup.has(Bug::WritesInDoubt) {
        actions.push(Action::Live);
    }
    if state.ends_left > 0 {
        actions.extend(ENDS.map(Action::End));
    }
}

fn process(setup: &Setup, state: &State, actions: &mut Vec<Action>) {
    if state.process == Process::Down {
        actions.push(Action::Open);
    } else {
        actions.push(Action::Kill);
    }
    if setup.power {
        actions.push(Action::PowerCut);
    }
    if state.cache != state.disk && !state.lost_pages {
        actions.push(Action::WrittenBack);
    }
    if state.lost_pages {
        actions.push(Action::Evicted);
    }
    if state.process == Process::Failed {
        actions.push(Action::Recover);
    }
}

fn signers(setup: &Setup, state: &State, actions: &mut Vec<Action>) {
    for signer in 0..setup.signers.len() {
        for at in setup.positions {
            for baker in BAKERS {
                if state.sent[at.index()] & State::sent_bit(signer, baker) != 0 {
                    actions.push(Action::Sign(signer, baker, *at));
                }
            }
        }
        if setup.forgets && state.marks[signer].is_some() {
            actions.push(Action::Forget(signer));
        }
    }
}

fn operator(setup: &Setup, state: &State, actions: &mut Vec<Action>) {
    if state.raises_left > 0 && !setup.is_etcd() {
        actions.extend(setup.positions.iter().map(|at| Action::Raise(at.floor())));
    }
    if setup.restore != Restore::Never && !state.restored {
        match state.backup {
            None if setup.copies == Copies::AsRead => {
                actions.extend([Action::BackupDisk, Action::BackupFile]);
            }
            None => actions.push(Action::BackupDisk),
            Some(_) => actions.push(Action::Restore),
        }
    }
    if state.process == Process::Doubting {
        actions.push(Action::Accept);
    }
    if setup.witnessed != Witnessed::Nothing && setup.noted == Noted::Later {
        let replicas = if setup.is_embedded() {
            1
        } else {
            setup.requests
        };
        actions.extend((0..replicas).map(Action::Note));
    }
    if state.losses_left > 0 {
        actions.push(Action::Lose);
    }
    if state.disk.floor.is_none() {
        actions.push(Action::Init);
    }
    if setup.has(Bug::ClaimExpires) {
        actions.extend(setup.positions.iter().map(|at| Action::Expire(*at)));
    }
}
