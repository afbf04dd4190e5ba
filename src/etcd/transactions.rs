//! The transactions: each holds only if nothing that decides has changed since it was known.

use crate::guard::{Account, Book, Candidate, Slot, Stream, Touched};

use super::known::Known;
use super::layout::{Item, Layout};
use super::wire::{Range, Txn};

/// Rows that one claim removes at most: etcd takes 128 operations in a transaction, and a claim that asks for more would
/// be refused for ever. Rows that are left over decide nothing that their floor does not, and go with the next claims.
const MOST_PRUNED: usize = 100;

impl Known {
    /// The store's identity as a comparison needs it. Revisions alone are no identity: a cluster that was wiped, or
    /// went back, and then went the same way has written other things at the same ones.
    fn identity(&self, layout: &Layout) -> Vec<(String, Vec<u8>)> {
        let lineage = self.lineage.clone();
        let meta = lineage.map(|lineage| layout.pair(&Item::Meta { lineage }));
        meta.into_iter().collect()
    }

    /// What decides about a record, as it must lie there: at the same revision another store may have something else.
    fn contents(&self, layout: &Layout, slot: &Slot) -> Vec<(String, Vec<u8>)> {
        let mut items = Vec::new();
        if let Some(row) = self.book.row(slot) {
            items.push(Item::Row(*slot, row.clone()));
        }
        let account = slot.stream.into();
        if let Some(state) = self.book.accounts.get(&account) {
            items.push(Item::Account(account, state.clone()));
        }
        items.iter().map(|item| layout.pair(item)).collect()
    }

    fn floor_value(&self, layout: &Layout, stream: &Stream) -> Vec<(String, Vec<u8>)> {
        let state = self.book.streams.get(stream);
        let floor = state.map(|state| Item::Floor(*stream, state.floor, state.floor_at));
        floor.iter().map(|item| layout.pair(item)).collect()
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
            same: [
                self.identity(layout),
                self.floor_value(layout, &stream),
                self.contents(layout, &candidate.slot),
            ]
            .concat(),
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
            same: [
                self.identity(layout),
                self.contents(layout, &candidate.slot),
            ]
            .concat(),
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
            same: self.identity(layout),
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
            same: self.identity(layout),
            delete: rows().collect(),
            otherwise: vec![Range::Prefix(layout.all())],
            ..Txn::default()
        };
        txn.compare.extend(rows().map(|row| self.expect(row)));
        txn
    }

    /// The transaction that gives the store another lineage.
    pub(super) fn rename(&self, layout: &Layout, lineage: &str) -> Txn {
        let meta = Item::Meta {
            lineage: lineage.to_owned(),
        };
        Txn {
            compare: vec![self.expect(layout.meta())],
            same: self.identity(layout),
            put: vec![layout.pair(&meta)],
            otherwise: vec![Range::Prefix(layout.all())],
            ..Txn::default()
        }
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
