//! How long a signer usually takes to sign: pure.

use std::collections::VecDeque;
use std::time::Duration;

/// Samples that are remembered.
const WINDOW: usize = 32;
/// What is assumed of a signer that has not signed yet.
pub(super) const COLD: Duration = Duration::from_millis(400);
/// What is assumed of a device that waits for its own chip, as a Ledger does.
pub(super) const COLD_DEVICE: Duration = Duration::from_millis(1_500);
/// The least delay before another attempt.
pub(super) const FLOOR: Duration = Duration::from_millis(50);

/// The last signing times of one signer.
#[derive(Debug, Default)]
pub(super) struct Latency {
    samples: VecDeque<Duration>,
}

impl Latency {
    pub(super) fn add(&mut self, sample: Duration) {
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// The 95th percentile, at least [`FLOOR`]; `cold` without samples.
    pub(super) fn usual(&self, cold: Duration) -> Duration {
        let mut sorted: Vec<Duration> = self.samples.iter().copied().collect();
        sorted.sort_unstable();
        let index = sorted
            .len()
            .saturating_mul(95)
            .div_ceil(100)
            .saturating_sub(1);
        sorted
            .get(index)
            .map_or(cold, |sample| (*sample).max(FLOOR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cold_then_the_slow_tail_and_never_below_the_floor() {
        let mut latency = Latency::default();
        assert_eq!(latency.usual(COLD), COLD);
        for _ in 0..30 {
            latency.add(Duration::from_millis(3));
        }
        assert_eq!(latency.usual(COLD), FLOOR);
        for _ in 0..3 {
            latency.add(Duration::from_millis(900));
        }
        assert_eq!(latency.usual(COLD), Duration::from_millis(900));
    }
}
