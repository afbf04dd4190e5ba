//! What this replica knows of the store: durable facts, each with the revision at which it was written.
//!
//! Deciding on old knowledge is safe. A comparison on revisions fails where the knowledge is old, and what can
//! never change (a signature, a claim of other bytes, a floor that refuses) may be answered from it at once.

use std::collections::{HashMap, HashSet};

use crate::guard::{Account, Book, Change, Raise, StoreError, Stream, StreamState};

use super::layout::{Item, Layout, Place};
use super::wire::{Entry, Outcome, Range, Txn};

/// What is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) book: Book,
    pub(super) lineage: Option<String>,
    /// Revisions of keys; one that is not here is taken to be absent.
    revisions: HashMap<String, i64>,
    /// The cluster that answered first.
    pub(super) cluster: Option<u64>,
    /// The highest revision that any answer had.
    pub(super) revision: i64,
    /// Everything that was written up to this revision has been read.
    pub(super) read_until: i64,
    /// Whether everything was read once.
    pub(super) is_read: bool,
}

/// Why a store is not the one that it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) reason: String,
    /// Whether it may not show any more at the next look, and so has to be kept.
    pub(super) passes: bool,
}

impl Doubt {
    /// It shows itself again whenever one looks.
    pub(super) const fn while_seen(reason: String) -> Self {
        Self {
            reason,
            passes: false,
        }
    }

    /// Revisions and other claims go on and cover it.
    pub(super) const fn passing(reason: String) -> Self {
        Self {
            reason,
            passes: true,
        }
    }
}

impl Known {
    /// The revision of a key as a comparison needs it.
    pub(super) fn expect(&self, key: String) -> (String, i64) {
        let revision = self.revisions.get(&key).copied().unwrap_or_default();
        (key, revision)
    }

    /// The part that is about one stream and its key.
    pub(super) fn part(&self, streams: &[Stream], accounts: &[Account]) -> Book {
        let streams = streams.iter();
        let accounts = accounts.iter();
        Book {
            streams: streams
                .filter_map(|stream| Some((*stream, self.book.streams.get(stream)?.clone())))
                .collect(),
            accounts: accounts
                .filter_map(|account| Some((*account, self.book.accounts.get(account)?.clone())))
                .collect(),
            sealed: self.book.sealed,
        }
    }

