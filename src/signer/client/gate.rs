//! The gate that a request passes just before its first byte may leave.
//!
//! Whoever waits for the request keeps a copy. The copy says whether the request has passed, and can close
//! the gate before it does. Of the two, exactly one comes first: a request that was withdrawn never leaves. One
//! that has passed may pass again, over a fresh connection, until somebody closes the gate behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use tokio::time::Instant;

/// Nothing passes any more.
const CLOSED: u16 = 1 << 15;
/// How often the request may have left: the rest of the bits.
const SENDS: u16 = CLOSED - 1;

/// The gate of one request; clones are the same gate. The default one is open.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// [`CLOSED`] and [`SENDS`] in one word, so that nothing comes between them.
    state: AtomicU16,
    not_after: Option<Instant>,
    allowance: Option<Allowance>,
}

/// How many requests may pass the gates that share it; clones are the same allowance.
#[derive(Clone, Debug)]
pub struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// One for so many requests.
    #[must_use]
    pub fn new(requests: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(requests)))
    }

    fn take(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        let taken = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        taken.is_ok()
    }

    fn give_back(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
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

    /// One that lets nothing pass after `not_after`, nor more than it shares with others.
    #[must_use]
    pub fn within(allowance: &Allowance, not_after: Instant) -> Self {
        Self(Arc::new(Inside {
            not_after: Some(not_after),
            allowance: Some(allowance.clone()),
            ..Inside::default()
        }))
    }

    /// Whether bytes may have left.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.sends() > 0
    }

    /// How often the request may have left; it is sent again where that is allowed. Stays at 255.
    #[must_use]
    pub fn sends(&self) -> u8 {
        let sends = self.0.state.load(Ordering::Acquire) & SENDS;
        u8::try_from(sends).unwrap_or(u8::MAX)
    }

    /// Whether both are the gate of one request.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Closes it if nothing has left; true if so. False if bytes may have left already: then it stays as it is.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        let before = self.update(|state| (state & SENDS == 0).then_some(state | CLOSED));
        before.is_some()
    }

    /// Closes it whatever has left: no more does. True if nothing ever did.
    #[must_use]
    pub fn close(&self) -> bool {
        let before = self.update(|state| Some(state | CLOSED));
        before.is_some_and(|state| state & SENDS == 0)
    }

    /// Passes it, for each time that the request is about to leave. False if it is closed, its time is over, or
    /// others have used up what it shares with them: then no byte may leave.
    #[must_use]
    pub(super) fn enter(&self) -> bool {
        let in_time = self
            .0
            .not_after
            .is_none_or(|not_after| Instant::now() <= not_after);
        let more = |state: u16| match state {
            open if open & CLOSED != 0 => None,
            SENDS => Some(SENDS),
            fewer => Some(fewer.saturating_add(1)),
        };
        if !in_time || !self.0.allowance.as_ref().is_none_or(Allowance::take) {
            return false;
        }
        let passed = self.update(more).is_some();
        if !passed && let Some(allowance) = &self.0.allowance {
            allowance.give_back();
        }
        passed
    }

    /// What left through it was definitely refused: others may pass in its place.
    pub(in crate::signer) fn refund(&self) {
        if let Some(allowance) = &self.0.allowance {
            (0..self.sends()).for_each(|_| allowance.give_back());
        }
    }

    /// The request passed, but its connection was gone and no byte was written.
    pub(super) fn nothing_left(&self) {
        let less = |state: u16| (state & SENDS > 0).then(|| state.saturating_sub(1));
        let taken = self.update(less);
        if let Some(allowance) = &self.0.allowance {
            allowance.give_back();
        }
        debug_assert!(taken.is_some(), "only what has passed can come back");
    }

    /// The state before, if there was a next one.
    fn update(&self, next: impl FnMut(u16) -> Option<u16>) -> Option<u16> {
        let state = &self.0.state;
        state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next)
            .ok()
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

    #[test]
    fn nothing_leaves_again_once_it_is_closed_and_what_has_left_is_known_still() {
        let gate = Gate::open();
        assert!(gate.enter());
        assert!(!gate.clone().close());
        assert!(!gate.enter());
        assert_eq!((gate.is_sent(), gate.sends()), (true, 1));

        let gate = Gate::open();
        assert!(gate.close());
        assert!(!gate.enter());
        assert_eq!((gate.is_sent(), gate.sends()), (false, 0));
    }

    #[test]
    fn what_came_back_unwritten_has_not_left_and_can_be_withdrawn() {
        let gate = Gate::open();
        assert!(gate.enter());
        gate.nothing_left();
        assert_eq!((gate.is_sent(), gate.sends()), (false, 0));
        assert!(gate.withdraw());
        assert!(!gate.enter());
    }

    #[test]
    fn gates_that_share_an_allowance_let_no_more_pass_than_it_has() {
        let allowance = Allowance::new(2);
        let soon = Instant::now().checked_add(Duration::from_mins(1)).unwrap();
        let gates = [(); 3].map(|()| Gate::within(&allowance, soon));
        assert!(gates[0].enter());
        assert!(gates[1].enter());
        assert!(!gates[2].enter());
        assert!(!gates[2].is_sent());
        gates[1].nothing_left();
        assert!(gates[2].enter());
        assert!(!gates[0].enter());
        // A closed gate takes nothing of it.
        gates[2].nothing_left();
        assert!(gates[2].close());
        assert!(!gates[2].enter());
        assert!(gates[1].enter());
        assert!(!gates[0].enter());
        gates[0].refund();
        assert!(gates[0].enter());
        assert!(!gates[1].enter());
    }

    #[test]
    fn it_counts_no_further_than_it_can() {
        let gate = Gate::open();
        for _ in 0..40_000 {
            assert!(gate.enter());
        }
        assert_eq!(gate.sends(), u8::MAX);
        assert!(!gate.close());
        assert!(!gate.enter());
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
