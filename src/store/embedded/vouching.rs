//! Whether a store is the right one and as new as it ever was, by its pin and its witness; and how an
//! operator accepts one that is not, by raising its floors.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::guard::{Account, Book, Touched};
use crate::tezos::{ChainId, Level};
use crate::transfer::{Document, acceptance};

use super::super::ailment::Ailment;
use super::super::contents::Contents;
use super::super::witness::{self, Hand, Unusable};
use super::super::{file, tables};
use super::disk::{self, Loaded, create_file};
use super::{DirectoryLock, EmbeddedStore, STORE_FILE};

/// What has to vouch for a store.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The lineage that it must have.
    pub lineage: Option<String>,
    /// The witness that must not be ahead of it.
    pub witness: Option<PathBuf>,
}

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To sign by it, or to change it: its witness follows.
    Working,
    /// To look at it: its witness stays as it is.
    Looking,
}

/// A store that an operator accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its identity.
    pub lineage: String,
    /// The keys whose watermarks stand at least at the level that was given.
    pub accounts: Vec<Account>,
    /// Keys on other chains, of which the level says nothing: halted until each is resumed.
    pub halted: Vec<Account>,
}

impl Trust {
    /// Whether a store may be made in `directory`, where there is none.
    ///
    /// # Errors
    /// Not while a lineage is pinned: a new store has one that nobody knows yet, so the pin speaks of a store
    /// that is lost or not mounted. Taking the pinned one for a new store would make two stores look alike.
    pub fn allows_a_new_store(&self, directory: &Path) -> Result<(), String> {
        match &self.lineage {
            None => Ok(()),
            Some(pin) => Err(format!(
                "state.lineage pins {pin}, but there is no watermark store in {}; is its volume mounted? If that \
                 store is lost, remove the pin, make a new one above everything ever signed (`signer-proxy \
                 watermark init`, or `signer-proxy watermark accept` beside a witness), and pin the lineage that \
                 it prints",
                directory.display()
            )),
        }
    }
}

/// Without a store: a pin or a witness of one means that it is lost or not mounted.
pub(super) fn absent(trust: &Trust, directory: &Path) -> Result<(), String> {
    trust.allows_a_new_store(directory)?;
    let Some(path) = &trust.witness else {
        return Ok(());
    };
    match witness::read(path)? {
        None => Ok(()),
        Some(witness) => Err(format!(
            "there is no watermark store in {}, but the witness {} knows one, {}; is its volume mounted? If \
             it is lost, make a new one above everything ever signed: stop the proxy and run `signer-proxy \
             watermark accept --config FILE --level LEVEL` (or --from-node URL)",
            directory.display(),
            path.display(),
            witness.lineage
        )),
    }
}

/// Whether the store may be believed. To sign by it, its witness is brought up to date, or begun; to look at it,
/// nothing is written. Returns what a keeper has to know of the witness.
pub(super) fn check(
    trust: &Trust,
    store: &Path,
    loaded: &mut Loaded,
    purpose: Purpose,
) -> Result<Hand, Ailment> {
    let Loaded {
        lineage,
        contents,
        witnessed,
        ..
    } = &*loaded;
    check_pin(trust, store, lineage)?;
    let writer = disk::random_id()?;
    let Some(path) = &trust.witness else {
        return Ok(Hand::new(writer, None));
    };
    let witness = witness::read(path).map_err(String::from)?;
    let is_witnessed = *witnessed;
    let contradiction =
        witness::contradiction(path, witness.as_ref(), lineage, contents, is_witnessed);
    if let Some(sentence) = contradiction {
        return Err(sentence.into());
    }
    let is_behind = witness
        .as_ref()
        .is_none_or(|there| !witness::is_up_to_date(there, lineage, contents));
    let mut hand = Hand::new(writer, witness);
    if purpose == Purpose::Looking {
        return Ok(hand);
    }
    if !is_witnessed {
        // From now on a missing witness is a finding.
        begin_witness(path, loaded, &mut hand)?;
    } else if is_behind {
        // The process before may have been killed between a commit and its witness. What it committed is given to
        // bakers from now on, so it is noted first; otherwise the keeper writes, and nobody waits for it.
        if let Err(error) = write_witness(path, loaded, &mut hand) {
            tracing::error!(%error, "witness cannot be written; signing goes on without it");
        }
    }
    Ok(hand)
}

fn check_pin(trust: &Trust, store: &Path, lineage: &str) -> Result<(), String> {
    match &trust.lineage {
        Some(pin) if pin != lineage => Err(format!(
            "the watermark store {} has lineage {lineage} but state.lineage demands {pin}: this is another \
             store; mount the right volume or correct state.lineage",
            store.display()
        )),
        Some(_) | None => Ok(()),
    }
}

