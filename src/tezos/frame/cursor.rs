//! Reading from the front of a byte string.

use super::FrameError;
use crate::tezos::key::{Curve, PublicKey, PublicKeyHash};

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take(
        &mut self,
        count: usize,
        what: &'static str,
    ) -> Result<&'b [u8], FrameError> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(FrameError::Short { what })?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self, what: &'static str) -> Result<u8, FrameError> {
        let taken = self.take(1, what)?;
        taken.first().copied().ok_or(FrameError::Short { what })
    }

    /// A byte string with its length, as four bytes, in front.
    pub(super) fn sized(&mut self, what: &'static str) -> Result<&'b [u8], FrameError> {
        let mut length = [0; 4];
        length.copy_from_slice(self.take(4, what)?);
        let length = usize::try_from(u32::from_be_bytes(length));
        self.take(length.unwrap_or(usize::MAX), what)
    }

    /// The tag of a curve and the hash of a key.
    pub(super) fn hash(&mut self) -> Result<PublicKeyHash, FrameError> {
        let what = "public key hash";
        let tagged = self.take(PublicKeyHash::TAGGED_LEN, what)?;
        PublicKeyHash::from_tagged(tagged)
            .map_err(|error| FrameError::value(what, crate::tezos::explain(&error)))
    }

    /// A public key of `curve`, of which nothing comes after.
    pub(super) fn key(&mut self, curve: Curve) -> Result<PublicKey, FrameError> {
        PublicKey::from_raw(curve, self.rest())
            .map_err(|error| FrameError::value("public key", crate::tezos::explain(&error)))
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'b [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), FrameError> {
        match self.0.len() {
            0 => Ok(()),
            count => Err(FrameError::Trailing { count }),
        }
    }
}
