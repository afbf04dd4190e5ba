//! Checking signatures, and digests of what was signed.
//!
//! Which bytes may be signed is decided elsewhere; this module answers only whether a signature is right
//! for exactly these bytes under exactly this key and scheme.
//!
//! tz1, tz2 and tz3 sign the BLAKE2b-256 digest of the message, tz4 the message itself. Verification is
//! strict where being lax would let one signature have several encodings: Ed25519 rejects small-order
//! points, secp256k1 rejects a high `s`, BLS checks the group. P-256 accepts a high `s`, because signers
//! of tz3 keys produce it.

mod digest;
mod secret;

use blst::BLST_ERROR;
use k256::ecdsa::signature::hazmat::PrehashVerifier as _;

pub use self::digest::{Digest, digest};
pub use self::secret::{SecretKey, SecretKeyError};
use super::key::{Curve, PublicKey};
use super::signature::Signature;

/// Domain separation of the proof-of-possession scheme.
const DST_POP: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
/// Domain separation of the message-augmentation scheme.
const DST_AUG: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_AUG_";
/// Domain separation of the proofs of possession themselves.
const DST_PROOF: &[u8] = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// How the message becomes what the curve signs. One payload under two schemes has two valid signatures,
/// so a claim is for a payload *and* a scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// The only scheme of tz1, tz2, tz3 and tz5.
    Standard,
    /// tz4: the message alone.
    Pop,
    /// tz4: the public key, then the message.
    Aug,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 3] = [Self::Standard, Self::Pop, Self::Aug];

    /// The number that stands for it in stores; it never changes.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Standard => 1,
            Self::Pop => 2,
            Self::Aug => 3,
        }
    }

    /// The scheme with this [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.code() == code)
    }

    /// The name in logs and error sentences.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Pop => "pop",
            Self::Aug => "aug",
        }
    }

    /// The scheme that a sign request means by its `version` argument (0 to 3), absent for the combination
    /// that has no signatures: tz4 under version 0.
    ///
    /// For tz4, 1 is [`Self::Aug`]; 2, 3 and an absent version are [`Self::Pop`].
    #[must_use]
    pub const fn for_request(curve: Curve, version: Option<u8>) -> Option<Self> {
        match (curve, version) {
            (Curve::Ed25519 | Curve::Secp256k1 | Curve::P256 | Curve::MlDsa, _) => {
                Some(Self::Standard)
            }
            (Curve::Bls, Some(0)) => None,
            (Curve::Bls, Some(1)) => Some(Self::Aug),
            (Curve::Bls, _) => Some(Self::Pop),
        }
    }
}

/// Why a signature was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The curve cannot be verified here.
    #[error("{curve} signatures cannot be verified")]
    Unsupported {
        /// The curve of the key.
        curve: Curve,
    },
    /// The curve has no such scheme.
    #[error("{curve} keys have no {} scheme", scheme.name())]
    Scheme {
        /// The curve of the key.
        curve: Curve,
        /// The scheme asked for.
        scheme: Scheme,
    },
    /// The signature's length is that of another curve.
    #[error("signature of {actual} bytes cannot be of a {curve} key")]
    Length {
        /// The curve of the key.
        curve: Curve,
        /// The length of the signature in bytes.
        actual: usize,
    },
    /// The signature is not one of this key over this message.
    #[error("signature does not verify under the {curve} key")]
    Invalid {
        /// The curve of the key.
        curve: Curve,
    },
}

