//! Metadata that never fails: public keys, proofs of possession and authorized keys.
//!
//! Answers come from memory; probes and look-ups bring news; everything is kept in the state directory
//! and loaded at start, so a cold start with every tunnel down still answers. A public key is bound to
//! its hash and a proof to its key, so both are served without age limit. This module talks to no
//! signer and holds no watermark.

mod disk;

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
        Self {
            settings,
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            dirty: Notify::new(),
        }
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

    /// What bakers are told; `None` while nobody has ever said and none is configured.
    ///
    /// A list beats `{}`, an empty list is never shown, lists are not mixed: where signers disagree the
    /// most preferred one counts. With bakers of our own the answer is those that the signer accepts too.
    #[must_use]
    pub fn authorized(&self) -> Option<Authorized> {
        let state = self.lock();
        let lists = || {
            self.settings
                .signers
                .iter()
                .filter_map(|name| Some((name, state.lists.get(name)?)))
        };
        let with_keys = lists().find_map(|(name, list)| match &list.answer {
            wire::AuthorizedKeys::Keys(keys) if !keys.is_empty() => Some((name, list, keys)),
            wire::AuthorizedKeys::Keys(_) | wire::AuthorizedKeys::NotRequired => None,
        });
        let own = &self.settings.bakers;
        if !own.is_empty() {
            let both: Vec<_> = match &with_keys {
                Some((_, _, keys)) => own
                    .iter()
                    .filter(|key| keys.contains(key))
                    .copied()
                    .collect(),
                None => Vec::new(),
            };
            let keys = if both.is_empty() { own.clone() } else { both };
            return Some(Authorized {
                keys: Some(keys),
                at: None,
                source: "configuration".to_owned(),
            });
        }
        if let Some((name, list, keys)) = with_keys {
            let source = name.clone();
            return Some(Authorized {
                keys: Some(keys.clone()),
                at: Some(list.at),
                source,
            });
        }
        let (name, list) =
            lists().find(|(_, list)| list.answer == wire::AuthorizedKeys::NotRequired)?;
        Some(Authorized {
            keys: None,
            at: Some(list.at),
            source: name.clone(),
        })
    }

    /// The signer that is known to demand authentication, if any.
    #[must_use]
    pub fn demanding_signer(&self) -> Option<String> {
        let state = self.lock();
        let demands = |list: &List| list.answer != wire::AuthorizedKeys::NotRequired;
        state
            .lists
            .iter()
            .find(|(_, list)| demands(list))
            .map(|(name, _)| name.clone())
    }

    /// Whether this signer has ever said what it wants.
    #[must_use]
    pub fn has_list(&self, signer: &str) -> bool {
        self.lock().lists.contains_key(signer)
    }

    /// A signer refused a request for want of authentication, whatever it said before.
    pub fn note_demand(&self, signer: &str) {
        let mut state = self.lock();
        let list = List {
            answer: wire::AuthorizedKeys::Keys(Vec::new()),
            at: crate::time::now(),
        };
        match state.lists.get(signer) {
            Some(known) if known.answer != wire::AuthorizedKeys::NotRequired => return,
            Some(_) | None => {}
        }
        state.lists.insert(signer.to_owned(), list);
        drop(state);
        tracing::warn!(signer, "signer demands authentication");
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
        let mut state = self.lock();
        let list = List {
            answer,
            at: crate::time::now(),
        };
        let known = state.lists.insert(signer.name().to_owned(), list.clone());
        let is_news = known.is_none_or(|known| known.answer != list.answer);
        let mut answers = state.lists.values().map(|list| &list.answer);
        let first = answers.next().cloned();
        let disagree = answers.any(|answer| Some(answer) != first.as_ref());
        let was = std::mem::replace(&mut state.disagreement, disagree);
        drop(state);
        if disagree && !was {
            tracing::warn!(
                signer = signer.name(),
                "signers disagree on authorized keys; the most preferred one's list is shown"
            );
        } else if was && !disagree {
            tracing::info!("signers agree on authorized keys again");
        }
        if is_news {
            self.tell();
        }
    }
}

#[cfg(test)]
mod tests;
