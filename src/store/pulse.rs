//! How long the present commit has been under way: a disk that stalls is seen while it does.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use super::committer::write;

/// Shared by the committer and those who watch it.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse(Arc<RwLock<Beats>>);

#[derive(Debug, Default)]
struct Beats {
    /// The commit under way.
    begun: Option<Instant>,
    /// The longest one since the last look.
    slowest: Duration,
}

/// A commit under way; ends when dropped.
pub(super) struct Beat<'a> {
    pulse: &'a Pulse,
    begun: Instant,
}

impl Pulse {
    pub(super) fn begin(&self) -> Beat<'_> {
        let begun = Instant::now();
        write(&self.0).begun = Some(begun);
        Beat { pulse: self, begun }
    }

    /// The longest commit since the last look, the one under way included.
    pub(super) fn take_slowest(&self) -> Duration {
        let mut beats = write(&self.0);
        let under_way = beats.begun.map(|begun| begun.elapsed()).unwrap_or_default();
        std::mem::take(&mut beats.slowest).max(under_way)
    }
}

impl Beat<'_> {
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}

impl Drop for Beat<'_> {
    fn drop(&mut self) {
        let mut beats = write(&self.pulse.0);
        beats.begun = None;
        beats.slowest = beats.slowest.max(self.begun.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_commit_is_seen_while_it_lasts_and_once_after_it() {
        let long = Duration::from_secs(3);
        let pulse = Pulse::default();
        assert_eq!(pulse.take_slowest(), Duration::ZERO);
        let beat = pulse.begin();
        tokio::time::advance(long).await;
        assert_eq!((beat.elapsed(), pulse.take_slowest()), (long, long));
        drop(beat);
        tokio::time::advance(long).await;
        assert_eq!(pulse.take_slowest(), long);
        assert_eq!(pulse.take_slowest(), Duration::ZERO);
        let short = pulse.begin();
        drop(short);
        assert_eq!(pulse.take_slowest(), Duration::ZERO);
    }
}
