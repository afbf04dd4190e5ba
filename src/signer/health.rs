//! The health of one path, and the words for states: pure, no clock of its own.
//!
//! A path starts unknown, not healthy. Two misses in a row eject it; a wrong public key ejects it at
//! once. A path that was down is suspect after its first answer (it takes work when nothing better is
//! there) and up after the second. [`PathHealth::observe`] says when the state changed, so that the log
//! cannot repeat itself.

use jiff::Timestamp;

use super::cause::Cause;

/// Misses in a row that eject a path.
pub(super) const MISSES_TO_EJECT: u8 = 2;
/// Answers in a row that readmit a path that was down.
pub(super) const HITS_TO_READMIT: u8 = 2;

/// The state of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathState {
    /// Answers.
    Up,
    /// Missed once, or just came back.
    Suspect,
    /// Has not answered yet.
    Unknown,
    /// Ejected.
    Down,
}

impl PathState {
    /// The word of status and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Unknown => "unknown",
            Self::Down => "down",
        }
    }
}

/// The state of a signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerState {
    /// No path takes work.
    Down,
    /// Taken out by the operator.
    Draining,
    /// Came back just now, missed once, or leaves signatures unanswered.
    Suspect,
    /// Not seen yet.
    Unknown,
    /// At least one path answers.
    Up,
}

impl SignerState {
    /// The word of status and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Draining => "draining",
            Self::Suspect => "suspect",
            Self::Unknown => "unknown",
            Self::Up => "up",
        }
    }

    /// Lower is tried first.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Up => 0,
            Self::Suspect => 1,
            Self::Unknown => 2,
            Self::Down => 3,
            Self::Draining => 4,
        }
    }
}

/// What was seen on a path, by a probe or by traffic.
#[derive(Clone, Debug)]
pub enum Observation {
    /// A full round trip.
    Hit,
    /// None.
    Miss(Cause),
    /// An answer that must never happen, such as a wrong public key.
    Eject(Cause),
}

/// A change of state.
#[derive(Clone, Debug)]
pub struct Transition {
    /// The state before.
    pub from: PathState,
    /// The state now.
    pub to: PathState,
    /// Why; for a recovery, what had been wrong.
    pub cause: Option<Cause>,
    /// When the trouble began or, for a recovery, had begun.
    pub since: Timestamp,
    /// When the state before had begun.
    pub entered_before: Timestamp,
}

/// The health of one path.
#[derive(Clone, Debug)]
pub struct PathHealth {
    state: PathState,
    entered: Timestamp,
    misses: u8,
    hits: u8,
    was_down: bool,
    /// It was seen to lead elsewhere, and has proved nothing since.
    leads_elsewhere: bool,
    trouble: Option<(Cause, Timestamp)>,
}

