//! A store that several proxies share: etcd, used by compare-and-swap alone.
//!
//! No leader, lease, lock or clock takes part in safety. Each operation is decided by [`Book`] on what this replica
//! knows, and made by a transaction that holds only if nothing that decides has changed since; otherwise what has
//! changed comes back with the answer, and it is decided anew. Knowledge that is old costs a round trip and never
//! a second signature. Every transaction writes something, because one that only reads may be answered by a member that lags.
//!
//! The contract is that of [`crate::guard::WatermarkStore`]. What vouches for the store: the cluster that answered first, its lineage, its
//! revision, and the floors that this replica has seen, which are kept in the state directory (`witness`). Whoever goes back
//! behind any of them is not believed.

mod accept;
mod amend;
mod belief;
mod gateway;
mod keep;
mod known;
mod layout;
mod leader;
mod operate;
mod reset;
mod transactions;
mod unsure;
mod wire;
mod witness;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::guard::{
    Account, AccountReport, AccountState, Answer, Candidate, Change, Condition, Head, Record, Row,
    Slot, StoreError, StoreFuture, StoreReport, StreamReport, WatermarkStore,
};
use crate::settings::EtcdSettings;
use crate::signer::client::Client;
use crate::store::DirectoryLock;
use crate::task::Tasks;
use crate::tezos::{ChainId, PublicKeyHash};

use belief::sentence;
use gateway::{Gateway, Login};
use known::{Doubt, Known};
use layout::Layout;
use leader::Waiting;
use unsure::Unsure;
use witness::Witness;

/// What this replica is told.
#[derive(Debug)]
pub struct Terms<'a> {
    /// `[store]`
    pub settings: &'a EtcdSettings,
    /// `state.lineage`
    pub lineage: Option<String>,
    /// The lock of the state directory, where the witness is.
    pub lock: DirectoryLock,
    /// A claim or record without an outcome is asked for again until it is this old.
    pub patience: Duration,
}

/// The store.
#[derive(Debug)]
pub struct EtcdStore {
    gateway: Gateway,
    waiting: Waiting,
    /// Held while everything is read; when the last reading that failed began, and why it did.
    catching_up: tokio::sync::Mutex<Option<(Instant, String)>>,
    unsure: Unsure,
    layout: Layout,
    instance: String,
    patience: Duration,
    pin: Option<String>,
    witness: Arc<Witness>,
    state: Mutex<State>,
    // Held for as long as the witness may be written.
    _lock: DirectoryLock,
}

#[derive(Debug, Default)]
struct State {
    known: Known,
    /// Why nothing is believed any more; only a restart, or the operator's word, ends it.
    doubt: Option<String>,
    /// Why the last call was not answered.
    trouble: Option<String>,
    /// When was asked what was read last, of all that there is.
    looked: Option<Instant>,
    /// When a call was answered last.
    answered: Option<Instant>,
    /// Since when none was.
    silent_since: Option<Instant>,
    /// The longest transaction since it was last asked for.
    slowest: Duration,
}

impl EtcdStore {
    /// A store that has read nothing yet; see [`Self::keep`].
    ///
    /// # Errors
    /// The password or the witness cannot be read. In words, with the remedy.
    pub fn new(terms: Terms<'_>, tasks: &Tasks) -> Result<Self, String> {
        let witness = Witness::load(terms.lock.directory())?;
        Self::with(witness, terms, tasks)
    }

