//! Signatures under way at a signer: a busy device may be slow to answer anything else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A signature under way excuses missed probes at least this long.
const LEAST_EXCUSE: Duration = Duration::from_millis(300);

/// A signature is given at least this long before a silent signer counts as unwell.
const LEAST_PATIENCE: Duration = Duration::from_secs(2);

/// The signatures under way at one signer.
#[derive(Debug, Default)]
pub(super) struct UnderWay(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When each began.
    begun: Vec<Instant>,
    /// When the last one ended that did not take much longer than usual.
    ended: Option<Instant>,
}

/// A signature under way; ends when dropped.
#[derive(Debug)]
pub(in crate::signer) struct InFlight {
    all: Arc<UnderWay>,
    begun: Instant,
    /// How long it is young.
    young: Duration,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.all.state();
        if let Some(index) = state.begun.iter().position(|begun| *begun == self.begun) {
            state.begun.swap_remove(index);
        }
        if self.begun.elapsed() < self.young {
            state.ended = Some(Instant::now());
        }
    }
}

impl UnderWay {
    /// One more, at a signer with this usual time.
    pub(super) fn begin(self: &Arc<Self>, usual: Duration) -> InFlight {
        let begun = Instant::now();
        self.state().begun.push(begun);
        InFlight {
            all: Arc::clone(self),
            begun,
            young: young(usual),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.state().begun.len()
    }

    /// Whether there are some and none takes much longer than usual. Those that lost all patience do not count: what
    /// became of them is settled, and the device may be at work for others.
    pub(super) fn are_young(&self, usual: Duration) -> bool {
        let state = self.state();
        let ages = state.begun.iter().map(Instant::elapsed);
        let mut ages = ages.filter(|age| *age < patience(usual)).peekable();
        ages.peek().is_some() && ages.all(|age| age < young(usual))
    }

    /// Whether one ended after `instant` that had not taken much longer than usual.
    pub(super) fn ended_since(&self, instant: Instant) -> bool {
        self.state().ended.is_some_and(|ended| ended >= instant)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a signature may take before its silence means something.
pub(super) fn patience(usual: Duration) -> Duration {
    usual.saturating_mul(3).max(LEAST_PATIENCE)
}

/// How long a signature may take before it says nothing for its device any more.
pub(super) fn young(usual: Duration) -> Duration {
    let half_more = usual
        .checked_div(2)
        .map_or(usual, |half| usual.saturating_add(half));
    half_more.max(LEAST_EXCUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Duration = Duration::from_millis(400);

    #[tokio::test(start_paused = true)]
    async fn one_that_was_given_up_takes_the_excuse_from_nobody() {
        let all = Arc::<UnderWay>::default();
        assert!(!all.are_young(USUAL));
        let _hung = all.begin(USUAL);
        assert!(all.are_young(USUAL));
        // A device that hangs is no busy one, whoever asks it besides.
        tokio::time::advance(young(USUAL)).await;
        let _second = all.begin(USUAL);
        assert!(!all.are_young(USUAL));
        tokio::time::advance(patience(USUAL)).await;
        assert!(!all.are_young(USUAL));
        let _third = all.begin(USUAL);
        assert!(all.are_young(USUAL));
    }
}
