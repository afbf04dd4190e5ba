//! Situations that an exploration must come across, so that "no violation" says something about them.

use stateright::Property;

use super::claims::digest;
use super::etcd_situations::Over;
use super::run::World;
use super::words::{BAKERS, Row};
use super::world::{Process, Request, Stage, State};

/// Something that can be seen in one state.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Situation {
    Replay,
    LostRace,
    Refusal,
    ClaimWithoutForward,
    ForwardWithoutRecord,
    RecordWithoutRelease,
    TwoSignatures,
    PrunedOwnerAsks,
    RecordHomeless,
    NoWatermark,
    UnsyncedAfterKill,
    LostPages,
    FailedStoreReplays,
    RollbackNoticed,
    RecordRolledBack,
    ForeignStore,
    /// What a store in etcd alone has.
    Etcd(Over),
}

impl Situation {
    pub(crate) fn property(self) -> Property<World> {
        let (name, is): (_, fn(&World, &State) -> bool) = match self {
            Self::Replay => ("a repeat gets the recorded signature", replay),
            Self::LostRace => ("a signature comes second", lost_race),
            Self::Refusal => ("other bytes ask for a claimed slot", refusal),
            Self::ClaimWithoutForward => ("crash between claim and forward", |_, state| {
                left(state, |state, at| {
                    matches!(state.disk.rows[at], Row::Claimed(_)) && state.sent[at] == 0
                })
            }),
            Self::ForwardWithoutRecord => ("crash between signature and record", |_, state| {
                left(state, |state, at| {
                    matches!(state.disk.rows[at], Row::Claimed(_)) && state.made[at] != [0, 0]
                })
            }),
            Self::RecordWithoutRelease => ("crash between record and release", |_, state| {
                left(state, |state, at| {
                    let signed = matches!(state.disk.rows[at], Row::Signed(..));
                    signed && state.history.released[at].is_none()
                })
            }),
            Self::TwoSignatures => ("two signatures of one slot exist", |_, state| {
                state.made.iter().flatten().any(|made| *made > 1)
            }),
            Self::PrunedOwnerAsks => ("the owner of a pruned slot asks again", pruned_owner),
            Self::RecordHomeless => ("a signature comes for an ended claim", homeless),
            Self::NoWatermark => ("a claim without watermark", |_, state| {
                state.disk.floor.is_none() && claiming(state).next().is_some()
            }),
            Self::UnsyncedAfterKill => ("a killed process left unsynced bytes", |_, state| {
                state.process == Process::Down && state.cache != state.disk
            }),
            Self::LostPages => ("clean pages that are not on the disk", |_, state| {
                state.process == Process::Down && state.lost_pages
            }),
            Self::FailedStoreReplays => ("a failed store replays", |_, state| {
                let releasing = |request: &Request| matches!(request.stage, Stage::Releasing(_));
                let mut requests = state.requests.iter().flatten();
                state.process == Process::Failed && requests.any(releasing)
            }),
            Self::RollbackNoticed => ("a rollback is noticed", |_, state| {
                let mut witnesses = state.witnesses.iter();
                let below = witnesses.any(|witness| state.disk.height() < witness.floor);
                below || state.process == Process::Doubting
            }),
            Self::RecordRolledBack => ("a released signature is rolled back", |_, state| {
                let rows = state.disk.rows.iter().zip(state.history.released);
                let mut gone =
                    rows.filter(|(row, sig)| sig.is_some() && matches!(row, Row::Claimed(_)));
                state.restored && gone.next().is_some()
            }),
            Self::ForeignStore => ("a claim meets a foreign store", |_, state| {
                state.foreign && claiming(state).next().is_some()
            }),
            Self::Etcd(over) => over.look(),
        };
        Property::sometimes(name, is)
    }
}

pub(crate) fn claiming(state: &State) -> impl Iterator<Item = &Request> {
    let requests = state.requests.iter().flatten();
    requests.filter(|request| request.stage == Stage::Claiming)
}

/// A slot that looks like this while no request is at it.
fn left(state: &State, looks: fn(&State, usize) -> bool) -> bool {
    (0..state.sent.len()).any(|at| {
        let mut requests = state.requests.iter().flatten();
        looks(state, at) && !requests.any(|request| request.at.index() == at)
    })
}

fn replay(_: &World, state: &State) -> bool {
    state.requests.iter().flatten().any(|request| {
        let released = state.history.released[request.at.index()];
        matches!(request.stage, Stage::Releasing(sig) if released == Some(sig))
    })
}

fn lost_race(_: &World, state: &State) -> bool {
    state.requests.iter().flatten().any(|request| {
        let row = state.disk.row(request.at).sig();
        matches!(request.stage, Stage::Recording(sig) if row.is_some_and(|row| row != sig))
    })
}

fn refusal(world: &World, state: &State) -> bool {
    claiming(state).any(|request| {
        let mut others = BAKERS.iter().filter(|baker| **baker != request.baker);
        let row = state.disk.row(request.at).digest();
        others.any(|other| row == Some(digest(world.setup(), *other)))
    })
}

fn pruned_owner(_: &World, state: &State) -> bool {
    claiming(state).any(|request| {
        let gone = state.disk.row(request.at) == Row::Free;
        gone && state.was_sent(request.at, request.baker)
    })
}

fn homeless(_: &World, state: &State) -> bool {
    state.requests.iter().flatten().any(|request| {
        let recording = matches!(request.stage, Stage::Recording(_));
        recording && state.disk.row(request.at) == Row::Free
    })
}
