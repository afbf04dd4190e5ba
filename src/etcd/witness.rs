//! What this replica has seen of the store, kept in its state directory: a cluster that was restored from a backup,
//! emptied, or put in the place of another shows itself against it.
//!
//! Written late and never waited for: what it lacks makes it no less true.

mod signed;
mod text;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::guard::{Account, AccountState, Book, Halt, Stream, StreamState};
use crate::store::write_durably;
use crate::tezos::{Level, Position};
use crate::transfer::Document;

use super::known::{Doubt, Known};
use super::layout::Item;
use signed::Signed;

/// The file's name.
const FILE: &str = "etcd-witness.json";

/// The witness.
#[derive(Debug)]
pub(super) struct Witness {
    file: PathBuf,
    seen: Mutex<Seen>,
    /// What was seen before and is not held against anything: an operator takes it upon himself.
    aside: Option<Seen>,
}

/// What was seen, at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    cluster: Option<u64>,
    lineage: Option<String>,
    revision: i64,
    floors: HashMap<Stream, Position>,
    /// The last signatures of each stream.
    signed: HashMap<Stream, Vec<Signed>>,
    /// Where keys end: a stop is only ever lowered.
    stops: HashMap<Account, Level>,
    /// Halts that stood at the last look. Another replica may have resumed a key since, so that one is gone says nothing.
    halts: HashMap<Account, Halt>,
    /// Whether the store was sealed: never ends.
    sealed: bool,
    /// A name of this replica, drawn at the first use of the directory: signs of life are then as many as replicas, and
    /// not as many as their restarts.
    instance: String,
    /// Why the store was not believed, where that cannot be seen any more: revisions go on.
    doubt: Option<String>,
    /// Whether the file does not have it all.
    is_news: bool,
}

