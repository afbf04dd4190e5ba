//! What this replica knows of the store: durable facts, each with the revision at which it was written.
//!
//! Deciding on old knowledge is safe. A comparison on revisions fails where the knowledge is old, and what can
//! never change (a signature, a claim of other bytes, a floor that refuses) may be answered from it at once.

use std::collections::{HashMap, HashSet};

use crate::guard::{
    Account, Book, Candidate, Change, Raise, Slot, StoreError, Stream, StreamState, Touched,
};
use crate::tezos::Position;

use super::layout::{Item, Layout, Place};
use super::wire::{Entry, Outcome, Range, Txn};

/// Rows that one claim removes at most: etcd takes 128 operations in a transaction, and a claim that asks for more would
/// be refused for ever. Rows that are left over decide nothing that their floor does not, and go with the next claims.
const MOST_PRUNED: usize = 100;

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

/// Floors that were there and are not, or were higher: the store went back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WentBack(pub(super) String);

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

    /// Everything that decides about a slot, read anew.
    pub(super) fn reads_of(layout: &Layout, slot: &Slot) -> Vec<Range> {
        vec![
            Range::Key(layout.meta()),
            Range::Key(layout.sealed()),
            Range::Key(layout.account(&slot.stream.into())),
            Range::Key(layout.floor(&slot.stream)),
            Range::Prefix(layout.rows(&slot.stream)),
        ]
    }

    /// The transaction of a claim that `part` has taken in as `touched`; it holds only if nothing that decides has
    /// changed.
    pub(super) fn claim(
        &self,
        layout: &Layout,
        candidate: &Candidate,
        (part, touched): (&Book, &Touched),
        instance: (String, Vec<u8>),
    ) -> Txn {
        let Slot { stream, .. } = candidate.slot;
        let mut txn = Txn {
            compare: vec![
                self.expect(layout.meta()),
                self.expect(layout.account(&stream.into())),
                self.expect(layout.floor(&stream)),
                self.expect(layout.row(&candidate.slot)),
            ],
            otherwise: Self::reads_of(layout, &candidate.slot),
            ..Txn::default()
        };
        let mut touched = touched.clone();
        touched.gone.truncate(MOST_PRUNED);
        write(layout, part, &touched, &mut txn);
        if txn.put.is_empty() {
            // A transaction that writes goes through the log of the cluster; one that only reads may be answered
            // by a member that lags.
            txn.put.push(instance);
        }
        txn
    }

    /// The transaction of a record.
    pub(super) fn record(
        &self,
        layout: &Layout,
        candidate: &Candidate,
        (part, touched): (&Book, &Touched),
    ) -> Txn {
        let mut txn = Txn {
            compare: vec![
                self.expect(layout.account(&candidate.slot.stream.into())),
                self.expect(layout.row(&candidate.slot)),
            ],
            otherwise: Self::reads_of(layout, &candidate.slot),
            ..Txn::default()
        };
        write(layout, part, touched, &mut txn);
        txn
    }

    /// The transaction of changes that `part` has taken in.
    pub(super) fn amend(
        &self,
        layout: &Layout,
        (streams, accounts): (&[Stream], &[Account]),
        (part, touched): (&Book, &Touched),
        lineage: Option<String>,
    ) -> Txn {
        let mut txn = Txn {
            compare: vec![self.expect(layout.meta())],
            otherwise: vec![Range::Prefix(layout.all())],
            ..Txn::default()
        };
        txn.compare.extend(
            streams
                .iter()
                .map(|stream| self.expect(layout.floor(stream))),
        );
        txn.compare.extend(
            accounts
                .iter()
                .map(|account| self.expect(layout.account(account))),
        );
        // A claim that ends must not have got its signature meanwhile.
        txn.compare.extend(
            touched
                .gone
                .iter()
                .map(|slot| self.expect(layout.row(slot))),
        );
        write(layout, part, touched, &mut txn);
        if let Some(lineage) = lineage {
            // Rewritten with the seal as well, so that no claim holds that was decided before it.
            txn.put.push(layout.pair(&Item::Meta { lineage }));
        }
        txn
    }

    /// The transaction that ends claims of which none has got its signature meanwhile.
    pub(super) fn end(&self, layout: &Layout, slots: &[Slot]) -> Txn {
        let rows = || slots.iter().map(|slot| layout.row(slot));
        let mut txn = Txn {
            compare: vec![self.expect(layout.meta())],
            delete: rows().collect(),
            otherwise: vec![Range::Prefix(layout.all())],
            ..Txn::default()
        };
        txn.compare.extend(rows().map(|row| self.expect(row)));
        txn
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
            self.enter(layout, key, value, outcome.revision)
                .map_err(StoreError::Unavailable)?;
        }
        for key in &txn.delete {
            self.forget(layout, key, outcome.revision);
        }
        Ok(())
    }

    /// Takes in what was read; what a whole range does not show any more is gone.
    pub(super) fn read(
        &mut self,
        layout: &Layout,
        ranges: &[Range],
        outcome: &Outcome,
    ) -> Result<(), String> {
        for (range, entries) in ranges.iter().zip(&outcome.reads) {
            let gone = self.missing(range, entries);
            for key in gone {
                self.forget(layout, &key, outcome.revision);
            }
            for entry in entries {
                self.is_later(entry, outcome.revision)?;
                self.enter(layout, &entry.key, &entry.value, entry.revision)?;
            }
        }
        Ok(())
    }

    /// What was written at a revision is not older than that in any state of the same store from then on. An answer that
    /// was overtaken by another is of a state before.
    fn is_later(&self, entry: &Entry, at: i64) -> Result<(), String> {
        let Entry { key, revision, .. } = entry;
        match self.revisions.get(key) {
            Some(known) if known > revision && *known <= at => Err(format!(
                "{key} was written at revision {known}, and at revision {at} it is as it was at {revision}: the cluster \
                 was restored from a backup"
            )),
            Some(_) | None => Ok(()),
        }
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

    fn enter(
        &mut self,
        layout: &Layout,
        key: &str,
        value: &[u8],
        revision: i64,
    ) -> Result<(), String> {
        if self
            .revisions
            .get(key)
            .is_some_and(|known| *known >= revision)
        {
            return Ok(());
        }
        match layout.item(key, value)? {
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
                    return Ok(());
                };
                state.rows.insert(slot.position, row);
            }
            Item::Account(account, state) => {
                self.book.accounts.insert(account, state);
            }
            // Nothing decides by it.
            Item::Other => return Ok(()),
        }
        self.revisions.insert(key.to_owned(), revision);
        Ok(())
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

    /// Holds floors as they are now against those of before.
    pub(super) fn went_back(&self, floors: &HashMap<Stream, Position>) -> Result<(), WentBack> {
        for (stream, before) in floors {
            let now = self.book.streams.get(stream).map(|state| state.floor);
            if now.is_none_or(|now| now < *before) {
                let now = now.map_or_else(|| "none".to_owned(), |now| now.to_string());
                return Err(WentBack(format!(
                    "the {} watermark of {} was at {before} and is {now}",
                    stream.kind, stream.key
                )));
            }
        }
        Ok(())
    }
}

/// Writes what was touched into a transaction.
fn write(layout: &Layout, part: &Book, touched: &Touched, txn: &mut Txn) {
    let mut items = Vec::new();
    for stream in &touched.floors {
        if let Some(state) = part.streams.get(stream) {
            items.push(Item::Floor(*stream, state.floor, state.floor_at));
        }
    }
    for slot in &touched.rows {
        if let Some(row) = part.row(slot) {
            items.push(Item::Row(*slot, row.clone()));
        }
    }
    for account in &touched.accounts {
        let state = part.account(*account);
        items.push(Item::Account(*account, state));
    }
    if let (true, Some(at)) = (touched.sealed, part.sealed) {
        items.push(Item::Sealed(at));
    }
    for item in &items {
        let pair = layout.pair(item);
        // A key may be written once in a transaction; the last state of it counts, and all are that.
        if !txn.put.iter().any(|(key, _)| *key == pair.0) {
            txn.put.push(pair);
        }
    }
    let rows = touched.gone.iter().map(|slot| layout.row(slot));
    let mut gone: Vec<String> = rows
        .filter(|key| !txn.put.iter().any(|(put, _)| put == key))
        .collect();
    gone.sort_unstable();
    gone.dedup();
    txn.delete.extend(gone);
}
