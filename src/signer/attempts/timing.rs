//! When an attempt gets a companion: pure.
//!
//! Delays follow from what is usual for the signer that was asked, never from the bytes or the baker.

use std::time::Duration;

use tokio::time::Instant;

/// Before another *signer* is asked for a block whose key does not sign deterministically: a second
/// signature over the same block may come to exist, which is safe but not wanted.
const BLOCK_SIGNER_DELAY: Duration = Duration::from_millis(1_500);

/// What those who wait at a signer, `ahead` of them, take together if each takes what is `usual`.
pub(super) fn wait(usual: Duration, ahead: usize) -> Duration {
    usual.saturating_mul(u32::try_from(ahead).unwrap_or(u32::MAX))
}

/// How long an attempt is left alone: the usual time of its signer, and that of those before it.
pub(super) fn delay(usual: Duration, wait: Duration) -> Duration {
    usual.saturating_add(wait)
}

/// When the next attempt starts, if `after_delay` is when the newest one has had its delay. With
/// `block_delay`, the next one would ask another signer for a second signature over a block: not before the
/// first living attempt, begun at `first_begun`, has had time enough.
pub(super) fn start_of_next(
    after_delay: Instant,
    first_begun: Option<Instant>,
    block_delay: bool,
) -> Instant {
    let delayed = first_begun
        .filter(|_| block_delay)
        .and_then(|begun| begun.checked_add(BLOCK_SIGNER_DELAY));
    delayed.map_or(after_delay, |delayed| delayed.max(after_delay))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_attempt_has_the_usual_time_for_itself_and_for_each_before_it() {
        for (usual, ahead, expected) in [(400, 0, 400), (400, 1, 800), (50, 4, 250)] {
            let usual = ms(usual);
            assert_eq!(delay(usual, wait(usual, ahead)), ms(expected));
        }
        let endless = delay(Duration::MAX, wait(Duration::MAX, usize::MAX));
        assert_eq!(endless, Duration::MAX);
    }

    #[test]
    fn another_signer_is_asked_for_a_block_after_one_and_a_half_seconds_or_the_delay() {
        let start = Instant::now();
        let at = |after: u64| start.checked_add(ms(after)).unwrap();
        for (after_delay, block_delay, expected) in [
            (at(400), true, at(1_500)),
            (at(2_000), true, at(2_000)),
            (at(400), false, at(400)),
        ] {
            let next = start_of_next(after_delay, Some(start), block_delay);
            assert_eq!(next, expected);
        }
        assert_eq!(start_of_next(at(400), None, true), at(400));
    }
}
