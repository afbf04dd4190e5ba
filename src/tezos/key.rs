//! Curves, public key hashes and public keys.
//!
//! Parsing, printing and hashing only; checking a signature is `crypto`'s work. Secret keys live there too.
//!
//! Invariant: a [`PublicKeyHash`] always names a known curve.

mod curve;
mod public;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::curve::Curve;
pub use self::public::PublicKey;
use super::base58::{self, Base58Error, Kind};

/// Why a text or a byte string is not a key or a key hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not a base58 value of the kind that is wanted.
    #[error("not a {wanted}")]
    Text {
        /// What was expected, with its prefixes.
        wanted: &'static str,
        /// What is wrong with the text.
        #[source]
        source: Base58Error,
    },
    /// A curve tag that no curve has.
    #[error("unknown curve tag {tag}")]
    UnknownTag {
        /// The tag.
        tag: u8,
    },
    /// The byte string has another length than keys or hashes have.
    #[error("{actual} bytes long instead of {expected}")]
    Length {
        /// Length given, in bytes.
        actual: usize,
        /// Length needed, in bytes.
        expected: usize,
    },
    /// The bytes are not a point of the curve that a signature could be checked against.
    #[error("not a valid {curve} public key")]
    InvalidPoint {
        /// The curve of the key.
        curve: Curve,
    },
}

const HASH_LEN: usize = 20;

const HASH_WANTED: &str = "public key hash (tz1, tz2, tz3, tz4 or tz5)";

const HASH_KINDS: [(Kind, Curve); 5] = [
    (hash_kind(Curve::Ed25519), Curve::Ed25519),
    (hash_kind(Curve::Secp256k1), Curve::Secp256k1),
    (hash_kind(Curve::P256), Curve::P256),
    (hash_kind(Curve::Bls), Curve::Bls),
    (hash_kind(Curve::MlDsa), Curve::MlDsa),
];

const fn hash_kind(curve: Curve) -> Kind {
    let prefix: &'static [u8] = match curve {
        Curve::Ed25519 => &[0x06, 0xa1, 0x9f],
        Curve::Secp256k1 => &[0x06, 0xa1, 0xa1],
        Curve::P256 => &[0x06, 0xa1, 0xa4],
        Curve::Bls => &[0x06, 0xa1, 0xa6],
        Curve::MlDsa => &[0x06, 0xa1, 0xa9],
    };
    Kind::new(prefix, HASH_LEN)
}

/// The address of a key: its curve and the BLAKE2b-160 of its public key; as text `tz1...`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKeyHash {
    curve: Curve,
    hash: [u8; HASH_LEN],
}

impl PublicKeyHash {
    /// Length of [`Self::tagged`] in bytes.
    pub const TAGGED_LEN: usize = 21;

    pub(super) const fn new(curve: Curve, hash: [u8; HASH_LEN]) -> Self {
        Self { curve, hash }
    }

    /// The curve of the key.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// The hash without its curve.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; HASH_LEN] {
        &self.hash
    }

    /// The curve's tag followed by the hash, as the binary encodings have it.
    #[must_use]
    pub fn tagged(&self) -> [u8; Self::TAGGED_LEN] {
        let mut tagged = [self.curve.tag(); Self::TAGGED_LEN];
        if let Some((_, hash)) = tagged.split_first_mut() {
            hash.copy_from_slice(&self.hash);
        }
        tagged
    }

    /// The inverse of [`Self::tagged`].
    ///
    /// # Errors
    ///
    /// [`KeyError::Length`] unless there are exactly 21 bytes, [`KeyError::UnknownTag`] for a first byte
    /// above 4.
    pub fn from_tagged(bytes: &[u8]) -> Result<Self, KeyError> {
        let length = || KeyError::Length {
            actual: bytes.len(),
            expected: Self::TAGGED_LEN,
        };
        let (tag, hash) = bytes.split_first().ok_or_else(length)?;
        let hash = hash.try_into().map_err(|_| length())?;
        let curve = Curve::from_tag(*tag).ok_or(KeyError::UnknownTag { tag: *tag })?;
        Ok(Self { curve, hash })
    }
}

impl fmt::Display for PublicKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&base58::encode(hash_kind(self.curve), &self.hash))
    }
}

impl fmt::Debug for PublicKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKeyHash({self})")
    }
}

impl FromStr for PublicKeyHash {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (curve, hash) = base58::decode(text, &HASH_KINDS).map_err(|source| KeyError::Text {
            wanted: HASH_WANTED,
            source,
        })?;
        let actual = hash.len();
        let hash = hash.try_into().map_err(|_| KeyError::Length {
            actual,
            expected: HASH_LEN,
        })?;
        Ok(Self { curve, hash })
    }
}

impl TryFrom<String> for PublicKeyHash {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PublicKeyHash> for String {
    fn from(hash: PublicKeyHash) -> Self {
        hash.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_every_curve_print_with_their_prefix_and_parse_back() {
        for curve in Curve::ALL {
            for fill in [0x00, 0x5a, 0xff] {
                let hash = PublicKeyHash::new(curve, [fill; HASH_LEN]);
                assert!(hash.to_string().starts_with(curve.name()), "{hash}");
                assert_eq!(hash.to_string().parse(), Ok(hash));
                assert_eq!(PublicKeyHash::from_tagged(&hash.tagged()), Ok(hash));
            }
        }
    }

    #[test]
    fn tagged_form_is_strict() {
        assert_eq!(
            PublicKeyHash::from_tagged(&[]),
            Err(KeyError::Length {
                actual: 0,
                expected: 21
            })
        );
        assert_eq!(
            PublicKeyHash::from_tagged(&[0; 22]),
            Err(KeyError::Length {
                actual: 22,
                expected: 21
            })
        );
        assert_eq!(
            PublicKeyHash::from_tagged(&[5; 21]),
            Err(KeyError::UnknownTag { tag: 5 })
        );
    }

    #[test]
    fn a_public_key_is_not_a_hash() {
        let text = "edpkvGfYw3LyB1UcCahKQk4rF2tvbMUk8GFiTuMjL75uGXrpvKXhjn";
        assert!(matches!(
            text.parse::<PublicKeyHash>(),
            Err(KeyError::Text { .. })
        ));
    }
}
