//! BLAKE2b-256 digests: what tz1 to tz3 sign, and how payloads are named in stores and logs.

use std::fmt;

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest as _};

/// A BLAKE2b-256 digest; as text 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// The digest of `bytes`.
#[must_use]
pub fn digest(bytes: &[u8]) -> Digest {
    Digest(Blake2b::<U32>::digest(bytes).into())
}

impl Digest {
    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight hexadecimal digits, enough to tell two payloads apart in a log.
    #[must_use]
    pub fn short(&self) -> String {
        self.0
            .first_chunk::<4>()
            .map(hex::encode)
            .unwrap_or_default()
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_digest_is_the_well_known_one() {
        let empty = digest(b"");
        assert_eq!(
            empty.to_string(),
            "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"
        );
        assert_eq!(empty.short(), "0e5751c0");
        assert_eq!(Digest::from(*empty.bytes()), empty);
    }
}
