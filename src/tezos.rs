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
pub mod frame;
mod key;
mod payload;
mod route;
mod signature;
pub mod wire;

pub use auth::{authentication_bytes, verify_authentication};
pub use base58::Base58Error;
pub use chain::{ChainId, ChainIdError};
pub use consensus::{ConsensusKind, Level, OutOfRange, Position, Round, UnknownKind};
pub use crypto::{
    Digest, Scheme, SecretKey, SecretKeyError, VerifyError, digest, verify, verify_possession,
};
pub use key::{Curve, KeyError, PublicKey, PublicKeyHash};
pub use payload::{ConsensusPayload, Payload, PayloadError, VoteLayout};
pub use route::{Route, RouteError};
pub use signature::{Signature, SignatureError};
pub use wire::{
    AuthorizedKeys, ErrorKind, WireError, authorized_keys_body, decode_authorized_keys,
    decode_error, decode_known_keys, decode_possession, decode_public_key, decode_sign_body,
    decode_signature, error_body, known_keys_body, possession_body, public_key_body, sign_body,
    signature_body,
};

/// An error with its causes as one phrase, for texts that leave the process without the error itself.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