    /// Streams and keys that changes are about.
    pub(super) fn concerned(changes: &[Change]) -> (Vec<Stream>, Vec<Account>) {
        let (mut streams, mut accounts) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Raise(Raise { stream, .. }) => streams.push(*stream),
                Change::StopAt { account, .. }
                | Change::Halt { account, .. }
                | Change::Resume { account } => accounts.push(*account),
                Change::Seal => {}
            }
        }
        streams.sort_unstable();
        streams.dedup();
        accounts.sort_unstable();
        accounts.dedup();
        (streams, accounts)
    }

    /// Takes in a transaction that was made: what it wrote is known, at its revision.
    pub(super) fn wrote(
        &mut self,
        layout: &Layout,
        txn: &Txn,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        for (key, value) in &txn.put {
            let item = layout.item(key, value);
            let item = item.map_err(StoreError::Unavailable)?;
            self.enter(key, item, outcome.revision);
        }
        for key in &txn.delete {
            self.forget(layout, key, outcome.revision);
        }
        for prefix in &txn.clear {
            for key in self.missing(&Range::Prefix(prefix.clone()), &[]) {
                self.forget(layout, &key, outcome.revision);
            }
        }
        Ok(())
    }

    /// Takes in what was read, all of it or nothing; what a whole range does not show any more is gone. `judge` is asked
    /// about each item first.
    ///
    /// # Errors
    /// Nothing was taken in.
    pub(super) fn read(
        &mut self,
        layout: &Layout,
        ranges: &[Range],
        outcome: &Outcome,
        judge: impl Fn(&Item) -> Result<(), Doubt>,
    ) -> Result<(), Doubt> {
        let mut items = Vec::new();
        for entry in outcome.reads.iter().flatten() {
            self.check_age(entry, outcome.revision)?;
            if self.is_overtaken(&entry.key, entry.revision) {
                continue;
            }
            let item = layout.item(&entry.key, &entry.value);
            items.push((entry, item.map_err(Doubt::while_seen)?));
        }
        // Of another store not its contents are to be told.
        let (identity, contents): (Vec<_>, Vec<_>) = items
            .iter()
            .map(|(_, item)| item)
            .partition(|item| matches!(item, Item::Meta { .. }));
        for item in identity.into_iter().chain(contents) {
            judge(item)?;
            self.check_row(item)?;
        }
        for (range, entries) in ranges.iter().zip(&outcome.reads) {
            for key in self.missing(range, entries) {
                self.forget(layout, &key, outcome.revision);
            }
        }
        for (entry, item) in items {
            self.enter(&entry.key, item, entry.revision);
        }
        Ok(())
    }

    /// Known keys of a range that it does not show.
    fn missing(&self, range: &Range, entries: &[Entry]) -> Vec<String> {
        // All operations wait for this: a look for each key in all entries would take seconds with some hundred keys.
        let shown: HashSet<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        let is_of = |key: &String| match range {
            Range::Key(one) => key == one,
            Range::Prefix(prefix) => key.starts_with(prefix),
            // What was not written since is not shown.
            Range::Since(..) => false,
        };
        let keys = self.revisions.keys();
        keys.filter(|key| is_of(key) && !shown.contains(key.as_str()))
            .cloned()
            .collect()
    }

    /// What was written at a revision is not older than that in any state of the same store from then on. An answer that
    /// was overtaken by another is of a state before.
    fn check_age(&self, entry: &Entry, at: i64) -> Result<(), Doubt> {
        let Entry { key, revision, .. } = entry;
        match self.revisions.get(key) {
            Some(known) if known > revision && *known <= at => Err(Doubt::passing(format!(
                "{key} was written at revision {known}, and at revision {at} it is as it was at {revision}: the store went \
                 back, restored from a backup"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// A claim never passes to other bytes, and a signature never changes or goes.
    fn check_row(&self, item: &Item) -> Result<(), Doubt> {
        let Item::Row(slot, now) = item else {
            return Ok(());
        };
        let Some(before) = self.book.row(slot) else {
            return Ok(());
        };
        let is_same = (before.digest, before.scheme) == (now.digest, now.scheme);
        if is_same && (before.record.is_none() || before.record == now.record) {
            return Ok(());
        }
        let Stream { key, kind, .. } = slot.stream;
        Err(Doubt::passing(format!(
            "the {kind} of {key} at {} was claimed for {}{} and is not any more: the store went back, and went another way",
            slot.position,
            before.digest.short(),
            if before.record.is_some() {
                " and signed"
            } else {
                ""
            },
        )))
    }

    /// Whether something later is known of a key. At the same revision it is the same, unless the store is another: then it
    /// has to be seen.
    fn is_overtaken(&self, key: &str, revision: i64) -> bool {
        self.revisions
            .get(key)
            .is_some_and(|known| *known > revision)
    }

    fn enter(&mut self, key: &str, item: Item, revision: i64) {
        if self.is_overtaken(key, revision) {
            return;
        }
        match item {
            Item::Meta { lineage } => self.lineage = Some(lineage),
            Item::Sealed(at) => self.book.sealed = Some(at),
            Item::Floor(stream, floor, floor_at) => {
                let state = self
                    .book
                    .streams
                    .entry(stream)
                    .or_insert_with(|| StreamState::with_floor(floor, floor_at));
                (state.floor, state.floor_at) = (floor, floor_at);
            }
            Item::Row(slot, row) => {
                // Its floor was written with it or before it; reads of a range come floors first.
                let Some(state) = self.book.streams.get_mut(&slot.stream) else {
                    return;
                };
                state.rows.insert(slot.position, row);
            }
            Item::Account(account, state) => {
                self.book.accounts.insert(account, state);
            }
            // Nothing decides by it.
            Item::Other => return,
        }
        self.revisions.insert(key.to_owned(), revision);
    }

    /// A key that is not there any more at `revision`.
    fn forget(&mut self, layout: &Layout, key: &str, revision: i64) {
        if self
            .revisions
            .get(key)
            .is_some_and(|known| *known > revision)
        {
            return;
        }
        self.revisions.remove(key);
        match layout.place(key) {
            Ok(Place::Row(slot)) => {
                if let Some(state) = self.book.streams.get_mut(&slot.stream) {
                    state.rows.remove(&slot.position);
                }
            }
            Ok(Place::Account(account)) => {
                self.book.accounts.remove(&account);
            }
            Ok(Place::Floor(stream)) => {
                self.book.streams.remove(&stream);
            }
            Ok(Place::Meta) => self.lineage = None,
            Ok(Place::Sealed) => self.book.sealed = None,
            Ok(Place::Other) | Err(_) => {}
        }
    }
}
