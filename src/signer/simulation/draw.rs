//! The one source of chance of a simulated world: splitmix64, the same for the same seed on every machine.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::super::chance::Chance;

/// A sequence of numbers.
#[derive(Clone, Debug)]
pub(super) struct Draw(u64);

impl Draw {
    /// The sequence that `seed` stands for.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A sequence of its own, so that what one part of the world draws does not shift what another draws.
    pub(super) fn fork(&mut self) -> Self {
        Self(self.number())
    }

    /// A number from `least` to `most`.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.number() % (most - least + 1)
    }

    /// A length from `least` to `most` milliseconds.
    pub(super) fn ms(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.between(least, most))
    }

    /// True in so many cases of a hundred.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.number() % 100 < percent
    }

    /// One of `all`.
    pub(super) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        let index = self.index(all.len());
        all[index]
    }

    /// An index below `length`.
    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.number() % length as u64).unwrap()
    }
}

/// The spread of probes.
#[derive(Debug)]
pub(super) struct Spread(pub(super) Mutex<Draw>);

impl Chance for Spread {
    fn byte(&self) -> u8 {
        let mut draw = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        draw.number().to_le_bytes()[0]
    }
}
