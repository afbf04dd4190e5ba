//! Given entropy in the form of a random number generator, which the ECDSA crates ask for.
//!
//! It draws nothing from the system: this vocabulary stays free of randomness, the caller brings it.

use std::convert::Infallible;

use k256::ecdsa::signature::rand_core::{TryCryptoRng, TryRng};

use super::digest;

/// Yields a stream of digests of the entropy and a counter.
#[derive(Debug)]
pub(super) struct Fixed<'a> {
    entropy: &'a [u8; 32],
    counter: u64,
}

impl<'a> Fixed<'a> {
    pub(super) fn new(entropy: &'a [u8; 32]) -> Self {
        Self {
            entropy,
            counter: 0,
        }
    }

    fn block(&mut self) -> [u8; 32] {
        let input = [&self.entropy[..], &self.counter.to_be_bytes()].concat();
        self.counter = self.counter.wrapping_add(1);
        *digest(&input).bytes()
    }
}

impl TryRng for Fixed<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in target.chunks_mut(32) {
            for (to, from) in chunk.iter_mut().zip(self.block()) {
                *to = from;
            }
        }
        Ok(())
    }
}

// The numbers are as unpredictable as the entropy that the caller gave.
impl TryCryptoRng for Fixed<'_> {}
