//! What may be the case, given what was done: the reference machine of the test.
//!
//! A commit that fails leaves open whether its change stands. So there is not one state but several, each a
//! world with what it expects to hear; the system under test says which of them are still possible. A world
//! in good health has one truth, on the disk and in memory. Everything here is decided before the real store
//! has been asked.

use std::fmt;

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use crate::guard::Candidate;

use super::asks::{Ask, ask, first_changes};
use super::model::{Model, Said};

/// More worlds than this, and nothing fails any more.
const MOST_WORLDS: usize = 12;

/// What goes wrong while it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Nothing,
    /// The sync after so many good ones fails.
    Sync(usize),
    /// There is no space for the write after so many good ones.
    Space(usize),
    /// The sync after so many good ones finds that there is no space.
    SpaceAtSync(usize),
    /// The process is killed before the write after so many.
    Kill(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Transition {
    Do(Ask, Trouble),
    /// The process ends in good order and is started again.
    Restart,
    /// The power is cut; the seed says what of the unsynced writes survives.
    PowerCut(u64),
    /// There is space again, and somebody looks.
    Space,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Well,
    NeedsSpace,
    NeedsRestart,
}

/// One of the things that may be the case.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) disk: Model,
    /// What memory shows; behind the disk only where a commit failed and stands all the same.
    pub(super) memory: Model,
    pub(super) health: Health,
    /// What the last transition gives in it.
    pub(super) said: Said,
    /// The world before the last transition that it comes from.
    pub(super) parent: usize,
}

impl World {
    fn well(model: Model, said: Said, parent: usize) -> Self {
        Self {
            disk: model.clone(),
            memory: model,
            health: Health::Well,
            said,
            parent,
        }
    }

    /// The same after a start.
    fn started(&self, said: Said, parent: usize) -> Self {
        Self::well(self.disk.clone(), said, parent)
    }
}

/// All that may be the case, and what to ask again.
#[derive(Clone)]
pub(super) struct Worlds {
    pub(super) all: Vec<World>,
    asked: Vec<Candidate>,
}

impl fmt::Debug for Worlds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} worlds", self.all.len())
    }
}

/// The reference machine; `TROUBLE` says whether anything goes wrong with disk and process.
#[derive(Debug)]
pub(super) struct Reference<const TROUBLE: bool>;

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        6 => Just(Trouble::Nothing),
        1 => (0_usize..2).prop_map(Trouble::Sync),
        1 => (0_usize..10).prop_map(Trouble::Space),
        1 => (0_usize..2).prop_map(Trouble::SpaceAtSync),
        2 => (0_usize..10).prop_map(Trouble::Kill),
    ]
}

impl<const TROUBLE: bool> ReferenceStateMachine for Reference<TROUBLE> {
    type State = Worlds;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Worlds> {
        let mut model = Model::default();
        model.amend(&first_changes());
        let all = vec![World::well(model, Said::Done, 0)];
        let asked = Vec::new();
        Just(Worlds { all, asked }).boxed()
    }

    fn transitions(worlds: &Worlds) -> BoxedStrategy<Transition> {
        let ask = ask(&worlds.asked);
        if !TROUBLE {
            let calm = ask.prop_map(|ask| Transition::Do(ask, Trouble::Nothing));
            return prop_oneof![8 => calm, 1 => Just(Transition::Restart)].boxed();
        }
        let needs = |health| u32::from(worlds.all.iter().any(|world| world.health == health));
        let (space, restart) = (needs(Health::NeedsSpace), needs(Health::NeedsRestart));
        prop_oneof![
            16 => (ask, trouble()).prop_map(|(ask, trouble)| Transition::Do(ask, trouble)),
            2 + 4 * restart => Just(Transition::Restart),
            2 + 4 * restart => any::<u32>().prop_map(|seed| Transition::PowerCut(seed.into())),
            1 + 8 * space => Just(Transition::Space),
        ]
        .boxed()
    }

    fn preconditions(worlds: &Worlds, transition: &Transition) -> bool {
        match transition {
            // Of several claims nobody knows which share the commit that fails.
            Transition::Do(Ask::Claims(_), trouble) => *trouble == Trouble::Nothing,
            Transition::Do(_, trouble) => {
                *trouble == Trouble::Nothing || worlds.all.len() <= MOST_WORLDS
            }
            Transition::PowerCut(_) | Transition::Restart | Transition::Space => true,
        }
    }

