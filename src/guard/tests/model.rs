//! The decision against a model that was written without looking at it, in every state that a small
//! domain can reach: so for all sequences of claims, records and raises of any length over it.

use std::collections::{HashSet, VecDeque};

use crate::fixture::{ask, at, record, second};
use crate::tezos::{Digest, Position, Scheme};

use super::super::*;

/// All that ever happened, as a list; nothing is forgotten and nothing is summed up.
#[derive(Clone, Default)]
struct History {
    raised: Vec<Position>,
    granted: Vec<(Position, Digest, Scheme)>,
    recorded: Vec<Position>,
    /// Granted and still unsigned when an operator raised the floor over them.
    ended: Vec<Position>,
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Again,
    BelowFloor,
    Conflict,
    Fresh,
    NoWatermark,
    Recorded,
    Scheme,
}

impl History {
    /// Claims without a signature that a raise to `floor` ends.
    fn overtaken_by(&self, floor: Position) -> Vec<Position> {
        let mut ended: Vec<Position> = self.granted.iter().map(|grant| grant.0).collect();
        ended.retain(|position| {
            (position.level.get(), position.round.get()) <= (floor.level.get(), floor.round.get())
                && !self.recorded.contains(position)
                && !self.ended.contains(position)
        });
        ended.sort_unstable();
        ended
    }

    fn expects(&self, asked: &Candidate) -> Expected {
        let position = asked.slot.position;
        if self.raised.is_empty() {
            return Expected::NoWatermark;
        }
        let stands = |grant: &&(Position, Digest, Scheme)| {
            grant.0 == position && !self.ended.contains(&position)
        };
        let grant = self.granted.iter().find(stands);
        if let Some((_, digest, scheme)) = grant {
            if *digest != asked.digest {
                return Expected::Conflict;
            }
            if *scheme != asked.scheme {
                return Expected::Scheme;
            }
            if self.recorded.contains(&position) {
                return Expected::Recorded;
            }
            return Expected::Again;
        }
        let is_past = |other: &Position| {
            (other.level.get(), other.round.get()) >= (position.level.get(), position.round.get())
        };
        let overtaken =
            self.raised.iter().any(is_past) || self.granted.iter().any(|grant| is_past(&grant.0));
        if overtaken {
            Expected::BelowFloor
        } else {
            Expected::Fresh
        }
    }
}

fn kind_of(verdict: &Verdict) -> Expected {
    match verdict {
        Verdict::Again { .. } => Expected::Again,
        Verdict::Fresh => Expected::Fresh,
        Verdict::Recorded(_) => Expected::Recorded,
        Verdict::Refused(Refusal::BelowFloor { .. }) => Expected::BelowFloor,
        Verdict::Refused(Refusal::Conflict { .. }) => Expected::Conflict,
        Verdict::Refused(Refusal::NoWatermark { .. }) => Expected::NoWatermark,
        Verdict::Refused(Refusal::Scheme { .. }) => Expected::Scheme,
        Verdict::Refused(refusal @ (Refusal::Halted { .. } | Refusal::Stopped { .. })) => {
            panic!("nothing stands about this key: {refusal}")
        }
    }
}

type Seen = (
    Option<Position>,
    Vec<(Position, Digest, Scheme, bool)>,
    Option<Position>,
);

/// What tells two states apart. Of the raises only the highest counts for what can come.
fn key(state: Option<&StreamState>, history: &History) -> Seen {
    let rows = state.map(|state| {
        let row = |(position, row): (&Position, &Row)| {
            (*position, row.digest, row.scheme, row.record.is_some())
        };
        state.rows.iter().map(row).collect()
    });
    (
        state.map(|state| state.floor),
        rows.unwrap_or_default(),
        history.raised.iter().max().copied(),
    )
}

/// Visits every reachable state and compares every answer in it; returns how many there were.
fn compare_everywhere(positions: &[Position], schemes: &[Scheme], with_records: bool) -> usize {
    let now = second(1_000);
    let mut asks = Vec::new();
    for position in positions {
        for name in [1, 2] {
            asks.extend(schemes.iter().map(|scheme| Candidate {
                scheme: *scheme,
                ..ask(*position, name)
            }));
        }
    }
    let mut seen = HashSet::new();
    let mut queue = VecDeque::from([(None::<StreamState>, History::default())]);
    while let Some((state, history)) = queue.pop_front() {
        if !seen.insert(key(state.as_ref(), &history)) {
            continue;
        }
        for asked in &asks {
            let verdict = decide(None, state.as_ref(), asked);
            assert_eq!(
                kind_of(&verdict),
                history.expects(asked),
                "{asked:?} in {state:?}"
            );
            let position = asked.slot.position;
            let (mut state, mut history) = (state.clone(), history.clone());
            match (verdict, &mut state) {
                (Verdict::Fresh, Some(state)) => {
                    assert!(state.enter(asked, now).is_empty());
                    history.granted.push((position, asked.digest, asked.scheme));
                }
                (Verdict::Again { .. }, Some(state)) if with_records => {
                    state.rows.get_mut(&position).unwrap().record = Some(record(1));
                    history.recorded.push(position);
                }
                _ => continue,
            }
            queue.push_back((state, history));
        }
        for floor in positions {
            let (mut state, mut history) = (state.clone(), history.clone());
            let ended = history.overtaken_by(*floor);
            match &mut state {
                Some(state) => {
                    let rose = history.expects(&ask(*floor, 9)) == Expected::Fresh;
                    let mut raised = state.raise(*floor, now);
                    raised.ended.sort_unstable();
                    assert_eq!(
                        raised,
                        Raised {
                            rose,
                            ended: ended.clone()
                        }
                    );
                }
                None => state = Some(StreamState::with_floor(*floor, now)),
            }
            history.ended.extend(ended);
            history.raised.push(*floor);
            queue.push_back((state, history));
        }
    }
    seen.len()
}

fn grid(levels: u32, rounds: u32) -> Vec<Position> {
    (0..levels)
        .flat_map(|level| (0..rounds).map(move |round| at(level, round)))
        .collect()
}

#[test]
fn every_decision_over_three_levels_two_rounds_two_digests_and_two_schemes_is_the_models() {
    let states = compare_everywhere(&grid(3, 2), &[Scheme::Pop, Scheme::Aug], false);
    assert!(states > 3_000, "{states}");
}

#[test]
fn every_decision_with_signatures_recorded_is_the_models() {
    let states = compare_everywhere(&grid(2, 2), &[Scheme::Standard], true);
    assert!(states > 200, "{states}");
}
