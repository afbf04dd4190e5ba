//! The model as the checker takes it, and how a test runs it.

use stateright::{Checker, Model, Property};

use super::action::{Action, enabled};
use super::audit::{RULES, Rule, judge};
use super::progress::{refusals_are_immediate, the_owner_can_finish};
use super::setup::Setup;
use super::situations::Situation;
use super::step::make;
use super::world::State;

/// Both cores, as the other tests leave them.
const THREADS: usize = 2;

/// A setup, and what its exploration looks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    setup: Setup,
    goal: Goal,
}

#[derive(Clone, Copy, Debug)]
enum Goal {
    /// No rule is broken anywhere, and all of this occurs somewhere.
    Holds(&'static [Situation]),
    /// This rule is broken somewhere.
    Breaks(Rule),
}

/// All rules as one property: the checker looks up every property in every state.
const EVERY_RULE: &str = "I1 to I8, L1 and L2";

impl World {
    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    fn keeps(&self, rule: Rule, state: &State) -> bool {
        if rule.is_broken(state) {
            return false;
        }
        match rule {
            Rule::L1 => !self.setup.progress || the_owner_can_finish(&self.setup, state),
            Rule::L2 => refusals_are_immediate(&self.setup, state),
            Rule::I1
            | Rule::I2
            | Rule::I3
            | Rule::I4
            | Rule::I5
            | Rule::I6
            | Rule::I7
            | Rule::I8 => true,
        }
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(&self.setup)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        enabled(&self.setup, state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        step(&self.setup, state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        match &self.goal {
            Goal::Breaks(rule) => vec![Property::always(rule.name(), |world, state| {
                match world.goal {
                    Goal::Breaks(rule) => world.keeps(rule, state),
                    Goal::Holds(_) => true,
                }
            })],
            Goal::Holds(situations) => {
                let mut all = vec![Property::always(EVERY_RULE, |world: &Self, state| {
                    RULES.iter().all(|rule| world.keeps(*rule, state))
                })];
                all.extend(situations.iter().map(|situation| situation.property()));
                all
            }
        }
    }
}

/// One step with its audit; nothing if it cannot be made.
pub(crate) fn step(setup: &Setup, state: &State, action: Action) -> Option<State> {
    let mut next = *state;
    let event = make(setup, &mut next, action)?;
    judge(setup, state, &mut next, event);
    if setup.bug.is_none() {
        next.sort(setup);
    }
    Some(next)
}

/// Explores everything: every rule must hold, every situation must occur, and at least `states` must be seen.
///
/// With `SIGNER_PROXY_MODEL=large` in the environment explores `large` instead.
pub(crate) fn holds(small: Setup, large: Setup, situations: &'static [Situation], states: usize) {
    let is_large = std::env::var("SIGNER_PROXY_MODEL").is_ok_and(|size| size == "large");
    let setup = if is_large { large } else { small };
    let seen = explore(setup, situations);
    assert!(seen >= states, "only {seen} states, expected {states}");
}

fn explore(setup: Setup, situations: &'static [Situation]) -> usize {
    let goal = Goal::Holds(situations);
    let world = World { setup, goal };
    let begun = tokio::time::Instant::now();
    let checker = world.checker().threads(THREADS).spawn_bfs().join();
    let seen = checker.unique_state_count();
    println!(
        "{seen} states, {} steps, {:.1} s",
        checker.state_count(),
        begun.elapsed().as_secs_f64()
    );
    if let Some(path) = checker.discovery(EVERY_RULE) {
        let broken = |rule: &&Rule| !world.keeps(**rule, path.last_state());
        for rule in RULES.iter().filter(broken) {
            println!("{}", rule.name());
        }
        show(path.into_actions());
        panic!("a rule is broken; the steps that lead there are above");
    }
    checker.assert_properties();
    seen
}

/// The bug of this setup, and nothing else in it, breaks the rule.
pub(crate) fn breaks(setup: Setup, rule: Rule) {
    let sound = Setup { bug: None, ..setup };
    differs(sound, setup, rule);
}

/// All rules hold in one setup; in the other this one is broken.
pub(crate) fn differs(sound: Setup, unsound: Setup, rule: Rule) {
    explore(sound, &[]);
    let goal = Goal::Breaks(rule);
    let setup = unsound;
    // With one thread the first counterexample is a shortest one.
    let checker = World { setup, goal }.checker().spawn_bfs().join();
    let path = checker.discovery(rule.name());
    println!("{}", rule.name());
    show(path.expect("no counterexample").into_actions());
}

fn show(steps: Vec<Action>) {
    for step in steps {
        println!("    {step:?}");
    }
}
