//! When to look at the chain: for each key once, again after a gap and when it was halted or resumed, and not too
//! often when it fails.
//! Pure but for the time that it is given.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::node::judge::Sought;
use crate::tezos::Level;

/// More levels than this between two readings of the head, seconds apart, mean that time went by unseen: the
/// machine slept, or was put back as a whole together with this process.
const GAP_LEVELS: u32 = 10;
/// After a failure the next try comes after this long, and after each further one twice as late.
const FIRST_DELAY: Duration = Duration::from_secs(5);
/// No try comes later than this.
const LAST_DELAY: Duration = Duration::from_mins(5);

/// What was looked at, and what came in between.
#[derive(Debug, Default)]
pub(super) struct Due {
    checked: BTreeSet<Sought>,
    last: Option<Level>,
    failed: Option<Failed>,
}

#[derive(Debug)]
struct Failed {
    next: Instant,
    delay: Duration,
}

impl Due {
    /// The node is gone, or another one: what comes after it is to be looked at anew.
    pub(super) fn lost(&mut self) {
        self.last = None;
        self.checked.clear();
        self.failed = None;
    }

    /// The node's head is at `level`.
    pub(super) fn seen(&mut self, level: Level) {
        let before = self.last.replace(level);
        if before.is_some_and(|before| level.get() > before.get().saturating_add(GAP_LEVELS)) {
            self.checked.clear();
        }
    }

    /// Whether to look for `sought` at `now`.
    pub(super) fn is_due(&self, sought: &[Sought], now: Instant) -> bool {
        let rests = self.failed.as_ref().is_some_and(|failed| now < failed.next);
        let all = sought.iter().all(|one| self.checked.contains(one));
        !all && !rests
    }

    /// `sought` were looked for, and stand so by the end of it, when the head was at `head`. What went by
    /// meanwhile is no gap.
    pub(super) fn done(&mut self, sought: Vec<Sought>, head: Option<Level>) {
        self.checked = sought.into_iter().collect();
        self.last = head;
        self.failed = None;
    }

    /// The look that ended at `now` did not come to its end.
    pub(super) fn failed(&mut self, now: Instant) {
        let delay = self.failed.as_ref().map_or(FIRST_DELAY, |failed| {
            failed.delay.saturating_mul(2).min(LAST_DELAY)
        });
        let next = now.checked_add(delay).unwrap_or(now);
        self.failed = Some(Failed { next, delay });
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::{key, secret};
    use crate::guard::Account;
    use crate::tezos::{ChainId, Curve};

    use super::*;

    fn accounts() -> [Sought; 2] {
        [key(), secret(Curve::Bls, 1).public_key().hash()].map(|key| Sought {
            account: Account {
                chain: ChainId::MAINNET,
                key,
            },
            halted: false,
        })
    }

    fn level(number: u32) -> Level {
        Level::new(number).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn each_key_is_looked_for_once_until_another_key_or_a_gap_comes() {
        let [one, other] = accounts();
        let now = Instant::now();
        let mut due = Due::default();
        due.seen(level(100));
        assert!(due.is_due(&[one], now));
        assert!(!due.is_due(&[], now));
        due.done(vec![one], Some(level(100)));
        assert!(!due.is_due(&[one], now));
        assert!(due.is_due(&[one, other], now));
        // The look took its time.
        due.done(vec![one, other], Some(level(145)));
        // A key that is gone is no reason to look for the rest again.
        assert!(!due.is_due(&[other], now));
        for next in [150, 160, 170, 155, 165] {
            due.seen(level(next));
            assert!(!due.is_due(&[one, other], now), "{next}");
        }
        due.seen(level(176));
        assert!(due.is_due(&[one, other], now));
        due.done(vec![one, other], Some(level(176)));
        due.lost();
        due.seen(level(176));
        assert!(due.is_due(&[one, other], now));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_looked_for_again_once_it_is_resumed_however_it_was_halted() {
        let [one, _] = accounts();
        let halted = Sought {
            halted: true,
            ..one
        };
        let now = Instant::now();
        let mut due = Due::default();
        // The look itself halted it.
        due.done(vec![halted], Some(level(100)));
        assert!(!due.is_due(&[halted], now));
        assert!(due.is_due(&[one], now));
        due.done(vec![one], Some(level(100)));
        // Somebody else did.
        assert!(due.is_due(&[halted], now));
    }

    #[tokio::test(start_paused = true)]
    async fn tries_become_rarer_while_they_fail() {
        let [one, _] = accounts();
        let mut due = Due::default();
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            due.failed(Instant::now());
            let step = Duration::from_secs(seconds);
            let before = step.checked_sub(Duration::from_millis(1)).unwrap();
            tokio::time::advance(before).await;
            assert!(!due.is_due(&[one], Instant::now()), "{seconds}");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(due.is_due(&[one], Instant::now()), "{seconds}");
        }
        due.done(vec![], None);
        due.failed(Instant::now());
        tokio::time::advance(FIRST_DELAY).await;
        assert!(due.is_due(&[one], Instant::now()));
    }
}
