//! Framing of a chunked body: plain sizes, no extensions, no trailers.

use super::Violation;

/// More digits could not describe a body that anybody here accepts.
const SIZE_DIGITS: u8 = 8;

/// Where in the framing the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    Size { digits: u8, size: u64 },
    SizeEnd { size: u64 },
    Data { left: u64 },
    DataCarriageReturn,
    DataLineFeed,
    LastCarriageReturn,
    LastLineFeed,
    Done,
}

impl Chunks {
    /// Before the first chunk's size.
    pub(super) fn new() -> Self {
        Self::Size { digits: 0, size: 0 }
    }

    /// Whether the last chunk and the empty line after it have been seen.
    pub(super) fn is_done(self) -> bool {
        self == Self::Done
    }

    /// Walks over `bytes` up to the end of the message and returns how many belong to it.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let mut rest = bytes;
        loop {
            if let Self::Data { left } = *self {
                let skip = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                rest = rest.get(skip..).unwrap_or_default();
                *self = match left.saturating_sub(skip as u64) {
                    0 => Self::DataCarriageReturn,
                    left => Self::Data { left },
                };
            }
            let Some((byte, after)) = rest.split_first() else {
                break;
            };
            if self.is_done() {
                break;
            }
            *self = self.step(*byte)?;
            rest = after;
        }
        Ok(bytes.len().saturating_sub(rest.len()))
    }

    fn step(self, byte: u8) -> Result<Self, Violation> {
        match (self, byte) {
            (Self::Size { digits, size }, _) => Self::size(digits, size, byte),
            (Self::SizeEnd { size: 0 }, b'\n') => Ok(Self::LastCarriageReturn),
            (Self::SizeEnd { size }, b'\n') => Ok(Self::Data { left: size }),
            (Self::DataCarriageReturn, b'\r') => Ok(Self::DataLineFeed),
            (Self::DataLineFeed, b'\n') => Ok(Self::new()),
            (Self::LastCarriageReturn, b'\r') => Ok(Self::LastLineFeed),
            (Self::LastLineFeed, b'\n') => Ok(Self::Done),
            (Self::LastCarriageReturn, b'\n') => Err(Violation::BareLineFeed),
            (Self::LastCarriageReturn, _) => Err(Violation::Trailer),
            (Self::SizeEnd { .. } | Self::LastLineFeed, _) => Err(Violation::BareCarriageReturn),
            (Self::DataCarriageReturn | Self::DataLineFeed | Self::Data { .. } | Self::Done, _) => {
                Err(Violation::ChunkFraming)
            }
        }
    }

    fn size(digits: u8, size: u64, byte: u8) -> Result<Self, Violation> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            if digits >= SIZE_DIGITS {
                return Err(Violation::ChunkSize);
            }
            let size = size.saturating_mul(16).saturating_add(u64::from(digit));
            return Ok(Self::Size {
                digits: digits.saturating_add(1),
                size,
            });
        }
        match byte {
            b'\r' if digits > 0 => Ok(Self::SizeEnd { size }),
            b';' => Err(Violation::ChunkExtension),
            b'\n' => Err(Violation::BareLineFeed),
            _ => Err(Violation::ChunkSize),
        }
    }
}
