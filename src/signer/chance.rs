//! Where randomness comes from: the system, or a simulation that must be repeatable.

use std::fmt::Debug;

/// A source of random bytes.
pub(in crate::signer) trait Chance: Debug + Send + Sync {
    /// A random byte.
    fn byte(&self) -> u8;
}

/// The randomness of the system.
#[derive(Clone, Copy, Debug)]
pub(in crate::signer) struct System;

impl Chance for System {
    fn byte(&self) -> u8 {
        let mut byte = [0_u8; 1];
        // Without randomness the middle will do.
        if getrandom::fill(&mut byte).is_ok() {
            byte[0]
        } else {
            128
        }
    }
}
