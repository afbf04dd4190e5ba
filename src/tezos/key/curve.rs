//! The curves that Tezos keys are of.

use std::fmt;

/// The signature scheme that a key belongs to, named by the prefix of its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Curve {
    /// tz1
    Ed25519,
    /// tz2
    Secp256k1,
    /// tz3
    P256,
    /// tz4: BLS12-381 with public keys in G1
    Bls,
    /// tz5: ML-DSA-44. Hashes, keys and signatures are carried as opaque bytes; nothing is verified.
    MlDsa,
}

impl Curve {
    /// Every curve, in the order of its tag.
    pub const ALL: [Self; 5] = [
        Self::Ed25519,
        Self::Secp256k1,
        Self::P256,
        Self::Bls,
        Self::MlDsa,
    ];

    /// The prefix of the hashes of its keys: `tz1` to `tz5`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "tz1",
            Self::Secp256k1 => "tz2",
            Self::P256 => "tz3",
            Self::Bls => "tz4",
            Self::MlDsa => "tz5",
        }
    }

    /// The byte that stands for it in binary encodings, 0 to 4.
    #[must_use]
    pub const fn tag(self) -> u8 {
        match self {
            Self::Ed25519 => 0,
            Self::Secp256k1 => 1,
            Self::P256 => 2,
            Self::Bls => 3,
            Self::MlDsa => 4,
        }
    }

    /// The curve with this [`Self::tag`].
    #[must_use]
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.tag() == tag)
    }

    /// Whether any signer gives the same signature for the same bytes: true for tz1 and tz4. ECDSA signers
    /// commonly draw a random nonce.
    #[must_use]
    pub const fn is_deterministic_by_default(self) -> bool {
        match self {
            Self::Ed25519 | Self::Bls => true,
            Self::Secp256k1 | Self::P256 | Self::MlDsa => false,
        }
    }

    /// Whether signatures of its keys can be checked here; others are never released.
    #[must_use]
    pub const fn is_verifiable(self) -> bool {
        match self {
            Self::Ed25519 | Self::Secp256k1 | Self::P256 | Self::Bls => true,
            Self::MlDsa => false,
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_count_from_zero_and_have_a_curve_up_to_four() {
        for (tag, curve) in (0..).zip(Curve::ALL) {
            assert_eq!(curve.tag(), tag);
            assert_eq!(Curve::from_tag(tag), Some(curve));
        }
        assert_eq!(Curve::from_tag(5), None);
    }
}
