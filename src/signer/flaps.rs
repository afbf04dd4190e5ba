//! How long something that went out must be good before it is trusted again: pure.
//!
//! Each time that it goes out again within ten minutes doubles what is asked of it, up to a bound. What
//! never went out has nothing to prove.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What lies further back does not count.
const WINDOW: Duration = Duration::from_mins(10);
/// More do not make a difference.
const MOST_OUTS: usize = 16;

/// When something went out lately.
#[derive(Debug)]
pub(super) struct Flaps {
    least: Duration,
    most: Duration,
    /// Oldest first; the newest is kept however old it is.
    outs: VecDeque<Instant>,
}

impl Flaps {
    /// One that must be good for `least` after it went out once, and for `most` however often it did.
    pub(super) const fn new(least: Duration, most: Duration) -> Self {
        Self {
            least,
            most,
            outs: VecDeque::new(),
        }
    }

    /// Notes that it went out at `now`.
    pub(super) fn out(&mut self, now: Instant) {
        self.outs.push_back(now);
        if self.outs.len() > MOST_OUTS {
            self.outs.pop_front();
        }
    }

    /// How long it must have been good at `now` to be trusted as before; zero if it never went out.
    pub(super) fn hold_down(&self, now: Instant) -> Duration {
        if self.outs.is_empty() {
            return Duration::ZERO;
        }
        let recent = |out: &&Instant| now.saturating_duration_since(**out) < WINDOW;
        let again = self.outs.iter().filter(recent).count().saturating_sub(1);
        let doublings = u32::try_from(again).unwrap_or(u32::MAX);
        let times = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.least.saturating_mul(times).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn each_return_within_ten_minutes_doubles_the_hold_down() {
        let mut flaps = Flaps::new(seconds(30), seconds(300));
        let start = Instant::now();
        let at = |after: u64| start.checked_add(seconds(after)).unwrap();
        assert_eq!(flaps.hold_down(start), Duration::ZERO);
        for (after, expected) in [(0, 30), (2, 60), (4, 120), (6, 240), (8, 300), (599, 300)] {
            flaps.out(at(after));
            assert_eq!(flaps.hold_down(at(after)), seconds(expected), "at {after}");
        }
        // It is forgotten one by one, and that it ever went out is not.
        for (after, expected) in [(600, 300), (604, 120), (607, 60), (608, 30), (100_000, 30)] {
            assert_eq!(flaps.hold_down(at(after)), seconds(expected), "at {after}");
        }
    }

    #[test]
    fn flapping_for_a_day_takes_no_more_memory() {
        let (mut flaps, now) = (Flaps::new(seconds(30), seconds(300)), Instant::now());
        for _ in 0..10_000 {
            flaps.out(now);
        }
        assert_eq!(flaps.outs.len(), MOST_OUTS);
        assert_eq!(flaps.hold_down(now), seconds(300));
    }
}
