//! Secret keys, for the development signer and for the proxy's own authentication towards signers.
//!
//! No baking key ever enters the proxy. Only unencrypted keys are read, and none is ever printed.
//!
//! Invariants: the bytes of a key are wiped when it is dropped; debug output shows the public key only;
//! without given entropy equal input gives equal signatures.

use std::fmt;
use std::str::FromStr;

use k256::ecdsa::signature::Signer as _;
use k256::ecdsa::signature::hazmat::{PrehashSigner as _, RandomizedPrehashSigner as _};
use zeroize::Zeroizing;

use super::{DST_AUG, DST_POP, DST_PROOF, Scheme, digest};
use crate::tezos::base58::{self, Base58Error, Kind};
use crate::tezos::key::{Curve, KeyError, PublicKey};
use crate::tezos::signature::Signature;

mod entropy;

/// What the text of a secret key can hold.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// 32 bytes of any curve.
    Plain(Curve),
    /// An Ed25519 seed followed by its public key.
    Ed25519Pair,
}

const KINDS: [(Kind, Form); 5] = [
    (
        Kind::new(&[0x0d, 0x0f, 0x3a, 0x07], 32),
        Form::Plain(Curve::Ed25519),
    ),
    (Kind::new(&[0x2b, 0xf6, 0x4e, 0x07], 64), Form::Ed25519Pair),
    (
        Kind::new(&[0x11, 0xa2, 0xe0, 0xc9], 32),
        Form::Plain(Curve::Secp256k1),
    ),
    (
        Kind::new(&[0x10, 0x51, 0xee, 0xbd], 32),
        Form::Plain(Curve::P256),
    ),
    (
        Kind::new(&[0x03, 0x96, 0xc0, 0x28], 32),
        Form::Plain(Curve::Bls),
    ),
];

/// Seeds are hashed until they fall below the order of the curve; one try all but always suffices.
const MAX_SCALAR_TRIES: u8 = 64;

/// Why a secret key cannot be used. Says nothing about the key's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretKeyError {
    /// The text is not an unencrypted secret key.
    #[error("not an unencrypted secret key (edsk, spsk, p2sk or BLsk)")]
    Text(#[source] Base58Error),
    /// The bytes are no secret key of the curve.
    #[error("not a valid {curve} secret key")]
    Invalid {
        /// The curve.
        curve: Curve,
    },
    /// There are no secret keys of this curve here.
    #[error("{curve} secret keys are not supported")]
    Unsupported {
        /// The curve.
        curve: Curve,
    },
}

impl From<KeyError> for SecretKeyError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Text { source, .. } => Self::Text(source),
            KeyError::InvalidPoint { curve } => Self::Invalid { curve },
            KeyError::UnknownTag { .. } | KeyError::Length { .. } => {
                Self::Text(Base58Error::UnknownPrefix)
            }
        }
    }
}

/// A secret key of tz1, tz2, tz3 or tz4.
pub struct SecretKey {
    inner: Inner,
    public: PublicKey,
}

/// Every variant wipes itself on drop.
enum Inner {
    Ed25519(ed25519_dalek::SigningKey),
    Secp256k1(k256::ecdsa::SigningKey),
    P256(p256::ecdsa::SigningKey),
    Bls(blst::min_pk::SecretKey),
}

impl SecretKey {
    /// The key that `seed` stands for; the same seed always gives the same key.
    ///
    /// # Errors
    ///
    /// [`SecretKeyError::Unsupported`] for tz5.
    pub fn from_seed(curve: Curve, seed: &[u8; 32]) -> Result<Self, SecretKeyError> {
        match curve {
            Curve::Ed25519 => Self::from_bytes(curve, seed),
            Curve::Secp256k1 | Curve::P256 => (0..MAX_SCALAR_TRIES)
                .find_map(|attempt| {
                    let input = Zeroizing::new([&seed[..], &[curve.tag(), attempt]].concat());
                    let scalar = Zeroizing::new(*digest(&input).bytes());
                    Self::from_bytes(curve, &scalar).ok()
                })
                .ok_or(SecretKeyError::Invalid { curve }),
            Curve::Bls => {
                let key = blst::min_pk::SecretKey::key_gen(seed, &[]);
                Self::new(Inner::Bls(
                    key.map_err(|_| SecretKeyError::Invalid { curve })?,
                ))
            }
            Curve::MlDsa => Err(SecretKeyError::Unsupported { curve }),
        }
    }

    /// The key with these bytes, big-endian where they are a number.
    fn from_bytes(curve: Curve, bytes: &[u8; 32]) -> Result<Self, SecretKeyError> {
        let invalid = SecretKeyError::Invalid { curve };
        let inner = match curve {
            Curve::Ed25519 => Inner::Ed25519(ed25519_dalek::SigningKey::from_bytes(bytes)),
            Curve::Secp256k1 => {
                Inner::Secp256k1(k256::ecdsa::SigningKey::from_slice(bytes).map_err(|_| invalid)?)
            }
            Curve::P256 => {
                Inner::P256(p256::ecdsa::SigningKey::from_slice(bytes).map_err(|_| invalid)?)
            }
            Curve::Bls => {
                Inner::Bls(blst::min_pk::SecretKey::deserialize(bytes).map_err(|_| invalid)?)
            }
            Curve::MlDsa => return Err(SecretKeyError::Unsupported { curve }),
        };
        Self::new(inner)
    }

