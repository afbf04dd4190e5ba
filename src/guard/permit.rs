//! Proof of a durable claim.

use jiff::Timestamp;

use crate::tezos::{Digest, PublicKeyHash, Scheme};

use super::watermark::Candidate;

/// Permission to send exactly these bytes to signers.
///
/// Not `Clone`, no public constructor: it can only come from the guard, after the claim is durable, and
/// recording consumes it. Code that forwards a consensus payload without a claim does not compile.
#[derive(Debug)]
#[must_use = "a permit stands for a durable claim: forward its bytes and record the signature"]
pub struct Permit {
    scope: Scope,
    claimed_before: Option<Timestamp>,
}

/// What a permit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A claimed slot.
    Slot(Candidate),
    /// Bytes outside consensus: no slot, no watermark.
    Unslotted {
        /// The key that signs.
        key: PublicKeyHash,
        /// BLAKE2b-256 over the bytes.
        digest: Digest,
        /// The signature scheme.
        scheme: Scheme,
    },
}

impl Permit {
    pub(in crate::guard) fn for_slot(
        candidate: Candidate,
        claimed_before: Option<Timestamp>,
    ) -> Self {
        Self {
            scope: Scope::Slot(candidate),
            claimed_before,
        }
    }

    pub(in crate::guard) fn unslotted(key: PublicKeyHash, digest: Digest, scheme: Scheme) -> Self {
        Self {
            scope: Scope::Unslotted {
                key,
                digest,
                scheme,
            },
            claimed_before: None,
        }
    }

    /// When these very bytes were claimed before, if they were: signers may know them already.
    #[must_use]
    pub fn claimed_before(&self) -> Option<Timestamp> {
        self.claimed_before
    }

    /// What is permitted.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The digest of the permitted bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match &self.scope {
            Scope::Slot(candidate) => candidate.digest,
            Scope::Unslotted { digest, .. } => *digest,
        }
    }

    /// The key that is to sign.
    #[must_use]
    pub fn key(&self) -> PublicKeyHash {
        match &self.scope {
            Scope::Slot(candidate) => candidate.slot.stream.key,
            Scope::Unslotted { key, .. } => *key,
        }
    }

    /// The scheme that is permitted.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match &self.scope {
            Scope::Slot(candidate) => candidate.scheme,
            Scope::Unslotted { scheme, .. } => *scheme,
        }
    }

    pub(in crate::guard) fn into_scope(self) -> Scope {
        self.scope
    }
}
