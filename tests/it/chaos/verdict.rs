//! The verdict over slots without a signature: had they a healthy path in time? Pure.

use std::ops::Range;
use std::time::Duration;

use signer_proxy::dev_signer::log::Entry;
use signer_proxy::tezos::PublicKeyHash;

use crate::harness::payload::Slot;
use crate::harness::timeline::length;

use super::timeline::{Place, Timeline};

/// A path that was well for so long within the life of a request must have carried it. It is found within
/// half a second, other keys may be before this one at a Ledger, and the machine may be busy with more.
pub(super) const ENOUGH: Duration = Duration::from_millis(2_500);

/// An answer that was under way for so long may have met a fault that was over when it was asked for.
const ON_ITS_WAY: Duration = Duration::from_secs(4);

/// How long an answer takes from the device to the proxy, at most.
const ARRIVES: Duration = Duration::from_millis(500);

/// Paths of each signer.
pub(super) const PATHS: usize = 2;

/// A slot that got no signature.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    pub(super) key: PublicKeyHash,
    pub(super) slot: Slot,
    /// Of its bytes, as the signers log it; two keys may have been asked for the same bytes.
    pub(super) digest: String,
    pub(super) asked: Duration,
    pub(super) ended: Duration,
    /// How long it was worth an answer.
    pub(super) limit: Duration,
    pub(super) error: String,
    /// The signers' states as the proxy showed them right after.
    pub(super) state: String,
}

impl Lost {
    /// When an answer was of use.
    pub(super) fn window(&self) -> Range<Duration> {
        self.asked..self.asked + self.limit
    }

    /// Whether it was given up while an answer was of use for another half a second.
    pub(super) fn is_early(&self) -> bool {
        self.ended + Duration::from_millis(500) < self.window().end
    }

    /// Whether a signer's entry is about it.
    pub(super) fn is_about(&self, entry: &Entry) -> bool {
        entry.key == self.key && entry.digest == self.digest
    }
}

/// What a signer had to do with a slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    /// Whether it signs no bytes twice.
    pub(super) refuses_repeats: bool,
    /// When it signed these bytes.
    pub(super) signed: Option<Duration>,
}

/// Why a slot ought to have been signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Well {
    pub(super) signer: usize,
    pub(super) path: usize,
    pub(super) time: Range<Duration>,
}

/// The longest time in which a path to a signer that could sign was well, if it was long enough. `parts` has
/// one entry for each signer.
pub(super) fn well_in_time(timeline: &Timeline, lost: &Lost, parts: &[Part]) -> Option<Well> {
    let able = |signer: &usize| match &parts[*signer] {
        Part {
            refuses_repeats: true,
            signed: Some(at),
        } => !may_be_lost(timeline, *signer, *at),
        Part { .. } => true,
    };
    let paths = (0..parts.len())
        .filter(able)
        .flat_map(|signer| (0..PATHS).map(move |path| (signer, path)));
    paths
        .flat_map(|(signer, path)| {
            let places = [Place::Device(signer), Place::Path(signer, path)];
            let times = timeline.well(&places, &lost.window()).into_iter();
            times.map(move |time| Well { signer, path, time })
        })
        .max_by_key(|well| length(&well.time))
        .filter(|well| length(&well.time) >= ENOUGH)
}

/// Whether the answer of a signer that signed at `at` may have been lost on its way.
fn may_be_lost(timeline: &Timeline, signer: usize, at: Duration) -> bool {
    let window = at.saturating_sub(ON_ITS_WAY)..at + ARRIVES;
    let paths = (0..PATHS).map(|path| Place::Path(signer, path));
    let places: Vec<_> = paths.chain([Place::Device(signer)]).collect();
    timeline.well(&places, &window) != [window]
}

#[cfg(test)]
mod tests;
