//! The record of what the signer received and signed, one JSON object a line, and its judge.
//!
//! It exists for tests: two different payloads at one position in the logs of all signers mean that
//! whatever stands before them let a conflict through. Nothing reads it back into the signer. A payload
//! is recorded as received before any fault acts, because a signer that answers nothing may still have
//! signed. Invariants: file and memory hold the same entries in the same order; each entry reaches the
//! file in a single appending write, so several signers may share one file.

mod check;

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::tezos::{ChainId, Digest, Payload, PublicKeyHash, Signature, digest};

pub use self::check::{Conflict, Sighting, Slot, Summary, check};

/// Entries that are kept in memory; the oldest go first. The file keeps all.
pub const MEMORY: usize = 100_000;

/// What happened to a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// It arrived, whole.
    Received,
    /// A rule of the signer forbade it.
    Refused,
    /// Its stored signature was taken again.
    Replayed,
    /// A new signature was made.
    Signed,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Wall-clock time.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
    /// The key that was asked.
    pub key: PublicKeyHash,
    /// Chain of a consensus payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainId>,
    /// Name of the consensus kind; `other` or `undecodable` for anything else.
    pub kind: String,
    /// Level of a consensus payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u32>,
    /// Round of a consensus payload; 0 for kinds without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// BLAKE2b-256 of the payload, 64 hex digits.
    pub digest: String,
    /// BLAKE2b-256 of the raw signature, 64 hex digits; with `signed` and `replayed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_digest: Option<String>,
    /// The sentence of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Entry {
    /// An entry for `payload`, which is `None` where the bytes could not be decoded.
    pub(super) fn new(
        event: Event,
        key: PublicKeyHash,
        payload: Option<&Payload>,
        bytes: &Digest,
    ) -> Self {
        let (kind, consensus) = match payload {
            Some(Payload::Consensus(consensus)) => (consensus.kind.name(), Some(consensus)),
            Some(Payload::Other { .. }) => ("other", None),
            None => ("undecodable", None),
        };
        Self {
            at: crate::time::now(),
            event,
            key,
            chain: consensus.map(|payload| payload.chain),
            kind: kind.to_owned(),
            level: consensus.map(|payload| payload.position.level.get()),
            round: consensus.map(|payload| payload.position.round.get()),
            digest: bytes.to_string(),
            signature_digest: None,
            reason: None,
        }
    }

    pub(super) fn with_signature(self, signature: &Signature) -> Self {
        Self {
            signature_digest: Some(digest(signature.raw()).to_string()),
            ..self
        }
    }

    pub(super) fn with_reason(self, reason: &str) -> Self {
        Self {
            reason: Some(reason.to_owned()),
            ..self
        }
    }
}

/// Where entries go.
#[derive(Debug)]
pub(super) struct Log {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: Option<File>,
    recent: VecDeque<Entry>,
}

impl Log {
    /// A log that also appends to `path`, which is created if need be.
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        let file = path
            .map(|path| OpenOptions::new().create(true).append(true).open(path))
            .transpose()?;
        Ok(Self {
            inner: Mutex::new(Inner {
                file,
                recent: VecDeque::new(),
            }),
        })
    }

    /// Records an entry. It is in the file, though not on the disk, when this returns.
    ///
    /// The write is short and happens on the calling thread.
    pub(super) fn append(&self, entry: Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        let mut inner = self.lock();
        if let Some(file) = &mut inner.file {
            file.write_all(&line)?;
        }
        if inner.recent.len() >= MEMORY {
            inner.recent.pop_front();
        }
        inner.recent.push_back(entry);
        Ok(())
    }

    /// The entries in memory, oldest first.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.lock().recent.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while the lock is held, so a poisoned value is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
