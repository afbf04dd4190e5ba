//! The log events of changes of state. Whoever calls them has made sure that something changed.

use jiff::Timestamp;

use super::super::health::{PathState, SignerState, Transition};
use super::standing::Change;
use super::{Path, Signer};

/// Says that a signer changed its state, and why.
pub(super) fn signer_changed(signer: &Signer, change: &Change, now: Timestamp) {
    let Change {
        from,
        to,
        entered_before,
    } = *change;
    let after_seconds = seconds_between(entered_before, now);
    let cause = signer.cause().map(|(cause, _)| cause).unwrap_or_default();
    let name = signer.name();
    let (from, to_name) = (from.name(), to.name());
    match to {
        SignerState::Down => {
            tracing::warn!(
                signer = name,
                from,
                to = to_name,
                cause,
                after_seconds,
                "signer down"
            );
        }
        SignerState::Up => {
            tracing::info!(
                signer = name,
                from,
                to = to_name,
                cause,
                after_seconds,
                "signer up"
            );
        }
        SignerState::Draining | SignerState::Suspect | SignerState::Unknown => {
            tracing::info!(
                signer = name,
                from,
                to = to_name,
                cause,
                after_seconds,
                "signer changed"
            );
        }
    }
}

/// Says that a path changed its state, and why.
pub(super) fn path_changed(signer: &Signer, path: &Path, transition: &Transition, now: Timestamp) {
    let cause = transition
        .cause
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let after_seconds = seconds_between(transition.entered_before, now);
    let (from, to) = (transition.from.name(), transition.to.name());
    let trouble_seconds = seconds_between(transition.since, now);
    let (signer, name, url) = (signer.name(), path.name(), path.url());
    match transition.to {
        PathState::Down => tracing::warn!(
            signer, path = name, %url, from, to, cause, after_seconds, "path ejected"
        ),
        PathState::Up if cause.is_empty() => {
            tracing::info!(signer, path = name, %url, from, to, after_seconds, "path up");
        }
        PathState::Up => tracing::info!(
            signer, path = name, %url, from, to, cause, after_seconds, trouble_seconds,
            "path readmitted"
        ),
        PathState::Suspect | PathState::Unknown => tracing::info!(
            signer, path = name, %url, from, to, cause, after_seconds, "path suspect"
        ),
    }
}

/// Negative if the clock was set back.
fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}
