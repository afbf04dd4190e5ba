//! Situations that an exploration over etcd must come across.

use super::claims::claim;
use super::decision::Decision;
use super::knowledge::{Doubt, Etcd, Known, Replica, What};
use super::run::World;
use super::situations::claiming;
use super::words::{Account, Row, Table};
use super::world::{Request, Stage, State};

/// Something that can be seen in one state of a world with etcd.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over {
    OldClaim,
    OldRecord,
    LostAnswer,
    LateCopy,
    SealUnderWay,
    HaltUnderWay,
    Doubt,
    BelievedAgain,
    AnotherLineage,
    AnotherWay,
    DoubtIsKept,
    Covered,
}

/// What it is called, and how it is recognised.
type Look = (&'static str, fn(&World, &State) -> bool);

impl Over {
    pub(crate) fn look(self) -> Look {
        match self {
            Self::OldClaim => ("a claim that old knowledge would grant", |world, state| {
                replicas(state).any(|(request, known)| {
                    let Request { baker, at, .. } = *request;
                    let says = |table| claim(world.setup(), table, baker, at).0;
                    let granted = says(&known.table) == Decision::Fresh;
                    let claiming = request.stage == Stage::Claiming;
                    claiming && granted && says(&state.disk) != Decision::Fresh
                })
            }),
            Self::OldRecord => ("a record on old knowledge", |_, state| {
                replicas(state).any(|(request, known)| {
                    let recording = matches!(request.stage, Stage::Recording(_));
                    let row = |table: &Table| table.row(request.at);
                    recording && row(&known.table) != row(&state.disk)
                })
            }),
            Self::LostAnswer => ("a claim stands and its replica asks again", |_, state| {
                replicas(state).any(|(request, known)| {
                    let claimed = state.history.claimed[request.at.index()];
                    let own = claimed & (1 << request.baker as u8) != 0;
                    let free = known.table.row(request.at) == Row::Free;
                    request.stage == Stage::Claiming && own && free
                })
            }),
            Self::LateCopy => (
                "a copy of a claim under way after its slot went on",
                |_, state| {
                    let late = state.etcd.and_then(|etcd| etcd.late);
                    late.is_some_and(|late| match late.what {
                        What::Claim(_, at) => state.history.released[at.index()].is_some(),
                        What::Record(_) | What::Raise(_) => false,
                    })
                },
            ),
            Self::SealUnderWay => ("a claim that was decided before a seal", |_, state| {
                replicas(state).any(|(request, known)| {
                    let before = state.disk.sealed && !known.table.sealed;
                    request.stage == Stage::Claiming && before
                })
            }),
            Self::HaltUnderWay => ("a signature comes for a halted key", |_, state| {
                replicas(state).any(|(request, known)| {
                    let halted = state.disk.account == Account::Halted;
                    let before = known.table.account == Account::Free;
                    matches!(request.stage, Stage::Recording(_)) && halted && before
                })
            }),
            Self::Doubt
            | Self::BelievedAgain
            | Self::AnotherLineage
            | Self::AnotherWay
            | Self::DoubtIsKept
            | Self::Covered => self.look_at_a_cluster_that_went_back(),
        }
    }

    fn look_at_a_cluster_that_went_back(self) -> Look {
        match self {
            Self::Doubt => ("a replica believes its cluster no more", |_, state| {
                state
                    .etcd
                    .is_some_and(|etcd| etcd.replicas.iter().any(Replica::doubts))
            }),
            Self::BelievedAgain => ("a cluster went back and a replica asks it", |_, state| {
                let believed = |replica: &Replica| !replica.doubts();
                let some = |etcd: Etcd| etcd.replicas.iter().any(believed);
                let asked = claiming(state).next().is_some();
                state.restored && asked && state.etcd.is_some_and(some)
            }),
            Self::AnotherWay => (
                "a slot of a cluster that went back has other bytes",
                |_, state| {
                    let differs = |known: &Known| {
                        let rows = known.table.rows.iter().zip(state.disk.rows);
                        let both = rows
                            .filter_map(|(known, there)| Some((known.digest()?, there.digest()?)));
                        both.into_iter().any(|(known, there)| known != there)
                    };
                    state.restored && replicas(state).any(|(_, known)| differs(&known))
                },
            ),
            Self::DoubtIsKept => (
                "a replica that starts anew doubts for what was",
                |_, state| {
                    let doubts = |replica: &Replica| {
                        replica.doubt == Doubt::Passes && replica.known.table.floor.is_none()
                    };
                    state
                        .etcd
                        .is_some_and(|etcd| etcd.replicas.iter().any(doubts))
                },
            ),
            Self::Covered => (
                "a revision is where it was, and the cluster went back",
                |_, state| {
                    let etcd = state.etcd.filter(|_| state.restored);
                    etcd.is_some_and(|etcd| {
                        let mut replicas = etcd.replicas.iter();
                        let there = etcd.revisions;
                        replicas.any(|replica| {
                            let known = replica.known.revisions;
                            known.last == there.last && known.floor > there.floor
                        })
                    })
                },
            ),
            Self::AnotherLineage => ("a cluster that was wiped has floors again", |_, state| {
                state.foreign && state.disk.floor.is_some() && claiming(state).next().is_some()
            }),
            Self::OldClaim
            | Self::OldRecord
            | Self::LostAnswer
            | Self::LateCopy
            | Self::SealUnderWay
            | Self::HaltUnderWay => self.look(),
        }
    }
}

/// Requests, with what their replicas know of a store in etcd.
fn replicas(state: &State) -> impl Iterator<Item = (&Request, Known)> {
    let etcd = state.etcd.iter();
    etcd.flat_map(|etcd| {
        let all = state.requests.iter().zip(etcd.replicas);
        all.filter_map(|(request, replica)| Some((request.as_ref()?, replica.known)))
    })
}
