//! What one operation has tried so far, and what it may try next.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::super::client::Cause;
use super::super::health::PathState;
use super::super::roster::{Path, Signer};
use super::exchange::Failure;
use super::reached;

/// First pause before a path is tried again; doubles with each try.
const BACK_OFF: Duration = Duration::from_millis(100);
/// The longest pause.
const BACK_OFF_MOST: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Tries {
    count: u32,
    last: Instant,
    revivals: u64,
    cause: Cause,
    since: Timestamp,
    sentence: String,
}

/// The tries of one operation.
#[derive(Debug, Default)]
pub(super) struct Tally {
    paths: HashMap<(usize, String), Tries>,
    refused: Vec<usize>,
    forwards: usize,
}

impl Tally {
    /// Requests that may have reached a signer.
    pub(super) fn forwards(&self) -> usize {
        self.forwards
    }

    pub(super) fn is_refused(&self, signer: &Signer) -> bool {
        self.refused.contains(&signer.index())
    }

    /// What was seen, one sentence part for each path tried.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut sentences: Vec<_> = self
            .paths
            .values()
            .map(|tries| tries.sentence.clone())
            .collect();
        sentences.sort();
        sentences
    }

    pub(super) fn failed(&mut self, signer: &Signer, path: &Path, failure: Failure) {
        if reached(failure.class) {
            self.forwards = self.forwards.saturating_add(1);
        }
        if failure.is_refusal {
            self.refused.push(signer.index());
        }
        let now = crate::time::now();
        // Health knows since when if it saw the same.
        let since = match path.health().trouble() {
            Some((cause, since)) if *cause == failure.cause => *since,
            Some(_) | None => now,
        };
        let tries = self
            .paths
            .entry((signer.index(), path.name().to_owned()))
            .or_insert(Tries {
                count: 0,
                last: Instant::now(),
                revivals: 0,
                cause: failure.cause.clone(),
                since,
                sentence: String::new(),
            });
        if tries.cause != failure.cause {
            tries.since = since;
        }
        tries.since = tries.since.min(since);
        tries.count = tries.count.saturating_add(1);
        tries.last = Instant::now();
        tries.revivals = path.revivals();
        tries.sentence = path.sentence(signer, &failure.cause, tries.since);
        tries.cause = failure.cause;
    }

    /// The next path to try: first those that take work, in order; then the rest, because the best of
    /// the bad is better than none. Also when to look again if none is ready now.
    pub(super) fn next(
        &self,
        candidates: &[Arc<Signer>],
        busy: impl Fn(&Arc<Path>) -> bool,
        now: Instant,
    ) -> (Option<(Arc<Signer>, Arc<Path>)>, Option<Instant>) {
        let mut down = None;
        let mut retry_at: Option<Instant> = None;
        for signer in candidates.iter().filter(|signer| !self.is_refused(signer)) {
            let mut paths: Vec<&Arc<Path>> = signer.paths().iter().collect();
            paths.sort_by_key(|path| path.state());
            for path in paths {
                if busy(path) {
                    continue;
                }
                let ready_at = self.ready_at(signer, path, now);
                if ready_at > now {
                    retry_at = Some(retry_at.map_or(ready_at, |at| at.min(ready_at)));
                } else if path.state() != PathState::Down {
                    return (Some((Arc::clone(signer), Arc::clone(path))), None);
                } else if down.is_none() {
                    down = Some((Arc::clone(signer), Arc::clone(path)));
                }
            }
        }
        (down, retry_at)
    }

    fn ready_at(&self, signer: &Signer, path: &Path, now: Instant) -> Instant {
        let Some(tries) = self.paths.get(&(signer.index(), path.name().to_owned())) else {
            return now;
        };
        // A path that has come back since is as good as untried.
        if path.revivals() != tries.revivals {
            return now;
        }
        let doubled = 1_u32
            .checked_shl(tries.count.saturating_sub(1).min(16))
            .unwrap_or(u32::MAX);
        let pause = BACK_OFF.saturating_mul(doubled).min(BACK_OFF_MOST);
        tries.last.checked_add(pause).unwrap_or(now)
    }
}
