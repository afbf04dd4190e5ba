//! A cursor over untrusted bytes that names the field in which something is wrong.

use super::{ChainId, PayloadError, Round};
use crate::tezos::consensus::Level;

/// Reads fields from the front; every failure says which field and where.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader of `bytes` that stands behind the magic byte.
    pub(super) fn after_magic(bytes: &'a [u8]) -> Result<Self, PayloadError> {
        let (_, rest) = bytes.split_first().ok_or(PayloadError::Empty)?;
        Ok(Self { rest, offset: 1 })
    }

    /// Where the next field begins.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    /// The complaint that `field`, read before from `offset`, is wrong.
    pub(super) const fn complaint(
        field: &'static str,
        offset: usize,
        reason: &'static str,
    ) -> PayloadError {
        PayloadError::Field {
            field,
            offset,
            reason,
        }
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], PayloadError> {
        let offset = self.offset;
        let (bytes, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(PayloadError::Truncated { field, offset })?;
        self.rest = rest;
        self.offset = offset.saturating_add(N);
        Ok(*bytes)
    }

    /// Passes over `len` bytes.
    pub(super) fn skip(&mut self, len: usize, field: &'static str) -> Result<(), PayloadError> {
        let offset = self.offset;
        let (_, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(PayloadError::Truncated { field, offset })?;
        self.rest = rest;
        self.offset = offset.saturating_add(len);
        Ok(())
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, PayloadError> {
        let [byte] = self.array(field)?;
        Ok(byte)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, PayloadError> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self, field: &'static str) -> Result<i32, PayloadError> {
        self.array(field).map(i32::from_be_bytes)
    }

    pub(super) fn chain(&mut self) -> Result<ChainId, PayloadError> {
        self.array("chain id").map(ChainId::from_bytes)
    }

    pub(super) fn level(&mut self, field: &'static str) -> Result<Level, PayloadError> {
        let offset = self.offset;
        let level = self.u32(field)?;
        Level::new(level).ok_or(Self::complaint(field, offset, "is negative"))
    }

    pub(super) fn round(&mut self, field: &'static str) -> Result<Round, PayloadError> {
        let offset = self.offset;
        let round = self.i32(field)?;
        let round =
            u32::try_from(round).map_err(|_| Self::complaint(field, offset, "is negative"))?;
        Round::new(round).ok_or(Self::complaint(field, offset, "is above 1000"))
    }

    /// A length that can have only one value.
    pub(super) fn length(
        &mut self,
        field: &'static str,
        expected: u32,
    ) -> Result<(), PayloadError> {
        let offset = self.offset;
        if self.u32(field)? == expected {
            Ok(())
        } else {
            Err(Self::complaint(field, offset, "has an unexpected length"))
        }
    }

    /// Accepts what is left when it is `min..=max` bytes long.
    pub(super) fn tail(
        self,
        field: &'static str,
        min: usize,
        max: usize,
    ) -> Result<(), PayloadError> {
        let len = self.rest.len();
        if len < min {
            return Err(PayloadError::Truncated {
                field,
                offset: self.offset,
            });
        }
        match len.checked_sub(max) {
            None | Some(0) => Ok(()),
            Some(extra) => Err(PayloadError::TooLong {
                offset: self.offset.saturating_add(max),
                extra,
            }),
        }
    }
}