    fn new(inner: Inner) -> Result<Self, SecretKeyError> {
        let public = inner.public_key()?;
        Ok(Self { inner, public })
    }

    /// The public key that belongs to it.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The signature over `message`, deterministic for every curve; a low `s` for both ECDSA curves.
    ///
    /// The scheme matters for tz4 only, where [`Scheme::Standard`] means [`Scheme::Pop`].
    #[must_use]
    pub fn sign(&self, scheme: Scheme, message: &[u8]) -> Signature {
        let hash = digest(message);
        match &self.inner {
            Inner::Ed25519(key) => Signature::from_ecdsa(key.sign(hash.bytes()).to_bytes()),
            Inner::Secp256k1(key) => low_s_secp256k1(key.sign_prehash(hash.bytes())),
            Inner::P256(key) => low_s_p256(key.sign_prehash(hash.bytes())),
            Inner::Bls(key) => {
                let (dst, aug) = match scheme {
                    Scheme::Standard | Scheme::Pop => (DST_POP, &[][..]),
                    Scheme::Aug => (DST_AUG, self.public.raw()),
                };
                Signature::from_bls(key.sign(message, dst, aug).compress())
            }
        }
    }

    /// Like [`Self::sign`], but an ECDSA nonce is mixed from `entropy`: other entropy, another signature,
    /// as hardware signers behave. The same as [`Self::sign`] for tz1 and tz4.
    #[must_use]
    pub fn sign_with_nonce(&self, scheme: Scheme, message: &[u8], entropy: &[u8; 32]) -> Signature {
        let hash = digest(message);
        let mut source = entropy::Fixed::new(entropy);
        match &self.inner {
            Inner::Ed25519(_) | Inner::Bls(_) => self.sign(scheme, message),
            Inner::Secp256k1(key) => {
                low_s_secp256k1(key.sign_prehash_with_rng(&mut source, hash.bytes()))
            }
            Inner::P256(key) => low_s_p256(key.sign_prehash_with_rng(&mut source, hash.bytes())),
        }
    }

    /// The proof of possession of a tz4 key, over `subject` or by default over its own public key.
    ///
    /// Other curves have no such proof: the result is then 64 zero bytes, which verify nowhere.
    #[must_use]
    pub fn prove_possession(&self, subject: Option<&PublicKey>) -> Signature {
        match &self.inner {
            Inner::Bls(key) => {
                let subject = subject.unwrap_or(&self.public);
                Signature::from_bls(key.sign(subject.raw(), DST_PROOF, &[]).compress())
            }
            Inner::Ed25519(_) | Inner::Secp256k1(_) | Inner::P256(_) => void(),
        }
    }
}

impl Inner {
    fn public_key(&self) -> Result<PublicKey, KeyError> {
        match self {
            Self::Ed25519(key) => {
                PublicKey::from_raw(Curve::Ed25519, key.verifying_key().as_bytes())
            }
            Self::Secp256k1(key) => PublicKey::from_raw(
                Curve::Secp256k1,
                key.verifying_key().to_sec1_point(true).as_bytes(),
            ),
            Self::P256(key) => PublicKey::from_raw(
                Curve::P256,
                key.verifying_key().to_sec1_point(true).as_bytes(),
            ),
            Self::Bls(key) => PublicKey::from_raw(Curve::Bls, &key.sk_to_pk().compress()),
        }
    }
}

/// The answer where there is no signature: zero is refused as `r` of ECDSA and as a point of BLS and of
/// strict Ed25519, so it can never be taken for one.
fn void() -> Signature {
    Signature::from_ecdsa([0; 64])
}

fn low_s_secp256k1<E>(signature: Result<k256::ecdsa::Signature, E>) -> Signature {
    // The nonce is drawn again until it fits, so there is always a signature.
    signature.map_or_else(
        |_| void(),
        |signature| Signature::from_ecdsa(signature.normalize_s().to_bytes().into()),
    )
}

fn low_s_p256<E>(signature: Result<p256::ecdsa::Signature, E>) -> Signature {
    // As above.
    signature.map_or_else(
        |_| void(),
        |signature| Signature::from_ecdsa(signature.normalize_s().to_bytes().into()),
    )
}

impl FromStr for SecretKey {
    type Err = SecretKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (form, body) = base58::decode(text, &KINDS).map_err(SecretKeyError::Text)?;
        let body = Zeroizing::new(body);
        let (curve, check) = match form {
            Form::Plain(curve) => (curve, None),
            Form::Ed25519Pair => (Curve::Ed25519, body.get(32..)),
        };
        let invalid = SecretKeyError::Invalid { curve };
        let mut bytes = Zeroizing::new(*body.first_chunk::<32>().ok_or(invalid)?);
        if curve == Curve::Bls {
            // The text form of this curve alone is little-endian.
            bytes.reverse();
        }
        let key = Self::from_bytes(curve, &bytes)?;
        if check.is_some_and(|public| public != key.public.raw()) {
            return Err(invalid);
        }
        Ok(key)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public.hash())
    }
}