impl PathHealth {
    /// An unknown path.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            state: PathState::Unknown,
            entered: now,
            misses: 0,
            hits: 0,
            was_down: false,
            leads_elsewhere: false,
            trouble: None,
        }
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> PathState {
        self.state
    }

    /// When the state began.
    #[must_use]
    pub fn entered(&self) -> Timestamp {
        self.entered
    }

    /// What is wrong, and since when; kept until the path is up again.
    #[must_use]
    pub fn trouble(&self) -> Option<&(Cause, Timestamp)> {
        self.trouble.as_ref()
    }

    /// Whether it has been down since it was first seen; such a path must prove itself for longer.
    #[must_use]
    pub fn was_down(&self) -> bool {
        self.was_down
    }

    /// Whether it was seen to lead elsewhere and has proved nothing since, whatever else it missed meanwhile.
    #[must_use]
    pub fn leads_elsewhere(&self) -> bool {
        self.leads_elsewhere
    }

    /// Whether it was up and has missed once since: it takes work, and may be well.
    #[must_use]
    pub fn has_missed_once(&self) -> bool {
        self.state == PathState::Suspect && self.misses == 1
    }

    /// Takes an observation in; gives the change of state if there was one.
    pub fn observe(&mut self, observation: Observation, now: Timestamp) -> Option<Transition> {
        match observation {
            Observation::Hit => self.hit(now),
            Observation::Miss(cause) => {
                self.note_trouble(cause, now);
                self.misses = self.misses.saturating_add(1);
                self.hits = 0;
                let to = match self.state {
                    _ if self.misses >= MISSES_TO_EJECT => PathState::Down,
                    PathState::Up => PathState::Suspect,
                    // Came back once and failed again: it was not back.
                    PathState::Suspect if self.was_down => PathState::Down,
                    PathState::Suspect | PathState::Unknown | PathState::Down => self.state,
                };
                self.enter(to, now)
            }
            Observation::Eject(cause) => {
                self.leads_elsewhere |= matches!(cause, Cause::LeadsToItself | Cause::WrongKey(_));
                self.note_trouble(cause, now);
                self.misses = MISSES_TO_EJECT;
                self.hits = 0;
                self.enter(PathState::Down, now)
            }
        }
    }

    fn hit(&mut self, now: Timestamp) -> Option<Transition> {
        self.misses = 0;
        self.leads_elsewhere = false;
        self.hits = self.hits.saturating_add(1);
        let to = match self.state {
            PathState::Up | PathState::Unknown => PathState::Up,
            PathState::Suspect if !self.was_down || self.hits >= HITS_TO_READMIT => PathState::Up,
            PathState::Down | PathState::Suspect => PathState::Suspect,
        };
        let transition = self.enter(to, now);
        if to == PathState::Up {
            self.trouble = None;
        }
        transition
    }

    fn note_trouble(&mut self, cause: Cause, now: Timestamp) {
        match &mut self.trouble {
            // Same trouble goes on: keep when it began.
            Some((known, _)) if *known == cause => {}
            // It changed its face while the path was never well: one outage, newest words.
            Some((known, _)) => *known = cause,
            None => self.trouble = Some((cause, now)),
        }
    }

    fn enter(&mut self, to: PathState, now: Timestamp) -> Option<Transition> {
        if to == self.state {
            return None;
        }
        let from = std::mem::replace(&mut self.state, to);
        let entered_before = std::mem::replace(&mut self.entered, now);
        if to == PathState::Down {
            self.was_down = true;
        }
        let (cause, since) = match &self.trouble {
            Some((cause, since)) => (Some(cause.clone()), *since),
            None => (None, now),
        };
        Some(Transition {
            from,
            to,
            cause,
            since,
            entered_before,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn miss() -> Observation {
        Observation::Miss(Cause::Silent)
    }

    #[test]
    fn starts_unknown_and_one_answer_makes_it_up() {
        let mut health = PathHealth::new(at(0));
        assert_eq!(health.state(), PathState::Unknown);
        let change = health.observe(Observation::Hit, at(1)).unwrap();
        assert_eq!(
            (change.from, change.to),
            (PathState::Unknown, PathState::Up)
        );
        assert!(health.observe(Observation::Hit, at(2)).is_none());
    }

    #[test]
    fn two_misses_eject_and_name_when_the_trouble_began() {
        let mut health = PathHealth::new(at(0));
        health.observe(Observation::Hit, at(1));
        assert_eq!(
            health.observe(miss(), at(5)).unwrap().to,
            PathState::Suspect
        );
        let down = health.observe(miss(), at(6)).unwrap();
        assert_eq!((down.to, down.since), (PathState::Down, at(5)));
        assert_eq!(down.cause, Some(Cause::Silent));
        assert!(health.observe(miss(), at(7)).is_none());
    }

    #[test]
    fn one_miss_between_answers_does_not_eject() {
        let mut health = PathHealth::new(at(0));
        health.observe(Observation::Hit, at(1));
        health.observe(miss(), at(2));
        assert_eq!(
            health.observe(Observation::Hit, at(3)).unwrap().to,
            PathState::Up
        );
        health.observe(miss(), at(4));
        assert_eq!(health.state(), PathState::Suspect);
        assert!(health.has_missed_once());
    }

    #[test]
    fn comes_back_through_suspect_and_reports_the_old_cause() {
        let mut health = PathHealth::new(at(0));
        health.observe(miss(), at(1));
        health.observe(miss(), at(2));
        assert_eq!(health.state(), PathState::Down);
        assert_eq!(
            health.observe(Observation::Hit, at(9)).unwrap().to,
            PathState::Suspect
        );
        assert!(!health.has_missed_once());
        let up = health.observe(Observation::Hit, at(10)).unwrap();
        assert_eq!((up.to, up.since), (PathState::Up, at(1)));
        assert_eq!(up.cause, Some(Cause::Silent));
        assert!(health.trouble().is_none());
    }

    #[test]
    fn a_relapse_right_after_coming_back_ejects_at_once() {
        let mut health = PathHealth::new(at(0));
        health.observe(miss(), at(1));
        health.observe(miss(), at(2));
        health.observe(Observation::Hit, at(3));
        assert_eq!(health.observe(miss(), at(4)).unwrap().to, PathState::Down);
    }

    #[test]
    fn a_wrong_key_ejects_at_once() {
        let mut health = PathHealth::new(at(0));
        health.observe(Observation::Hit, at(1));
        let change = health
            .observe(Observation::Eject(Cause::LeadsToItself), at(2))
            .unwrap();
        assert_eq!(change.to, PathState::Down);
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_so_whatever_it_misses_until_it_proves_itself() {
        let mut health = PathHealth::new(at(0));
        let wrong = Cause::WrongKey(crate::fixture::key());
        health.observe(Observation::Eject(wrong), at(1));
        assert!(health.leads_elsewhere());
        health.observe(miss(), at(2));
        assert!(health.leads_elsewhere());
        health.observe(Observation::Hit, at(3));
        assert!(!health.leads_elsewhere());
        health.observe(Observation::Eject(Cause::Silent), at(4));
        assert!(!health.leads_elsewhere());
    }
}
