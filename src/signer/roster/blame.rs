//! What is held against a signer for signatures that it did not give, path by path: pure.
//!
//! A signature clears all of it. Answers to anything but sign requests clear nothing, whatever they say.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::super::cause::Cause;

/// Signatures in a row that failed or were given up, and make a signer suspect.
const FAILURES_TO_SUSPECT: usize = 2;

/// What failed on one path since the signer's last signature.
#[derive(Debug)]
struct Failures {
    count: usize,
    /// What the last one was.
    cause: Cause,
    /// When the last one was, for people.
    last: Timestamp,
}

/// Where and when the newest failure was.
#[derive(Clone, Copy, Debug)]
struct Newest {
    path: usize,
    at: Instant,
}

/// Signatures in a row that failed or were never given.
#[derive(Debug, Default)]
pub(super) struct Blame {
    by_path: BTreeMap<usize, Failures>,
    newest: Option<Newest>,
}

impl Blame {
    /// Counts a signature that failed on the path number `path`; true when that makes the signer suspect.
    pub(super) fn add(&mut self, path: usize, cause: Cause, at: Instant, now: Timestamp) -> bool {
        let failures = self.by_path.entry(path).or_insert_with(|| Failures {
            count: 0,
            cause: cause.clone(),
            last: now,
        });
        failures.count = failures.count.saturating_add(1);
        failures.cause = cause;
        failures.last = now;
        self.newest = Some(Newest { path, at });
        self.failures() == FAILURES_TO_SUSPECT
    }

    /// A real signature came: nothing is held against the signer any more. True if enough was to make it
    /// suspect.
    pub(super) fn forgive(&mut self) -> bool {
        std::mem::take(self).is_enough()
    }

    /// A path has come back: it was the path that swallowed requests. What the signer itself answered
    /// wrongly stays held against it.
    pub(super) fn forgive_silence(&mut self) {
        let silent = |failures: &Failures| {
            matches!(
                failures.cause,
                Cause::Abandoned | Cause::Closed | Cause::Silent
            )
        };
        if self.newest_failures().is_some_and(silent) {
            *self = Self::default();
        }
    }

    /// Whether it makes the signer suspect at `now`: for `lasts` after the newest failure.
    pub(super) fn stands(&self, now: Instant, lasts: Duration) -> bool {
        let recent = self
            .newest
            .is_some_and(|newest| now.saturating_duration_since(newest.at) < lasts);
        self.is_enough() && recent
    }

    /// What the newest failure was and when, if there were enough to make the signer suspect.
    pub(super) fn cause(&self) -> Option<(&Cause, Timestamp)> {
        let newest = self.newest_failures().filter(|_| self.is_enough())?;
        Some((&newest.cause, newest.last))
    }

    fn newest_failures(&self) -> Option<&Failures> {
        self.by_path.get(&self.newest?.path)
    }

    fn is_enough(&self) -> bool {
        self.failures() >= FAILURES_TO_SUSPECT
    }

    fn failures(&self) -> usize {
        let counts = self.by_path.values().map(|failures| failures.count);
        counts.fold(0, usize::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::second;

    use super::*;

    const LASTS: Duration = Duration::from_secs(30);

    #[test]
    fn two_failures_are_enough_and_the_newest_says_what_it_was() {
        let (mut blame, at) = (Blame::default(), Instant::now());
        assert!(!blame.add(0, Cause::Silent, at, second(1)));
        assert_eq!(blame.cause(), None);
        assert!(!blame.stands(at, LASTS));
        assert!(blame.add(1, Cause::WrongSignature, at, second(2)));
        assert_eq!(blame.cause(), Some((&Cause::WrongSignature, second(2))));
        assert!(blame.stands(at, LASTS));
        // It is suspect already.
        assert!(!blame.add(0, Cause::Closed, at, second(3)));
        assert_eq!(blame.cause(), Some((&Cause::Closed, second(3))));
    }

    #[test]
    fn a_signature_clears_the_failures_of_all_paths() {
        let (mut blame, at) = (Blame::default(), Instant::now());
        blame.add(0, Cause::Silent, at, second(1));
        assert!(!blame.forgive());
        blame.add(0, Cause::Silent, at, second(1));
        blame.add(1, Cause::Silent, at, second(1));
        assert!(blame.forgive());
        assert!(!blame.add(0, Cause::Silent, at, second(1)));
    }

    #[test]
    fn it_stands_for_a_while_after_the_newest_failure() {
        let (mut blame, at) = (Blame::default(), Instant::now());
        blame.add(0, Cause::Silent, at, second(1));
        blame.add(0, Cause::Silent, at, second(1));
        let after = |more: Duration| at.checked_add(more).unwrap();
        assert!(blame.stands(after(Duration::from_millis(29_999)), LASTS));
        assert!(!blame.stands(after(LASTS), LASTS));
        // Status goes on saying what was wrong.
        assert!(blame.cause().is_some());
    }

    #[test]
    fn only_silence_is_forgiven_without_a_signature() {
        for (cause, forgiven) in [
            (Cause::Abandoned, true),
            (Cause::Closed, true),
            (Cause::Silent, true),
            (Cause::WrongSignature, false),
        ] {
            let (mut blame, at) = (Blame::default(), Instant::now());
            blame.add(0, cause.clone(), at, second(1));
            blame.add(1, cause.clone(), at, second(1));
            blame.forgive_silence();
            assert_eq!(blame.cause().is_none(), forgiven, "{cause:?}");
        }
    }
}
