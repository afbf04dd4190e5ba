//! When an attempt gets a companion: pure.
//!
//! Delays follow from what is usual for the signer that was asked and from the deadline, never from the
//! bytes or the baker.

use std::time::Duration;

use tokio::time::Instant;

use super::super::latency::FLOOR;

/// Before another *signer* is asked for a block whose key does not sign deterministically: a second
/// signature over the same block may come to exist, which is safe but not wanted.
const BLOCK_SIGNER_DELAY: Duration = Duration::from_millis(1_500);
/// No attempt is left alone for longer.
pub(super) const DELAY_MOST: Duration = Duration::from_secs(2);
/// What a companion has before the deadline besides the usual time of its signer.
const SPARE: Duration = Duration::from_millis(50);

/// What so many `turns` at a device take, if each takes what is `usual`.
pub(super) fn wait(usual: Duration, turns: usize) -> Duration {
    usual.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX))
}

/// How long an attempt is left alone: the usual time of its signer, and that of those before it; from 50 ms
/// to 2 s.
pub(super) fn delay(usual: Duration, wait: Duration) -> Duration {
    usual.saturating_add(wait).clamp(FLOOR, DELAY_MOST)
}

/// What the start of an attempt beside living ones depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Companion {
    /// When the newest attempt has had its delay.
    pub(super) after_delay: Instant,
    /// When the first living attempt began.
    pub(super) first_begun: Option<Instant>,
    /// Whether it would ask another signer for what may become a second signature over a block.
    pub(super) block_delay: bool,
    /// When the answer is of no more use.
    pub(super) deadline: Instant,
    /// The usual time of the signer that is next.
    pub(super) usual: Duration,
}

impl Companion {
    /// When it starts: after the delays, but always in time to be answered.
    pub(super) fn start(&self) -> Instant {
        let delayed = self
            .first_begun
            .filter(|_| self.block_delay)
            .and_then(|begun| begun.checked_add(BLOCK_SIGNER_DELAY));
        let start = delayed.map_or(self.after_delay, |delayed| delayed.max(self.after_delay));
        let last = self.deadline.checked_sub(self.usual.saturating_add(SPARE));
        last.map_or(start, |last| start.min(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_attempt_has_the_usual_time_for_itself_and_for_each_before_it_within_bounds() {
        for (usual, turns, expected) in [
            (400, 0, 400),
            (400, 1, 800),
            (100, 4, 500),
            (10, 0, 50),
            (1_500, 1, 2_000),
            (5_000, 0, 2_000),
        ] {
            let usual = ms(usual);
            let delay = delay(usual, wait(usual, turns));
            assert_eq!(delay, ms(expected), "{usual:?} {turns}");
        }
        let endless = delay(Duration::MAX, wait(Duration::MAX, usize::MAX));
        assert_eq!(endless, DELAY_MOST);
    }

    #[test]
    fn a_companion_starts_after_the_delays_and_in_time_for_the_deadline() {
        let start = Instant::now();
        let at = |after: u64| start.checked_add(ms(after)).unwrap();
        for (after_delay, block_delay, deadline, expected) in [
            (400, false, 4_000, 400),
            (400, true, 6_000, 1_500),
            (2_000, true, 6_000, 2_000),
            (400, true, 1_000, 550),
            (2_000, false, 2_000, 1_550),
        ] {
            let companion = Companion {
                after_delay: at(after_delay),
                first_begun: Some(start),
                block_delay,
                deadline: at(deadline),
                usual: ms(400),
            };
            assert_eq!(companion.start(), at(expected), "{companion:?}");
        }
    }
}
