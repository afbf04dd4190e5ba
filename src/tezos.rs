//! The vocabulary of Tezos remote signing: keys, signatures, chains, slots, payloads, routes and bodies.
//!
//! Everything here is pure: bytes and text go in, typed values or typed errors come out. The module knows
//! nothing of sockets, clocks, storage, logging or randomness, and it decides nothing: whether a payload
//! may be signed is the guard's question.
//!
//! Invariants: no input makes these functions panic; a [`PublicKey`] always holds a valid key of its
//! curve; a [`Level`] or [`Round`] is always within the range that the protocol and the guard accept.

mod auth;
mod base58;
mod chain;
mod consensus;
mod crypto;
mod key;
mod signature;

pub use auth::{authentication_bytes, verify_authentication};
pub use base58::Base58Error;
pub use chain::{ChainId, ChainIdError};
pub use consensus::{ConsensusKind, Level, OutOfRange, Position, Round, UnknownKind};
pub use crypto::{
    Digest, Scheme, SecretKey, SecretKeyError, VerifyError, digest, verify, verify_possession,
};
pub use key::{Curve, KeyError, PublicKey, PublicKeyHash};
pub use signature::{Signature, SignatureError};
