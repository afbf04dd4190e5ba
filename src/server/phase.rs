//! Where a connection stands between its peer, hyper and the service, and what ends the wait there.
//!
//! Pure: the time comes as an argument. Three parties write to it (the tap, the service wrapper and the
//! answer's body), one reads it (the connection's driver). They all run inside one task, so the lock
//! around it is never contended; it exists because that task may move between threads.
//!
//! Invariant: from [`Phase::Working`] the only way on leads over an answer that has left completely.

use tokio::time::{Duration, Instant};

use super::Limits;
use super::refusal::Refusal;

/// How long a request goes on after its peer has closed its sending side. A peer that only says "no
/// more requests" still gets a quick answer; one that is gone does not keep its request in a queue.
const HALF_CLOSED: Duration = Duration::from_secs(1);

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its very first byte.
    Fresh { since: Instant },
    /// The rest of a head.
    Head { since: Instant },
    /// The service, or the way of its answer to the peer.
    Working { answer: Answer },
    /// The rest of a body whose request has been answered.
    Rest { since: Instant },
    /// The next request.
    Idle { since: Instant },
}

/// How far the answer to the current request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Answer {
    /// The service works.
    Awaited,
    /// The service has returned it.
    Returned,
    /// hyper has taken all of it; the next complete flush sends its last byte.
    Taken,
}

/// What to do when a wait has taken too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// Take leave of a peer that has asked nothing.
    Dismiss,
    /// Drop the connection: the peer is gone, or does not read its answer, or does not send its rest.
    Drop,
    /// Answer 408.
    SlowHead,
}

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Progress {
    phase: Phase,
    /// Whether the last byte of the current message has come.
    whole: bool,
    /// Since when nothing could be written, while something had to be.
    stalled: Option<Instant>,
    /// Since when the peer sends no more, while the service works.
    half_closed: Option<Instant>,
    refusal: Option<Refusal>,
}

impl Progress {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Fresh { since: now },
            whole: false,
            stalled: None,
            half_closed: None,
            refusal: None,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Whether an answer exists, so that nothing else may be written.
    pub(super) fn is_answered(&self) -> bool {
        match self.phase {
            Phase::Working { answer } => answer >= Answer::Returned,
            Phase::Rest { .. } => true,
            Phase::Fresh { .. } | Phase::Head { .. } | Phase::Idle { .. } => false,
        }
    }

    /// Whether the last byte of the current message has come.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// The first byte of a head has come.
    pub(super) fn head_begins(&mut self, now: Instant) {
        self.phase = Phase::Head { since: now };
        self.whole = false;
    }

    /// The head is complete and goes to hyper.
    pub(super) fn request_begins(&mut self) {
        self.phase = Phase::Working {
            answer: Answer::Awaited,
        };
    }

    pub(super) fn answer_returned(&mut self) {
        self.answer(Answer::Returned);
    }

    pub(super) fn answer_taken(&mut self) {
        self.answer(Answer::Taken);
    }

    fn answer(&mut self, now: Answer) {
        if let Phase::Working { answer } = &mut self.phase {
            *answer = now;
        }
    }

    /// Everything that hyper had has been written. Returns whether the connection became idle.
    pub(super) fn flushed(&mut self, now: Instant) -> bool {
        self.stalled = None;
        if self.phase
            != (Phase::Working {
                answer: Answer::Taken,
            })
        {
            return false;
        }
        self.phase = if self.whole {
            Phase::Idle { since: now }
        } else {
            Phase::Rest { since: now }
        };
        self.whole
    }

    /// The last byte of the message has come. Returns whether the connection became idle.
    pub(super) fn message_done(&mut self, now: Instant) -> bool {
        self.whole = true;
        let rest = matches!(self.phase, Phase::Rest { .. });
        if rest {
            self.phase = Phase::Idle { since: now };
        }
        rest
    }

    /// The peer has closed its sending side.
    pub(super) fn half_closed(&mut self, now: Instant) {
        self.half_closed.get_or_insert(now);
    }

