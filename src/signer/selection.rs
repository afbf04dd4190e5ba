//! The order in which signers are asked: pure.
//!
//! Sticky: the signer that signed last for a key stays first while it is up, so that its watermark stays
//! local and nothing flaps. A preferred one takes over again after it has been good for the hold-down,
//! and only between rounds.

use std::time::Duration;

use tokio::time::Instant;

use super::health::SignerState;

/// How long a preferred signer must have been good before it takes over again.
pub(super) const HOLD_DOWN: Duration = Duration::from_secs(30);

/// Whether a signer has shown the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Served {
    /// Showed a public key that hashes to it.
    Proved,
    /// Not asked yet.
    Unknown,
    /// Said that it has no such key.
    Denied,
}

/// A signer as the choice sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// Position in the configuration.
    pub(super) index: usize,
    /// Lower is preferred.
    pub(super) priority: u32,
    /// Its state.
    pub(super) state: SignerState,
    /// Since when it has been in that state.
    pub(super) entered: Instant,
    /// Whether it has been down since start-up.
    pub(super) was_down: bool,
    /// Whether it has the key.
    pub(super) served: Served,
}

/// Whether the choice falls inside a round that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timing {
    /// Another payload of the same round was signed already: do not switch back now.
    WithinRound,
    /// A new round.
    BetweenRounds,
}

/// Signers to ask, best first. Draining signers and those without the key are left out; those that are
/// down come last, because the best of the bad is tried when there is nothing else.
#[must_use]
pub(super) fn order(
    views: &[View],
    active: Option<usize>,
    timing: Timing,
    hold_down: Duration,
    now: Instant,
) -> Vec<usize> {
    let mut usable: Vec<&View> = views
        .iter()
        .filter(|view| view.state != SignerState::Draining)
        .collect();
    usable.sort_by_key(|view| {
        let denied = view.served == Served::Denied;
        (
            denied,
            view.state.rank(),
            view.served,
            view.priority,
            view.index,
        )
    });
    let Some(active) = active.and_then(|index| usable.iter().find(|view| view.index == index))
    else {
        return usable.iter().map(|view| view.index).collect();
    };
    let active = **active;
    let best = usable.first().copied().copied().unwrap_or(active);
    let stays = active.state == SignerState::Up
        && active.served != Served::Denied
        && (best.priority >= active.priority
            || timing == Timing::WithinRound
            || !proven(&best, hold_down, now));
    if stays {
        usable.sort_by_key(|view| view.index != active.index);
    }
    usable.iter().map(|view| view.index).collect()
}

/// A signer that never failed needs no proof; one that came back must have been good for a while.
fn proven(view: &View, hold_down: Duration, now: Instant) -> bool {
    !view.was_down || now.saturating_duration_since(view.entered) >= hold_down
}

#[cfg(test)]
mod tests;
