//! Metadata that never fails: public keys, proofs of possession and authorized keys.
//!
//! Answers come from memory; probes and look-ups bring news; everything is kept in the state directory
//! and loaded at start, so a cold start with every tunnel down still answers. A public key is bound to
//! its hash and a proof to its key, so both are served without age limit. This module talks to no
//! signer and holds no watermark.

mod disk;
mod lists;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::signer::{MetadataSink, Signer};
use crate::task::Tasks;
use crate::tezos::{PublicKey, PublicKeyHash, Signature, wire};

/// Keys that are learnt when none is configured, at most: requests must not fill memory.
const LEARNT_KEYS: usize = 256;
/// Proofs that are kept, at most.
const PROOFS: usize = 256;

/// What a signer says about authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Its answer.
    pub answer: wire::AuthorizedKeys,
    /// When it last gave it.
    pub at: Timestamp,
}

/// What bakers are told about authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorized {
    /// Absent: no authentication is wanted. Never an empty list.
    pub keys: Option<Vec<PublicKeyHash>>,
    /// When the source last confirmed it; absent for the configuration.
    pub at: Option<Timestamp>,
    /// A signer's name, or `configuration`.
    pub source: String,
}

#[derive(Debug, Default)]
struct State {
    public_keys: BTreeMap<PublicKeyHash, PublicKey>,
    proofs: BTreeMap<(PublicKeyHash, Option<PublicKeyHash>), Signature>,
    lists: BTreeMap<String, List>,
    wanted: BTreeSet<PublicKeyHash>,
    disagreement: bool,
    /// Whether the operator was told that nobody can sign for want of bakers' keys.
    unmet: bool,
}

/// What the cache is for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file it is kept in.
    pub file: PathBuf,
    /// Keys of the configuration; empty means every key that a signer shows.
    pub keys: Vec<PublicKeyHash>,
    /// Public keys of the configuration.
    pub pinned: Vec<PublicKey>,
    /// Signer names, most preferred first.
    pub signers: Vec<String>,
    /// Bakers of `[auth] authorized-keys`.
    pub bakers: Vec<PublicKeyHash>,
    /// Whether the proxy authenticates to signers by itself: what they demand is nothing to bakers then.
    pub own: bool,
}

/// The verified copy. Shared by all requests and probes.
#[derive(Debug)]
pub struct MetadataCache {
    settings: Settings,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    dirty: Notify,
}

impl MetadataCache {
    /// Loads what an earlier run kept. A damaged file is reported and ignored: it is only a copy.
    #[must_use]
    pub fn load(settings: Settings) -> Self {
        let mut state = State::default();
        match disk::read(&settings.file) {
            Ok(kept) => {
                state.public_keys = kept.public_keys;
                state.proofs = kept.proofs;
                state.lists = kept.lists;
            }
            Err(error) => {
                tracing::warn!(file = %settings.file.display(), error, "metadata copy ignored");
            }
        }
        if !settings.keys.is_empty() {
            state
                .public_keys
                .retain(|key, _| settings.keys.contains(key));
            state
                .proofs
                .retain(|(key, _), _| settings.keys.contains(key));
        }
        state
            .lists
            .retain(|signer, _| settings.signers.contains(signer));
        for key in &settings.pinned {
            state.public_keys.insert(key.hash(), key.clone());
        }
        let cache = Self {
            settings,
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            dirty: Notify::new(),
        };
        // What was demanded before this start is demanded still.
        cache.note_unmet(&mut cache.lock());
        cache
    }

    /// Told after every news.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether requests for this key are answered at all.
    #[must_use]
    pub fn is_served(&self, key: PublicKeyHash) -> bool {
        self.settings.keys.is_empty() || self.settings.keys.contains(&key)
    }

    /// The public key, if any signer ever showed it.
    #[must_use]
    pub fn public_key(&self, key: PublicKeyHash) -> Option<PublicKey> {
        self.lock().public_keys.get(&key).cloned()
    }

    /// All keys with a public key.
    #[must_use]
    pub fn known_keys(&self) -> Vec<PublicKeyHash> {
        self.lock().public_keys.keys().copied().collect()
    }

    /// Keys of the configuration or, without any, those learnt.
    #[must_use]
    pub fn served_keys(&self) -> Vec<PublicKeyHash> {
        if self.settings.keys.is_empty() {
            self.known_keys()
        } else {
            self.settings.keys.clone()
        }
    }

    /// Notes that a baker asks for a key that nobody has shown, so that probes ask for it.
    pub fn want(&self, key: PublicKeyHash) {
        let mut state = self.lock();
        if state.wanted.len() < LEARNT_KEYS {
            state.wanted.insert(key);
        }
    }

    /// Forgets a key that every signer denied.
    pub fn unwant(&self, key: PublicKeyHash) {
        self.lock().wanted.remove(&key);
    }

    /// The proof of possession of `key` over `subject` (itself without).
    #[must_use]
    pub fn proof(&self, key: PublicKeyHash, subject: Option<PublicKeyHash>) -> Option<Signature> {
        self.lock().proofs.get(&(key, subject)).cloned()
    }

    /// Keeps a verified proof.
    pub fn keep_proof(&self, key: PublicKeyHash, subject: Option<PublicKeyHash>, proof: Signature) {
        let mut state = self.lock();
        if state.proofs.len() < PROOFS {
            state.proofs.insert((key, subject), proof);
        }
        drop(state);
        self.tell();
    }

    /// Writes news to the disk until shutdown, and once more then.
    pub fn start(self: &Arc<Self>, tasks: &Tasks) {
        let cache = Arc::clone(self);
        let shutdown = tasks.shutdown();
        tasks.spawn("metadata writer", async move {
            loop {
                let ending = tokio::select! {
                    () = cache.dirty.notified() => false,
                    () = shutdown.cancelled() => true,
                };
                cache.write().await;
                if ending {
                    return;
                }
            }
        });
    }

    async fn write(&self) {
        let kept = {
            let state = self.lock();
            disk::Kept {
                public_keys: state.public_keys.clone(),
                proofs: state.proofs.clone(),
                lists: state.lists.clone(),
            }
        };
        let file = self.settings.file.clone();
        let written = tokio::task::spawn_blocking(move || disk::write(&file, &kept)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(file = %self.settings.file.display(), %error, "metadata copy not written");
        }
    }

    fn tell(&self) {
        self.dirty.notify_one();
        self.changed
            .send_modify(|version| *version = version.wrapping_add(1));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MetadataSink for MetadataCache {
    fn keys(&self) -> Vec<PublicKeyHash> {
        if !self.settings.keys.is_empty() {
            return self.settings.keys.clone();
        }
        let state = self.lock();
        let known: BTreeSet<_> = state
            .public_keys
            .keys()
            .chain(&state.wanted)
            .copied()
            .collect();
        known.into_iter().collect()
    }

    fn learned(&self, key: PublicKeyHash, public_key: PublicKey) {
        let mut state = self.lock();
        if state.public_keys.contains_key(&key) || state.public_keys.len() >= LEARNT_KEYS {
            return;
        }
        state.wanted.remove(&key);
        state.public_keys.insert(key, public_key);
        drop(state);
        tracing::info!(%key, "public key learnt and verified");
        self.tell();
    }

    fn authorized_keys(&self, signer: &Signer, answer: wire::AuthorizedKeys) {
        self.take_list(signer.name(), answer);
    }
}

#[cfg(test)]
mod tests;
