//! The order in which signers are asked: pure.
//!
//! Sticky: the signer that signed last for a key stays first while it is up, so that its watermark stays
//! local and nothing flaps. A preferred one takes over again after it has been good for its hold-down,
//! and only between rounds. A signer that is being drained signs the rest of a round that it has begun, so
//! that the switch falls between rounds.

use std::time::Duration;

use super::health::SignerState;

/// How long a preferred signer that went out must have been good before it takes over again. Doubles with
/// each time that it went out within ten minutes.
pub(super) const HOLD_DOWN: Duration = Duration::from_secs(30);
/// The longest hold-down.
pub(super) const HOLD_DOWN_MOST: Duration = Duration::from_mins(5);

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
    /// What its paths and its signatures say of it, whether or not it is drained. Up still if all that is wrong is
    /// one missed probe, so that a lost packet moves no key.
    pub(super) state: SignerState,
    /// Whether it is suspect because it failed at signing.
    pub(super) blamed: bool,
    /// Whether a signature failed, and it is not known yet whether the next one will: who asks finds out.
    pub(super) in_question: bool,
    /// Whether it takes no new round.
    pub(super) draining: bool,
    /// How long it has been up.
    pub(super) good_for: Duration,
    /// How long it must have been up to take over again; zero if it never failed.
    pub(super) hold_down: Duration,
    /// Whether it has the key.
    pub(super) served: Served,
}

/// Whether the choice falls inside a round that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timing {
    /// Another payload of the same round was signed already: do not switch back now.
    WithinRound,
    /// A new round, and the active signer took over a moment ago: do not switch back yet.
    TooSoon,
    /// A new round.
    BetweenRounds,
}

/// Signers to ask, best first. Draining ones are left out, but for the active one that answers, within its
/// round. Those that are down come last, and those without the key after them, because the best of the bad
/// is tried when there is nothing else.
#[must_use]
pub(super) fn order(views: &[View], active: Option<usize>, timing: Timing) -> Vec<usize> {
    let ends_its_round = |view: &View| {
        timing == Timing::WithinRound
            && Some(view.index) == active
            && matches!(view.state, SignerState::Up | SignerState::Suspect)
    };
    let mut usable: Vec<&View> = views
        .iter()
        .filter(|view| !view.draining || ends_its_round(view))
        .collect();
    usable.sort_by_key(|view| {
        let denied = view.served == Served::Denied;
        (
            denied,
            view.state.rank(),
            // A missed probe may be nothing; two signatures that never came are something.
            view.blamed,
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
            || (timing == Timing::TooSoon && !best.in_question)
            || best.good_for < best.hold_down);
    if stays {
        usable.sort_by_key(|view| view.index != active.index);
    }
    usable.iter().map(|view| view.index).collect()
}

#[cfg(test)]
mod tests;