fn write_witness(path: &Path, loaded: &Loaded, hand: &mut Hand) -> Result<(), String> {
    let Loaded {
        lineage, contents, ..
    } = loaded;
    let document = witness::document(lineage, contents, &hand.writer, crate::time::now());
    let written = file::write_durably(path, document.to_text().as_bytes());
    written.map(|()| hand.wrote(&document)).map_err(|error| {
        format!(
            "the witness {} cannot be written: {error}; mount its volume or make space there, and restart, or leave \
             state.witness out",
            path.display()
        )
    })
}

/// A volume of the witness that is full is not the store's: waiting for its space would open the store again and again.
fn begin_witness(path: &Path, loaded: &mut Loaded, hand: &mut Hand) -> Result<(), Ailment> {
    write_witness(path, loaded, hand)?;
    let commits = loaded.contents.next();
    tables::mark_witnessed(&loaded.database, commits).map_err(Ailment::of_database)?;
    loaded.contents.commits = commits;
    Ok(())
}

impl EmbeddedStore {
    /// Accepts the store in the locked directory although it is below, beside or without its witness, by
    /// raising every watermark on `chain` that it or the witness knows to `level` at least, all rounds. Of
    /// other chains a level says nothing: their keys are halted. Makes a store where there is none and the
    /// witness knows one. Blocking; durable when it returns.
    ///
    /// # Errors
    /// A sentence. The store stands as it was, or with higher floors; it signs only once its witness
    /// was written.
    pub fn accept(
        lock: &DirectoryLock,
        trust: &Trust,
        chain: ChainId,
        level: Level,
        now: Timestamp,
    ) -> Result<Accepted, String> {
        let path = trust.witness.as_deref().ok_or(
            "state.witness is not configured, so there is nothing to accept; `watermark init` raises \
             watermarks",
        )?;
        let witness = match witness::read(path) {
            Ok(witness) => witness,
            // It says nothing; the level has to.
            Err(Unusable::Damaged(_)) => None,
            Err(Unusable::Unreadable(error) | Unusable::Newer(error)) => return Err(error),
        };
        if let Some(sealed) = witness.as_ref().and_then(|witness| witness.sealed) {
            return Err(format!(
                "the witness {} knows that its store was sealed at {sealed} because its keys moved \
                 elsewhere; only `watermark reset --danger` opens it again",
                path.display()
            ));
        }
        let store = lock.directory().join(STORE_FILE);
        if !store.try_exists().map_err(|error| error.to_string())? {
            if witness.is_none() {
                return Err("there is neither a store nor a witness that can be read; `watermark init` makes \
                    a store"
                    .to_owned());
            }
            trust.allows_a_new_store(lock.directory())?;
            create_file(&store)?;
        }
        let opened = disk::open_durably(&store, lock.directory());
        let mut loaded = opened.map_err(|ailment| ailment.reason)?;
        check_pin(trust, &store, &loaded.lineage)?;
        let streams = loaded.contents.book.streams.iter();
        let highest = streams
            .filter(|(stream, _)| stream.chain == chain)
            .map(|(_, state)| state.floor.level);
        // One of another store knows nothing of what this one signed; its watermarks raise, and that is all.
        let has_its_own = witness.as_ref().map(|witness| &witness.lineage) == Some(&loaded.lineage);
        if let Some(highest) = highest.max().filter(|highest| level < *highest)
            && !has_its_own
        {
            return Err(format!(
                "without its own witness only the level can vouch for what was signed, and {level} lies below {highest}, \
                 which the store itself holds; give a level above everything ever signed"
            ));
        }
        let known = raise_all(&mut loaded, witness.as_ref(), (chain, level), now)?;
        let mut hand = Hand::new(disk::random_id()?, None);
        begin_witness(path, &mut loaded, &mut hand).map_err(|ailment| ailment.reason)?;
        let (accounts, halted) = known.into_iter().partition(|known| known.chain == chain);
        Ok(Accepted {
            lineage: loaded.lineage,
            accounts,
            halted,
        })
    }
}

/// Raises everything that store and witness know, in one commit that counts as one after all that either has
/// seen. Claims without a signature end, also those at the floors as they stand: what became of them is not
/// known.
fn raise_all(
    loaded: &mut Loaded,
    witness: Option<&Document>,
    vouched: (ChainId, Level),
    now: Timestamp,
) -> Result<Vec<Account>, String> {
    let Contents { book, commits } = &mut loaded.contents;
    let mut touched = Touched::default();
    let (changes, accounts) = acceptance(book, witness, vouched, now);
    for change in changes {
        Book::amend(book, change, now, &mut touched);
    }
    let known = witness.and_then(|witness| witness.commits).unwrap_or(0);
    let next = known.max(*commits).saturating_add(1);
    tables::commit(&loaded.database, book, &touched, next).map_err(|error| error.to_string())?;
    *commits = next;
    Ok(accounts)
}
