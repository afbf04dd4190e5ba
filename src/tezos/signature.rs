//! Signatures as bytes and as text.
//!
//! Nothing is checked but lengths and prefixes; whether a signature is right is `crypto`'s question.
//!
//! Invariant: a [`Signature`] has a length that some curve uses. Its bytes never appear in debug output:
//! a signature that was not released must not leak through a log.

use std::fmt;
use std::sync::Arc;

use super::base58::{self, Base58Error, Kind};
use super::key::Curve;

const ECDSA_LEN: usize = 64;
const BLS_LEN: usize = 96;
const MLDSA_LEN: usize = 2420;

/// 64 bytes of any of tz1, tz2 and tz3, without saying which.
const GENERIC: Kind = Kind::new(&[0x04, 0x82, 0x2b], ECDSA_LEN);

const KINDS: [(Kind, Option<Curve>); 6] = [
    (kind(Curve::Ed25519), Some(Curve::Ed25519)),
    (kind(Curve::Secp256k1), Some(Curve::Secp256k1)),
    (kind(Curve::P256), Some(Curve::P256)),
    (kind(Curve::Bls), Some(Curve::Bls)),
    (kind(Curve::MlDsa), Some(Curve::MlDsa)),
    (GENERIC, None),
];

const fn kind(curve: Curve) -> Kind {
    match curve {
        Curve::Ed25519 => Kind::new(&[0x09, 0xf5, 0xcd, 0x86, 0x12], ECDSA_LEN),
        Curve::Secp256k1 => Kind::new(&[0x0d, 0x73, 0x65, 0x13, 0x3f], ECDSA_LEN),
        Curve::P256 => Kind::new(&[0x36, 0xf0, 0x2c, 0x34], ECDSA_LEN),
        Curve::Bls => Kind::new(&[0x28, 0xab, 0x40, 0xcf], BLS_LEN),
        Curve::MlDsa => Kind::new(&[0x01, 0x9c, 0x2d, 0xd2, 0x03], MLDSA_LEN),
    }
}

/// Why a text or a byte string is not a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The text is not a base58 signature.
    #[error("not a signature (edsig, spsig1, p2sig, BLsig, mdsig or sig)")]
    Text(#[source] Base58Error),
    /// No curve has signatures of this length.
    #[error("{actual} bytes long instead of 64, 96 or 2420")]
    Length {
        /// Length given, in bytes.
        actual: usize,
    },
}

/// The bytes of a signature: 64 (tz1, tz2, tz3), 96 (tz4) or 2420 (tz5). Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signature {
    raw: Arc<[u8]>,
}

impl Signature {
    /// The signature with these bytes.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Length`] when no curve has signatures of this length.
    pub fn from_raw(raw: Vec<u8>) -> Result<Self, SignatureError> {
        match raw.len() {
            ECDSA_LEN | BLS_LEN | MLDSA_LEN => Ok(Self { raw: raw.into() }),
            actual => Err(SignatureError::Length { actual }),
        }
    }

    /// For signatures made here, whose length the type guarantees.
    pub(super) fn from_ecdsa(raw: [u8; ECDSA_LEN]) -> Self {
        Self { raw: Arc::new(raw) }
    }

    /// For signatures made here, whose length the type guarantees.
    pub(super) fn from_bls(raw: [u8; BLS_LEN]) -> Self {
        Self { raw: Arc::new(raw) }
    }

    /// Reads any text form; the curve is absent for the generic form `sig...`.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Text`] for anything that is not a signature.
    pub fn parse(text: &str) -> Result<(Self, Option<Curve>), SignatureError> {
        let (curve, raw) = base58::decode(text, &KINDS).map_err(SignatureError::Text)?;
        Ok((Self { raw: raw.into() }, curve))
    }

    /// The bytes.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The text form with the prefix of `curve`, which must be the curve of the key that signed.
    ///
    /// A signature of another length than the curve's is printed by [`Self::encode_generic`].
    #[must_use]
    pub fn encode(&self, curve: Curve) -> String {
        let kind = kind(curve);
        if self.raw.len() == kind.body_len() {
            base58::encode(kind, &self.raw)
        } else {
            self.encode_generic()
        }
    }

    /// A text form that needs no knowledge of the curve: `sig...`, or the only prefix of its length.
    #[must_use]
    pub fn encode_generic(&self) -> String {
        let kind = match self.raw.len() {
            BLS_LEN => kind(Curve::Bls),
            MLDSA_LEN => kind(Curve::MlDsa),
            _ => GENERIC,
        };
        base58::encode(kind, &self.raw)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({} bytes)", self.raw.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_prints_and_parses() {
        let cases = [
            (Curve::Ed25519, "edsig"),
            (Curve::Secp256k1, "spsig1"),
            (Curve::P256, "p2sig"),
            (Curve::Bls, "BLsig"),
            (Curve::MlDsa, "mdsig"),
        ];
        for (curve, prefix) in cases {
            let signature = Signature::from_raw(vec![0x42; kind(curve).body_len()]).unwrap();
            let text = signature.encode(curve);
            assert!(text.starts_with(prefix), "{text}");
            assert_eq!(Signature::parse(&text), Ok((signature, Some(curve))));
        }
    }

    #[test]
    fn the_generic_form_names_no_curve() {
        let signature = Signature::from_raw(vec![0x42; 64]).unwrap();
        let text = signature.encode_generic();
        assert!(text.starts_with("sig"), "{text}");
        assert_eq!(Signature::parse(&text), Ok((signature, None)));
    }

    #[test]
    fn lengths_that_no_curve_has_are_refused() {
        for len in [0, 63, 65, 95, 97, 2419, 2421] {
            assert_eq!(
                Signature::from_raw(vec![0; len]),
                Err(SignatureError::Length { actual: len })
            );
        }
    }

    #[test]
    fn debug_output_hides_the_bytes() {
        let signature = Signature::from_raw(vec![0x42; 64]).unwrap();
        assert_eq!(format!("{signature:?}"), "Signature(64 bytes)");
    }
}
