//! Where a signer stands: the state that is shown, how long it has been good, and how often it was not.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::super::flaps::Flaps;
use super::super::health::SignerState;
use super::super::selection::{HOLD_DOWN, HOLD_DOWN_MOST};

/// The standing of one signer.
#[derive(Debug)]
pub(super) struct Standing {
    /// As shown: a drained signer is draining whatever its health.
    shown: SignerState,
    /// When that began, for people.
    since: Timestamp,
    /// What its paths and its signatures say.
    health: SignerState,
    /// Since when that is up; of no use if it is not.
    good_since: Instant,
    /// Whether it is down, or failed at signing.
    is_out: bool,
    flaps: Flaps,
}

/// A change of the state that is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) from: SignerState,
    pub(super) to: SignerState,
    /// When the state before had begun.
    pub(super) entered_before: Timestamp,
}

impl Standing {
    pub(super) fn new(now: Instant, since: Timestamp) -> Self {
        Self {
            shown: SignerState::Unknown,
            since,
            health: SignerState::Unknown,
            good_since: now,
            is_out: false,
            flaps: Flaps::new(HOLD_DOWN, HOLD_DOWN_MOST),
        }
    }

    pub(super) fn shown(&self) -> SignerState {
        self.shown
    }

    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    pub(super) fn health(&self) -> SignerState {
        self.health
    }

    /// How long it has been up at `now`.
    pub(super) fn good_for(&self, now: Instant) -> Duration {
        match self.health {
            SignerState::Up => now.saturating_duration_since(self.good_since),
            SignerState::Down
            | SignerState::Draining
            | SignerState::Suspect
            | SignerState::Unknown => Duration::ZERO,
        }
    }

    /// How long it must have been up at `now` to take over again.
    pub(super) fn hold_down(&self, now: Instant) -> Duration {
        self.flaps.hold_down(now)
    }

    /// Takes the health in, and whether it is out because of it.
    pub(super) fn advance(
        &mut self,
        health: SignerState,
        is_out: bool,
        is_drained: bool,
        (at, now): (Instant, Timestamp),
    ) -> Option<Change> {
        if health == SignerState::Up && self.health != SignerState::Up {
            self.good_since = at;
        }
        self.health = health;
        if is_out && !self.is_out {
            self.flaps.out(at);
        }
        self.is_out = is_out;
        let to = if is_drained {
            SignerState::Draining
        } else {
            health
        };
        if self.shown == to {
            return None;
        }
        let from = std::mem::replace(&mut self.shown, to);
        let entered_before = std::mem::replace(&mut self.since, now);
        Some(Change {
            from,
            to,
            entered_before,
        })
    }
}
