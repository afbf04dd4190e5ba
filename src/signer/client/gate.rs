//! The gate that a request passes just before its first byte may leave.
//!
//! Whoever waits for the request keeps a copy. The copy says whether the request has passed, and can close
//! the gate before it does. Of the two, exactly one comes first: a request that was withdrawn never leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::time::Instant;

const WAITING: u8 = 0;
const SENT: u8 = 1;
const WITHDRAWN: u8 = 2;

/// The gate of one request; clones are the same gate. The default one is open.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    state: AtomicU8,
    sends: AtomicU8,
    not_after: Option<Instant>,
}

impl Gate {
    /// One without a time limit.
    #[must_use]
    pub fn open() -> Self {
        Self::default()
    }

    /// One that lets nothing pass after `not_after`.
    #[must_use]
    pub fn until(not_after: Instant) -> Self {
        Self(Arc::new(Inside {
            not_after: Some(not_after),
            ..Inside::default()
        }))
    }

    /// Whether bytes may have left.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == SENT
    }

    /// How often the request may have left; it is sent again where that is allowed. Stays at 255.
    #[must_use]
    pub fn sends(&self) -> u8 {
        self.0.sends.load(Ordering::Acquire)
    }

    /// Whether both are the gate of one request.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Closes it. False if bytes may have left already: then it stays open.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        self.advance(WITHDRAWN)
    }

    /// Passes it, for each time that the request is about to leave. False if it was withdrawn or its time
    /// is over: then no byte may leave.
    #[must_use]
    pub(super) fn enter(&self) -> bool {
        let in_time = self
            .0
            .not_after
            .is_none_or(|not_after| Instant::now() <= not_after);
        if !in_time || !self.advance(SENT) {
            return false;
        }
        let more = |sends: u8| Some(sends.saturating_add(1));
        let counted = self
            .0
            .sends
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        counted.is_ok()
    }

    /// The request passed, but its connection was gone and no byte was written. It counts as sent still.
    pub(super) fn nothing_left(&self) {
        let less = |sends: u8| Some(sends.saturating_sub(1));
        let taken = self
            .0
            .sends
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        debug_assert!(taken.is_ok(), "the closure never gives up");
    }

    /// From waiting to `to`; true if that is where it stands now.
    fn advance(&self, to: u8) -> bool {
        let state = &self.0.state;
        let moved = state.compare_exchange(WAITING, to, Ordering::AcqRel, Ordering::Acquire);
        moved.is_ok() || moved == Err(to)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_open_gate_lets_a_request_pass_and_counts_how_often() {
        let gate = Gate::open();
        let copy = gate.clone();
        assert_eq!((copy.is_sent(), copy.sends()), (false, 0));
        assert!(gate.enter());
        assert!(gate.enter());
        assert_eq!((copy.is_sent(), copy.sends()), (true, 2));
    }

    #[test]
    fn what_was_withdrawn_never_passes_and_what_has_passed_is_not_withdrawn() {
        let gate = Gate::open();
        assert!(gate.clone().withdraw());
        assert!(!gate.enter());
        assert_eq!((gate.is_sent(), gate.sends()), (false, 0));

        let gate = Gate::open();
        assert!(gate.enter());
        assert!(!gate.clone().withdraw());
        assert!(gate.enter());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_passes_after_its_time() {
        let time = Duration::from_secs(4);
        let gate = Gate::until(Instant::now().checked_add(time).unwrap());
        tokio::time::advance(time).await;
        assert!(gate.enter());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!gate.enter());
        assert_eq!((gate.is_sent(), gate.sends()), (true, 1));
    }
}
