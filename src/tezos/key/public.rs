//! Public keys: text and raw forms, checked against their curve once, when they are made.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use blake2::digest::consts::U20;
use blake2::{Blake2b, Digest as _};
use serde::{Deserialize, Serialize};

use super::{Curve, KeyError, PublicKeyHash};
use crate::tezos::base58::{self, Kind};

const WANTED: &str = "public key (edpk, sppk, p2pk, BLpk or mdpk)";

const KINDS: [(Kind, Curve); 5] = [
    (kind(Curve::Ed25519), Curve::Ed25519),
    (kind(Curve::Secp256k1), Curve::Secp256k1),
    (kind(Curve::P256), Curve::P256),
    (kind(Curve::Bls), Curve::Bls),
    (kind(Curve::MlDsa), Curve::MlDsa),
];

const fn kind(curve: Curve) -> Kind {
    match curve {
        Curve::Ed25519 => Kind::new(&[0x0d, 0x0f, 0x25, 0xd9], 32),
        Curve::Secp256k1 => Kind::new(&[0x03, 0xfe, 0xe2, 0x56], 33),
        Curve::P256 => Kind::new(&[0x03, 0xb2, 0x8b, 0x7f], 33),
        Curve::Bls => Kind::new(&[0x06, 0x95, 0x87, 0xcc], 48),
        Curve::MlDsa => Kind::new(&[0x0d, 0x07, 0xed, 0x43], 1312),
    }
}

/// A public key; as text `edpk...`, `sppk...`, `p2pk...`, `BLpk...` or `mdpk...`. Cheap to clone.
///
/// The bytes were checked when the value was made: a point on the curve, in its prime-order group where
/// that differs, and not a degenerate one. tz5 keys are checked for their length only.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey {
    curve: Curve,
    raw: Arc<[u8]>,
}

impl PublicKey {
    /// The key of `curve` with these bytes, in compressed form.
    ///
    /// # Errors
    ///
    /// [`KeyError::Length`], or [`KeyError::InvalidPoint`] when no signature could ever be checked against
    /// these bytes.
    pub fn from_raw(curve: Curve, raw: &[u8]) -> Result<Self, KeyError> {
        let expected = kind(curve).body_len();
        if raw.len() != expected {
            return Err(KeyError::Length {
                actual: raw.len(),
                expected,
            });
        }
        if !is_valid(curve, raw) {
            return Err(KeyError::InvalidPoint { curve });
        }
        Ok(Self {
            curve,
            raw: raw.into(),
        })
    }

    /// The curve of the key.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The compressed bytes without prefix: 32 (tz1), 33 (tz2, tz3), 48 (tz4) or 1312 (tz5).
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The hash under which this key is known.
    #[must_use]
    pub fn hash(&self) -> PublicKeyHash {
        PublicKeyHash::new(self.curve, Blake2b::<U20>::digest(&self.raw).into())
    }
}

/// Whether `raw`, of the right length, is a key that signatures can be checked against.
fn is_valid(curve: Curve, raw: &[u8]) -> bool {
    match curve {
        Curve::Ed25519 => raw
            .try_into()
            .ok()
            .and_then(|raw: &[u8; 32]| ed25519_dalek::VerifyingKey::from_bytes(raw).ok())
            .is_some_and(|key| !key.is_weak()),
        Curve::Secp256k1 => k256::ecdsa::VerifyingKey::from_sec1_bytes(raw).is_ok(),
        Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(raw).is_ok(),
        // Refuses the point at infinity and points outside the prime-order group.
        Curve::Bls => blst::min_pk::PublicKey::key_validate(raw).is_ok(),
        Curve::MlDsa => true,
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&base58::encode(kind(self.curve), &self.raw))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (curve, raw) = base58::decode(text, &KINDS).map_err(|source| KeyError::Text {
            wanted: WANTED,
            source,
        })?;
        Self::from_raw(curve, &raw)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_key_hashes_to_its_known_address() {
        let key: PublicKey = "edpkvGfYw3LyB1UcCahKQk4rF2tvbMUk8GFiTuMjL75uGXrpvKXhjn"
            .parse()
            .unwrap();
        assert_eq!(key.curve(), Curve::Ed25519);
        assert_eq!(
            key.hash().to_string(),
            "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb"
        );
        assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn points_off_the_curve_and_degenerate_points_are_refused() {
        let infinity = [&[0xc0][..], &[0; 47]].concat();
        let cases = [
            (Curve::Ed25519, [&[1][..], &[0; 31]].concat()), // the neutral element
            (Curve::Ed25519, [&[2][..], &[0; 31]].concat()), // no such point
            (Curve::Secp256k1, vec![0xff; 33]),
            (Curve::Secp256k1, [&[2][..], &[0; 32]].concat()),
            (Curve::P256, vec![0; 33]),
            (Curve::P256, [&[2][..], &[0xff; 32]].concat()),
            (Curve::Bls, infinity),
            (Curve::Bls, vec![0x80; 48]),
        ];
        for (curve, raw) in cases {
            assert_eq!(
                PublicKey::from_raw(curve, &raw),
                Err(KeyError::InvalidPoint { curve }),
                "{raw:x?}"
            );
        }
    }

    #[test]
    fn length_is_checked_before_the_curve() {
        for curve in Curve::ALL {
            let expected = kind(curve).body_len();
            assert_eq!(
                PublicKey::from_raw(curve, &[]),
                Err(KeyError::Length {
                    actual: 0,
                    expected
                })
            );
        }
    }

    #[test]
    fn tz5_keys_are_carried_opaquely() {
        let key = PublicKey::from_raw(Curve::MlDsa, &[7; 1312]).unwrap();
        assert!(key.to_string().starts_with("mdpk"));
        assert!(key.hash().to_string().starts_with("tz5"));
        assert_eq!(key.to_string().parse(), Ok(key));
    }
}
