//! What is held against a signer for signatures that it did not give, path by path: pure.
//!
//! Two failures since its last signature make a signer suspect, if each of its paths that takes work has
//! failed: while one of them has not, it may be the paths. Only a signature ends it; time does not, nor do
//! answers to anything but sign requests, whatever they say. A path that is found dead takes its own
//! silence with it.

use jiff::Timestamp;

use super::super::cause::Cause;

/// Failures since the last signature that make a signer suspect.
const FAILURES_TO_SUSPECT: usize = 2;

#[derive(Debug)]
struct Failure {
    path: usize,
    cause: Cause,
    /// When it was, for people.
    at: Timestamp,
}

impl Failure {
    /// Whether a path may have swallowed it. What the signer itself answered wrongly is its own.
    fn is_silent(&self) -> bool {
        matches!(self.cause, Cause::Abandoned | Cause::Closed | Cause::Silent)
    }
}

/// Signatures since the last good one that failed or were never given.
#[derive(Debug, Default)]
pub(super) struct Blame {
    /// The newest ones: of each path at most as many, of either sort, as make a signer suspect.
    failures: Vec<Failure>,
    stands: bool,
}

impl Blame {
    /// Counts a signature that failed on the path number `path`.
    pub(super) fn add(&mut self, path: usize, cause: Cause, at: Timestamp) {
        let failure = Failure { path, cause, at };
        let alike =
            |known: &Failure| known.path == path && known.is_silent() == failure.is_silent();
        let count = self.failures.iter().filter(|known| alike(known)).count();
        if count >= FAILURES_TO_SUSPECT
            && let Some(oldest) = self.failures.iter().position(alike)
        {
            self.failures.remove(oldest);
        }
        self.failures.push(failure);
    }

    /// Decides anew whether the signer is suspect, by its paths that take work; true if it is. Once it is,
    /// another path that comes back does not end it.
    pub(super) fn judge(&mut self, mut working: impl Iterator<Item = usize>) -> bool {
        let failed = |path| self.failures.iter().any(|failure| failure.path == path);
        self.stands |= self.failures.len() >= FAILURES_TO_SUSPECT && working.all(failed);
        self.stands
    }

    /// Whether anything is held against it.
    pub(super) fn has_failures(&self) -> bool {
        !self.failures.is_empty()
    }

    /// Whether it makes the signer suspect.
    pub(super) fn stands(&self) -> bool {
        self.stands
    }

    /// A real signature came: nothing is held against the signer any more.
    pub(super) fn forgive(&mut self) {
        *self = Self::default();
    }

    /// A path is dead: it was the path that swallowed requests.
    pub(super) fn forgive_silence(&mut self, path: usize) {
        self.failures
            .retain(|failure| failure.path != path || !failure.is_silent());
        self.stands &= self.failures.len() >= FAILURES_TO_SUSPECT;
    }

    /// What the newest failure was and when, if the signer is suspect.
    pub(super) fn cause(&self) -> Option<(&Cause, Timestamp)> {
        let newest = self.failures.last().filter(|_| self.stands)?;
        Some((&newest.cause, newest.at))
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::second;

    use super::*;

    /// One with these failures, judged by the paths 0 and 1.
    fn blame(failures: &[(usize, Cause)]) -> Blame {
        let mut blame = Blame::default();
        for (at, (path, cause)) in (1..).zip(failures) {
            blame.add(*path, cause.clone(), second(at));
            blame.judge(0..2);
        }
        blame
    }

    #[test]
    fn two_failures_are_enough_if_every_path_that_takes_work_has_failed() {
        let mut one = blame(&[(0, Cause::Silent)]);
        assert!(!one.judge(0..1));
        let mut two = blame(&[(0, Cause::Silent), (0, Cause::Closed)]);
        assert!(!two.judge(0..2));
        assert_eq!(two.cause(), None);
        assert!(two.judge(0..1));
        // The other path has come back: that proves nothing.
        assert!(two.judge(0..2));
        assert_eq!(two.cause(), Some((&Cause::Closed, second(2))));
        assert!(blame(&[(0, Cause::Silent), (1, Cause::WrongSignature)]).stands());
    }

    #[test]
    fn a_signature_clears_the_failures_of_all_paths() {
        let mut blame = blame(&[(0, Cause::Silent), (1, Cause::WrongSignature)]);
        blame.forgive();
        assert!(!blame.stands());
        blame.add(0, Cause::Silent, second(3));
        assert!(!blame.judge(0..1));
    }

    #[test]
    fn a_dead_path_takes_its_own_silence_with_it_and_nothing_else() {
        use Cause::{Abandoned, Closed, Silent, WrongSignature};
        for (failures, stands) in [
            (&[(0, Abandoned), (1, Abandoned)][..], false),
            (&[(0, Closed), (1, Silent)], false),
            (&[(0, Silent), (1, Closed), (1, Closed)], true),
            (&[(0, WrongSignature), (1, WrongSignature)], true),
            // What it answered wrongly is not pushed out by silence.
            (
                &[(1, Silent), (0, WrongSignature), (0, Silent), (0, Silent)],
                true,
            ),
        ] {
            let mut blame = blame(failures);
            assert!(blame.stands(), "{failures:?}");
            blame.forgive_silence(0);
            assert_eq!(blame.stands(), stands, "{failures:?}");
        }
    }

    #[test]
    fn a_device_that_hangs_for_a_day_takes_no_more_memory() {
        let failures = vec![(0, Cause::Silent); 1_000];
        assert_eq!(blame(&failures).failures.len(), FAILURES_TO_SUSPECT);
    }
}