    /// The same, with nothing held against what is found: for an operator who takes that upon himself.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn doubting_nothing(terms: Terms<'_>, tasks: &Tasks) -> Result<Self, String> {
        let witness = Witness::load_aside(terms.lock.directory())?;
        Self::with(witness, terms, tasks)
    }

    fn with(witness: Witness, terms: Terms<'_>, tasks: &Tasks) -> Result<Self, String> {
        let settings = terms.settings;
        let login = match (&settings.user, &settings.password_file) {
            (Some(user), Some(file)) => {
                let text = std::fs::read_to_string(file).map(Zeroizing::new);
                let text =
                    text.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
                Some(Login {
                    user: user.clone(),
                    password: Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()),
                })
            }
            (Some(_) | None, _) => None,
        };
        let mut known = Known::default();
        witness.introduce(&mut known);
        Ok(Self {
            gateway: Gateway::new(settings, login, tasks),
            waiting: Waiting::default(),
            catching_up: tokio::sync::Mutex::default(),
            unsure: Unsure::default(),
            layout: Layout::new(&settings.prefix),
            instance: witness.instance(),
            patience: terms.patience,
            pin: terms.lineage,
            _lock: terms.lock,
            state: Mutex::new(State {
                known,
                doubt: witness
                    .doubt()
                    .map(|reason| sentence(&Doubt::passing(reason))),
                ..State::default()
            }),
            witness: Arc::new(witness),
        })
    }

    /// Reads everything once, for whoever does one thing and ends.
    ///
    /// # Errors
    /// No member answers, or the store is not believed.
    pub async fn connect(&self) -> Result<(), StoreError> {
        self.read_once().await
    }

    /// Writes what the witness lacks. Blocking.
    ///
    /// # Errors
    /// The failing call's error.
    pub fn write_witness(&self) -> std::io::Result<()> {
        self.witness.write()
    }

    /// Writes a witness of the store as it was accepted or reset, in place of the one that is there; gives the name of the
    /// copy of that. Blocking.
    ///
    /// # Errors
    /// The failing call's error.
    pub fn replace_witness(&self, now: Timestamp) -> std::io::Result<Option<PathBuf>> {
        let copy = self.witness.keep_copy(now)?;
        self.witness.replace()?;
        Ok(copy)
    }

    /// The clients of all members, for whoever looks after certificates.
    pub fn clients(&self) -> impl Iterator<Item = &Client> {
        self.gateway.clients()
    }

    /// For how long somebody waits and nobody is answered.
    fn silence(&self, state: &State) -> Option<Duration> {
        let waits = self.waiting.longest();
        let silent = state.silent_since.map(|since| since.elapsed());
        let unanswered = state.answered.map(|at| at.elapsed());
        let waits = waits.map(|time| unanswered.map_or(time, |unanswered| unanswered.min(time)));
        waits.max(silent)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below leaves the state whole, so a panic elsewhere cannot have torn it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WatermarkStore for EtcdStore {
    fn claim(&self, candidate: Candidate, now: Timestamp) -> StoreFuture<'_, Answer> {
        Box::pin(self.claim_slot(candidate, now))
    }

    fn record(&self, candidate: Candidate, record: Record) -> StoreFuture<'_, Record> {
        Box::pin(self.record_signature(candidate, record))
    }

    fn amend(&self, changes: Vec<Change>, now: Timestamp) -> StoreFuture<'_, ()> {
        Box::pin(self.make_changes(changes, now))
    }

    fn refresh(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.read_anew())
    }

    fn asks_again(&self, since: Timestamp) -> bool {
        let age = crate::time::now().duration_since(since);
        // A clock that went back makes it younger than nothing, and that is no age either.
        Duration::try_from(age).is_ok_and(|age| age < self.patience)
    }

    fn lookup(&self, slot: &Slot) -> Option<Row> {
        self.state().known.book.row(slot).cloned()
    }

    fn head(&self, chain: ChainId, key: PublicKeyHash) -> Option<Head> {
        self.state().known.book.head(chain, key)
    }

    fn report(&self) -> StoreReport {
        let state = self.state();
        let sealed = state.known.book.seal_sentence();
        let absent = || {
            "there is no watermark store in etcd yet: nothing has ever been signed for; run \
             `signer-proxy watermark init`"
                .to_owned()
        };
        let (condition, reason) = match (&state.doubt, sealed) {
            (Some(doubt), _) => (Condition::Refusing, Some(doubt.clone())),
            (None, Some(sealed)) => (Condition::Refusing, Some(sealed)),
            (None, None) if !state.known.is_read => {
                let waiting = || "etcd has not answered yet".to_owned();
                let trouble = state.trouble.clone().unwrap_or_else(waiting);
                (Condition::Refusing, Some(trouble))
            }
            (None, None) if state.known.lineage.is_none() => (Condition::Absent, Some(absent())),
            // Without a quorum requests are held, as they are without signers.
            (None, None) => (Condition::Ready, state.trouble.clone()),
        };
        StoreReport {
            kind: "etcd",
            condition,
            reason,
            lineage: state.known.lineage.clone(),
            sealed: state.known.book.sealed,
            silent_for: self.silence(&state),
        }
    }

    fn streams(&self) -> Vec<StreamReport> {
        self.state().known.book.stream_reports()
    }

    fn account(&self, account: Account) -> AccountState {
        self.state().known.book.account(account)
    }

    fn accounts(&self) -> Vec<AccountReport> {
        self.state().known.book.account_reports()
    }
}