/// Whether `signature` is one of `key` over `message`, the bytes of the sign request with their first byte.
///
/// # Errors
///
/// [`VerifyError`]; the message must be treated as not signed by this key.
pub fn verify(
    key: &PublicKey,
    scheme: Scheme,
    message: &[u8],
    signature: &Signature,
) -> Result<(), VerifyError> {
    let curve = key.curve();
    let raw = signature.raw();
    match (curve, scheme) {
        (Curve::Ed25519, Scheme::Standard) => {
            verify_ed25519(key.raw(), digest(message).bytes(), raw)
        }
        (Curve::Secp256k1, Scheme::Standard) => {
            verify_secp256k1(key.raw(), digest(message).bytes(), raw)
        }
        (Curve::P256, Scheme::Standard) => verify_p256(key.raw(), digest(message).bytes(), raw),
        (Curve::Bls, Scheme::Pop) => verify_bls(key.raw(), message, DST_POP, &[], raw),
        (Curve::Bls, Scheme::Aug) => verify_bls(key.raw(), message, DST_AUG, key.raw(), raw),
        (Curve::MlDsa, _) => return Err(VerifyError::Unsupported { curve }),
        (Curve::Ed25519 | Curve::Secp256k1 | Curve::P256, Scheme::Pop | Scheme::Aug)
        | (Curve::Bls, Scheme::Standard) => return Err(VerifyError::Scheme { curve, scheme }),
    }
    .map_err(|failure| failure.of(curve, raw.len()))
}

/// Whether `proof` shows that the owner of the tz4 key `key` holds its secret key, by a signature over
/// `subject` (by default `key` itself).
///
/// # Errors
///
/// [`VerifyError`]; [`VerifyError::Unsupported`] when one of the keys is not a tz4 key.
pub fn verify_possession(
    key: &PublicKey,
    subject: Option<&PublicKey>,
    proof: &Signature,
) -> Result<(), VerifyError> {
    let subject = subject.unwrap_or(key);
    for curve in [key.curve(), subject.curve()] {
        if curve != Curve::Bls {
            return Err(VerifyError::Unsupported { curve });
        }
    }
    verify_bls(key.raw(), subject.raw(), DST_PROOF, &[], proof.raw())
        .map_err(|failure| failure.of(Curve::Bls, proof.raw().len()))
}

/// Why one curve's check failed.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Length,
    Invalid,
}

impl Failure {
    fn of(self, curve: Curve, actual: usize) -> VerifyError {
        match self {
            Self::Length => VerifyError::Length { curve, actual },
            Self::Invalid => VerifyError::Invalid { curve },
        }
    }
}

fn verify_ed25519(key: &[u8], digest: &[u8; 32], signature: &[u8]) -> Result<(), Failure> {
    let signature = signature.try_into().map_err(|_| Failure::Length)?;
    let key = key.try_into().map_err(|_| Failure::Invalid)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| Failure::Invalid)?;
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    key.verify_strict(digest, &signature)
        .map_err(|_| Failure::Invalid)
}

fn verify_secp256k1(key: &[u8], digest: &[u8; 32], signature: &[u8]) -> Result<(), Failure> {
    let signature: &[u8; 64] = signature.try_into().map_err(|_| Failure::Length)?;
    let signature = k256::ecdsa::Signature::from_slice(signature).map_err(|_| Failure::Invalid)?;
    let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| Failure::Invalid)?;
    key.verify_prehash(digest, &signature)
        .map_err(|_| Failure::Invalid)
}

fn verify_p256(key: &[u8], digest: &[u8; 32], signature: &[u8]) -> Result<(), Failure> {
    let signature: &[u8; 64] = signature.try_into().map_err(|_| Failure::Length)?;
    let signature = p256::ecdsa::Signature::from_slice(signature).map_err(|_| Failure::Invalid)?;
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| Failure::Invalid)?;
    key.verify_prehash(digest, &signature)
        .map_err(|_| Failure::Invalid)
}

fn verify_bls(
    key: &[u8],
    message: &[u8],
    dst: &[u8],
    aug: &[u8],
    signature: &[u8],
) -> Result<(), Failure> {
    let signature: &[u8; 96] = signature.try_into().map_err(|_| Failure::Length)?;
    let signature =
        blst::min_pk::Signature::sig_validate(signature, true).map_err(|_| Failure::Invalid)?;
    // The key's group was checked when the `PublicKey` was made, the signature's just now.
    let key = blst::min_pk::PublicKey::uncompress(key).map_err(|_| Failure::Invalid)?;
    if signature.verify(false, message, dst, aug, &key, false) == BLST_ERROR::BLST_SUCCESS {
        Ok(())
    } else {
        Err(Failure::Invalid)
    }
}

#[cfg(test)]
mod tests;