    fn apply(worlds: Worlds, transition: &Transition) -> Worlds {
        let Worlds { all, mut asked } = worlds;
        if let Transition::Do(ask, _) = transition {
            match ask {
                Ask::Claim(candidate) => asked.push(*candidate),
                Ask::Claims(candidates) => asked.extend(candidates),
                Ask::Amend(_) | Ask::Record(..) | Ask::Replay(_) => {}
            }
        }
        let next = |(parent, world): (usize, &World)| next(world, transition, parent);
        Worlds {
            all: all.iter().enumerate().flat_map(next).collect(),
            asked,
        }
    }
}

/// What may be the case after `transition`.
fn next(world: &World, transition: &Transition, parent: usize) -> Vec<World> {
    match transition {
        Transition::PowerCut(_) | Transition::Restart => vec![world.started(Said::Done, parent)],
        Transition::Space => vec![match world.health {
            Health::NeedsSpace => world.started(Said::Done, parent),
            Health::NeedsRestart | Health::Well => World {
                said: Said::Done,
                parent,
                ..world.clone()
            },
        }],
        Transition::Do(ask, trouble) => {
            if world.health != Health::Well {
                let said = said_when_ill(&world.memory, ask);
                return vec![match trouble {
                    Trouble::Kill(_) => world.started(said, parent),
                    Trouble::Nothing
                    | Trouble::Space(_)
                    | Trouble::SpaceAtSync(_)
                    | Trouble::Sync(_) => World {
                        said,
                        parent,
                        ..world.clone()
                    },
                }];
            }
            after(&world.disk, ask, *trouble, parent)
        }
    }
}

/// All that may come of a question to a store in good health.
fn after(before: &Model, ask: &Ask, trouble: Trouble, parent: usize) -> Vec<World> {
    let mut done = before.clone();
    let said = said_when_well(&mut done, ask);
    let mut worlds = vec![World::well(done.clone(), said, parent)];
    // An amendment may write what leaves everything as it was.
    let writes = done != *before || matches!(ask, Ask::Amend(_));
    let health = match trouble {
        Trouble::Nothing => return worlds,
        Trouble::Kill(_) => Health::Well,
        Trouble::Space(_) | Trouble::SpaceAtSync(_) => Health::NeedsSpace,
        Trouble::Sync(_) => Health::NeedsRestart,
    };
    if writes {
        for disk in [before.clone(), done] {
            let memory = match trouble {
                Trouble::Kill(_) => disk.clone(),
                Trouble::Nothing
                | Trouble::Space(_)
                | Trouble::SpaceAtSync(_)
                | Trouble::Sync(_) => before.clone(),
            };
            worlds.push(World {
                disk,
                memory,
                health,
                said: Said::Failed,
                parent,
            });
        }
    }
    worlds
}

fn said_when_well(model: &mut Model, ask: &Ask) -> Said {
    match ask {
        Ask::Claim(candidate) => {
            if model.is_too_far(candidate) {
                return Said::Refused("too-far");
            }
            model.claim(candidate)
        }
        Ask::Claims(candidates) => {
            let claims = candidates.iter().map(|candidate| model.claim(candidate));
            Said::All(claims.collect())
        }
        Ask::Record(candidate, record) => model.record(candidate, record),
        Ask::Replay(candidate) => model.replay(candidate),
        Ask::Amend(changes) => {
            model.amend(changes);
            Said::Done
        }
    }
}

/// A store that is ill does nothing, and goes on giving what it gave.
fn said_when_ill(memory: &Model, ask: &Ask) -> Said {
    let claim = |candidate: &Candidate| {
        if memory.is_too_far(candidate) {
            Said::Refused("too-far")
        } else {
            Said::Failed
        }
    };
    match ask {
        Ask::Claim(candidate) => claim(candidate),
        Ask::Claims(candidates) => Said::All(candidates.iter().map(claim).collect()),
        Ask::Record(..) | Ask::Amend(_) => Said::Failed,
        Ask::Replay(candidate) => memory.replay(candidate),
    }
}