    /// Something could not be written.
    pub(super) fn write_blocked(&mut self, now: Instant) {
        self.stalled.get_or_insert(now);
    }

    /// Something was written.
    pub(super) fn write_moved(&mut self) {
        self.stalled = None;
    }

    /// The edge has to answer by itself; the first reason stands.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert(refusal);
    }

    /// When the present wait ends, and how.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<(Instant, Expiry)> {
        let wait = match self.phase {
            Phase::Fresh { since } => Some((since, limits.first_byte, Expiry::Dismiss)),
            Phase::Head { since } => Some((since, limits.head, Expiry::SlowHead)),
            Phase::Working {
                answer: Answer::Awaited,
            } => self
                .half_closed
                .map(|since| (since, HALF_CLOSED, Expiry::Drop)),
            Phase::Working {
                answer: Answer::Returned | Answer::Taken,
            } => None,
            Phase::Rest { since } => Some((since, limits.body, Expiry::Drop)),
            Phase::Idle { since } => Some((since, limits.idle, Expiry::Dismiss)),
        };
        let stall = self
            .stalled
            .map(|since| (since, limits.write, Expiry::Drop));
        let at = |(since, length, expiry): (Instant, Duration, Expiry)| {
            // A length beyond the clock's range means no limit.
            since.checked_add(length).map(|at| (at, expiry))
        };
        [wait.and_then(at), stall.and_then(at)]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// Progress with the limits of the defaults, and its beginning.
    fn fresh() -> (Progress, Instant, Limits) {
        let now = Instant::now();
        (Progress::new(now), now, Limits::default())
    }

    #[test]
    fn each_wait_has_its_own_length() {
        let (mut progress, start, limits) = fresh();
        assert_eq!(
            progress.deadline(&limits),
            Some((start + seconds(5), Expiry::Dismiss))
        );
        let head = start + seconds(4);
        progress.head_begins(head);
        assert_eq!(
            progress.deadline(&limits),
            Some((head + seconds(5), Expiry::SlowHead))
        );
        progress.request_begins();
        assert_eq!(progress.deadline(&limits), None);
        assert!(!progress.message_done(head));
        progress.answer_returned();
        progress.answer_taken();
        let idle = head + seconds(30);
        assert!(progress.flushed(idle));
        assert_eq!(
            progress.deadline(&limits),
            Some((idle + seconds(75), Expiry::Dismiss))
        );
    }

    #[test]
    fn flush_before_the_answer_is_taken_changes_nothing() {
        let (mut progress, start, _) = fresh();
        progress.request_begins();
        assert!(!progress.flushed(start));
        progress.answer_returned();
        assert!(!progress.flushed(start));
        assert_eq!(
            progress.phase(),
            Phase::Working {
                answer: Answer::Returned
            }
        );
    }

    #[test]
    fn answered_request_with_unread_body_waits_for_its_rest() {
        let (mut progress, start, limits) = fresh();
        progress.request_begins();
        progress.answer_taken();
        assert!(!progress.flushed(start));
        assert_eq!(
            progress.deadline(&limits),
            Some((start + seconds(5), Expiry::Drop))
        );
        assert!(progress.message_done(start));
        assert_eq!(progress.phase(), Phase::Idle { since: start });
    }

    #[test]
    fn write_without_progress_ends_and_any_progress_renews() {
        let (mut progress, start, limits) = fresh();
        progress.request_begins();
        progress.answer_returned();
        progress.write_blocked(start);
        progress.write_blocked(start + seconds(9));
        assert_eq!(
            progress.deadline(&limits),
            Some((start + seconds(10), Expiry::Drop))
        );
        progress.write_moved();
        assert_eq!(progress.deadline(&limits), None);
    }

    #[test]
    fn half_closed_peer_is_given_a_moment_only_while_the_service_works() {
        let (mut progress, start, limits) = fresh();
        progress.request_begins();
        progress.half_closed(start);
        assert_eq!(
            progress.deadline(&limits),
            Some((start + seconds(1), Expiry::Drop))
        );
        progress.answer_returned();
        assert_eq!(progress.deadline(&limits), None);
    }
}
