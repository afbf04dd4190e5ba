//! Chance from a seed, so that what a test drew can be drawn again.
//!
//! The order in which processes run is not part of it: the same seed asks the same questions and waits as
//! long, and the machine decides the rest.

use std::ops::Range;
use std::time::Duration;

/// The whole number in the environment variable `name`, if there is one.
pub(crate) fn from_environment(name: &str) -> Option<u32> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is {text:?}; give it a whole number")))
}

/// The seed in the environment variable `name`, or a new one; printed, so that it can be given again.
pub(crate) fn seed(name: &str) -> u32 {
    let seed = from_environment(name).unwrap_or_else(|| {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).unwrap();
        u32::from_ne_bytes(bytes)
    });
    println!("{name}={seed}");
    seed
}

/// A sequence of numbers that look random (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Luck(u64);

impl Luck {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another sequence for somebody else.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of `range`, which must not be empty.
    pub(crate) fn number(&mut self, range: Range<u32>) -> u32 {
        let width = u64::from(range.end - range.start);
        range.start + u32::try_from(self.next() % width).unwrap()
    }

    /// A length of time below `most`, to the microsecond.
    pub(crate) fn length(&mut self, most: Duration) -> Duration {
        let most = u32::try_from(most.as_micros()).unwrap().max(1);
        Duration::from_micros(self.number(0..most).into())
    }

    /// Yes in so many of a hundred cases.
    pub(crate) fn percent(&mut self, yes: u32) -> bool {
        self.number(0..100) < yes
    }

    /// One of `all`, which must not be empty.
    pub(crate) fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        let index = self.number(0..u32::try_from(all.len()).unwrap());
        all[usize::try_from(index).unwrap()].clone()
    }
}