impl Witness {
    /// Reads the file of `directory`; without one nothing was seen yet.
    ///
    /// # Errors
    /// It is there and cannot be read: what it knows must not be forgotten.
    pub(super) fn load(directory: &Path) -> Result<Self, String> {
        let file = directory.join(FILE);
        let unusable = |why: String| {
            format!(
                "{} cannot be used: {why}; without it a cluster that went back would be believed. Put it back, or \
                 move it away and raise every watermark above all that was ever signed",
                file.display()
            )
        };
        let mut seen = match std::fs::read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Seen::default(),
            Err(error) => return Err(unusable(error.to_string())),
            Ok(bytes) => text::read(&bytes).map_err(unusable)?,
        };
        if seen.instance.is_empty() {
            let mut name = [0_u8; 8];
            getrandom::fill(&mut name).map_err(|error| error.to_string())?;
            seen.instance = hex::encode(name);
            seen.is_news = true;
        }
        Ok(Self {
            file,
            seen: Mutex::new(seen),
            aside: None,
        })
    }

    /// The same, with nothing held against the store; see [`Self::earlier`].
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(super) fn load_aside(directory: &Path) -> Result<Self, String> {
        let witness = Self::load(directory)?;
        let seen = witness.lock().clone();
        witness.expect_another();
        Ok(Self {
            aside: Some(seen),
            ..witness
        })
    }

    /// What was put aside, if anything was seen at all.
    pub(super) fn earlier(&self, now: Timestamp) -> Option<Document> {
        let seen = self.aside.as_ref()?;
        let lineage = seen.lineage.as_ref()?;
        let mut book = Book {
            sealed: seen.sealed.then_some(now),
            ..Book::default()
        };
        for (stream, floor) in &seen.floors {
            let state = StreamState::with_floor(*floor, now);
            book.streams.insert(*stream, state);
        }
        for (account, stop) in &seen.stops {
            let state: &mut AccountState = book.accounts.entry(*account).or_default();
            state.stop_at = Some(*stop);
        }
        for (account, halt) in &seen.halts {
            let state = book.accounts.entry(*account).or_default();
            state.halt = Some(halt.clone());
        }
        Some(Document::of_book(lineage, &book, now))
    }

    /// Keeps a copy of the file as it is, for whoever wants to know later; gives its name.
    ///
    /// # Errors
    /// The failing call's error.
    pub(super) fn keep_copy(&self, now: Timestamp) -> io::Result<Option<PathBuf>> {
        let bytes = match std::fs::read(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let name = format!("{FILE}.replaced-{}", now.strftime("%Y%m%dT%H%M%S%.3fZ"));
        let copy = self.file.with_file_name(name);
        write_durably(&copy, &bytes)?;
        Ok(Some(copy))
    }

    /// Believes whatever comes next.
    pub(super) fn expect_another(&self) {
        let mut seen = self.lock();
        let instance = std::mem::take(&mut seen.instance);
        *seen = Seen {
            instance,
            is_news: true,
            ..Seen::default()
        };
    }

    /// Whether what was seen is put aside.
    pub(super) const fn is_aside(&self) -> bool {
        self.aside.is_some()
    }

    /// Keeps a doubt until an operator has accepted the store, or reset it.
    pub(super) fn keep_doubt(&self, reason: &str) {
        let mut seen = self.lock();
        seen.doubt = Some(reason.to_owned());
        seen.is_news = true;
    }

    /// The doubt that was kept.
    pub(super) fn doubt(&self) -> Option<String> {
        self.lock().doubt.clone()
    }

    /// The name of this replica.
    pub(super) fn instance(&self) -> String {
        self.lock().instance.clone()
    }

    /// Tells what was seen in an earlier life.
    pub(super) fn introduce(&self, known: &mut Known) {
        let seen = self.lock();
        known.cluster = seen.cluster;
        known.revision = seen.revision;
    }

    /// Holds what was read against what was seen, before anything of it is known.
    ///
    /// # Errors
    /// The store went back, or is another.
    pub(super) fn judge(&self, item: &Item) -> Result<(), Doubt> {
        let seen = self.lock();
        match item {
            Item::Meta { lineage } => seen.check_lineage(Some(lineage)),
            Item::Floor(stream, now, _) => seen.check_floor(stream, Some(*now)),
            Item::Sealed(_) | Item::Row(..) | Item::Account(..) | Item::Other => Ok(()),
        }
    }

    /// Holds what is known now against what was seen, and takes it in where it is more.
    ///
    /// # Errors
    /// The store went back, or is another.
    pub(super) fn hold_against(&self, known: &Known) -> Result<(), Doubt> {
        let mut seen = self.lock();
        seen.check_lineage(known.lineage.as_deref())?;
        for stream in seen.floors.keys() {
            let now = known.book.streams.get(stream).map(|state| state.floor);
            seen.check_floor(stream, now)?;
        }
        seen.take_in_signatures(known)?;
        seen.take_in_ends(known)?;
        let floors = known.book.streams.iter();
        for (stream, state) in floors {
            let before = seen.floors.insert(*stream, state.floor);
            seen.is_news |= before != Some(state.floor);
        }
        seen.is_news |= seen.cluster != known.cluster || seen.lineage != known.lineage;
        seen.cluster = known.cluster;
        seen.lineage.clone_from(&known.lineage);
        seen.revision = seen.revision.max(known.revision);
        Ok(())
    }

    /// Writes what the file lacks; nothing while what was seen is put aside. Blocking.
    ///
    /// # Errors
    /// The failing call's error.
    pub(super) fn write(&self) -> io::Result<()> {
        if self.is_aside() {
            return Ok(());
        }
        self.replace()
    }

    /// Writes what is known now, whatever the file says. Blocking.
    ///
    /// # Errors
    /// The failing call's error.
    pub(super) fn replace(&self) -> io::Result<()> {
        let seen = {
            let mut seen = self.lock();
            if !std::mem::take(&mut seen.is_news) {
                return Ok(());
            }
            seen.clone()
        };
        let text = text::written(&seen)?;
        write_durably(&self.file, &text).inspect_err(|_| self.lock().is_news = true)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn check_lineage(&self, now: Option<&str>) -> Result<(), Doubt> {
        match (&self.lineage, now) {
            (Some(before), Some(now)) if before != now => Err(Doubt::while_seen(format!(
                "the store's lineage was {before} and is {now}: it is another store, or was accepted or reset at another \
                 replica (after a reset move etcd-witness.json away)"
            ))),
            (Some(_), None) => Err(Doubt::while_seen(
                "the store is empty and was not: it was wiped, or is another".to_owned(),
            )),
            (Some(_) | None, _) => Ok(()),
        }
    }

    fn check_floor(&self, stream: &Stream, now: Option<Position>) -> Result<(), Doubt> {
        let Some(before) = self
            .floors
            .get(stream)
            .filter(|before| now < Some(**before))
        else {
            return Ok(());
        };
        let now = now.map_or_else(|| "none".to_owned(), |now| now.to_string());
        // A later claim may bring it back to where it was.
        Err(Doubt::passing(format!(
            "the {} watermark of {} was at {before} and is {now}",
            stream.kind, stream.key
        )))
    }

    /// Each stream's last signatures. Without them a copy made between claim and signature has all that is compared else.
    fn take_in_signatures(&mut self, known: &Known) -> Result<(), Doubt> {
        for (stream, state) in &known.book.streams {
            let before = self.signed.entry(*stream).or_default();
            if let Some(gone) = before.iter().find(|before| !before.stands(state)) {
                return Err(Doubt::while_seen(format!(
                    "the {} of {} at {} was signed for, and the store has forgotten it: it went back",
                    stream.kind, stream.key, gone.position
                )));
            }
            let now = Signed::highest(state);
            if *before != now {
                *before = now;
                self.is_news = true;
            }
        }
        Ok(())
    }

    /// Seals and stops, which nobody can take back: without them keys that have moved would be signed for here again.
    /// And halts, which an acceptance makes again.
    fn take_in_ends(&mut self, known: &Known) -> Result<(), Doubt> {
        let book = &known.book;
        if self.sealed && book.sealed.is_none() {
            let reason = "the store was sealed and is not: it went back".to_owned();
            return Err(Doubt::while_seen(reason));
        }
        let stop_of = |account| book.accounts.get(account).and_then(|state| state.stop_at);
        for (account, before) in &self.stops {
            if stop_of(account).is_none_or(|now| now > *before) {
                let key = account.key;
                return Err(Doubt::while_seen(format!(
                    "{key} was to stop at level {before} and no longer is: the store went back"
                )));
            }
        }
        self.is_news |= self.sealed != book.sealed.is_some();
        self.sealed = book.sealed.is_some();
        for (account, state) in &book.accounts {
            if let Some(stop) = state.stop_at {
                let before = self.stops.insert(*account, stop);
                self.is_news |= before != Some(stop);
            }
        }
        let accounts = book.accounts.iter();
        let halts: HashMap<_, _> = accounts
            .filter_map(|(account, state)| Some((*account, state.halt.clone()?)))
            .collect();
        self.is_news |= self.halts != halts;
        self.halts = halts;
        Ok(())
    }
}
