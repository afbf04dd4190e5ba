//! The one way down: another lineage, and keys that begin anew. For stores from [`EtcdStore::doubting_nothing`].

use jiff::Timestamp;

use crate::guard::{Account, Book, StoreError, Stream};
use crate::store::Found;
use crate::tezos::{ChainId, ConsensusKind, Level};

use super::amend::new_lineage;
use super::gateway::CallError;
use super::known::Known;
use super::layout::Item;
use super::operate::{TRIES, believed, too_busy};
use super::wire::{Range, Txn};
use super::{EtcdStore, State};

/// Keys whose stops are written at once.
const AT_ONCE: usize = 64;

impl EtcdStore {
    /// Reads what is there.
    ///
    /// # Errors
    /// No member answers.
    pub async fn inspect(&self) -> Result<Found, StoreError> {
        let read = self.read_all().await;
        let state = self.state();
        if let Some(reason) = state.doubt.clone() {
            return Ok(Found::Unreadable { reason });
        }
        read?;
        Ok(match &state.known.lineage {
            Some(lineage) => Found::Whole {
                lineage: lineage.clone(),
                book: Box::new(state.known.book.clone()),
            },
            None if state.known.book.streams.is_empty() => Found::Absent,
            None => Found::Unreadable {
                reason: "it has watermarks and no lineage".to_owned(),
            },
        })
    }

    /// The highest level on `chain` that this replica has seen claimed, if it has seen any.
    #[must_use]
    pub fn highest_seen(&self, chain: ChainId, now: Timestamp) -> Option<Level> {
        let seen = self.witness.earlier(now)?;
        let accounts = seen.accounts.iter().filter(|known| known.chain == chain);
        let marks = accounts.flat_map(|known| &known.watermarks);
        marks.map(|mark| mark.position.level).max()
    }

    /// Makes the store `anew`, in which `accounts` begin anew and all else is as it was in `before`; without `before` the
    /// store cannot be read, and nothing of it stays. Gives its new lineage.
    ///
    /// Whatever fails on the way leaves higher watermarks, or none: no step lowers one before every replica that runs has
    /// been told by the lineage. Repeat it then.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn replace(
        &self,
        before: Option<&Book>,
        anew: &Book,
        accounts: &[Account],
    ) -> Result<String, StoreError> {
        let lineage = match before {
            Some(before) => {
                // While the seal still holds, if there is one.
                self.write_stops(before, anew, accounts).await?;
                self.rename(true).await?
            }
            None => self.clear().await?,
        };
        for account in accounts {
            self.make_at_last(|known| self.beginning(known, anew, *account))
                .await?;
        }
        Ok(lineage)
    }

    /// Gives the store another lineage, and tells it: whoever decided by the old one has decided in vain.
    pub(super) async fn rename(&self, lifts_seal: bool) -> Result<String, StoreError> {
        let lineage = new_lineage()?;
        self.make_at_last(|known| {
            let mut txn = known.rename(&self.layout, &lineage);
            if lifts_seal {
                txn.delete.push(self.layout.sealed());
            }
            txn
        })
        .await?;
        Ok(lineage)
    }

    /// Keys that do not begin anew stop where a seal is lifted for others.
    async fn write_stops(
        &self,
        before: &Book,
        anew: &Book,
        accounts: &[Account],
    ) -> Result<(), StoreError> {
        let stops = anew.accounts.iter().filter(|(account, state)| {
            !accounts.contains(account) && before.accounts.get(account) != Some(state)
        });
        let stops: Vec<_> = stops.collect();
        for some in stops.chunks(AT_ONCE) {
            self.make_at_last(|known| {
                let mut txn = known.rename(&self.layout, known.lineage.as_deref().unwrap_or(""));
                for (account, state) in some {
                    txn.compare.push(known.expect(self.layout.account(account)));
                    let item = Item::Account(**account, (*state).clone());
                    txn.put.push(self.layout.pair(&item));
                }
                txn
            })
            .await?;
        }
        Ok(())
    }

    /// The transaction by which one key begins anew.
    fn beginning(&self, known: &Known, anew: &Book, account: Account) -> Txn {
        let lineage = known.lineage.as_deref().unwrap_or("");
        let mut txn = known.rename(&self.layout, lineage);
        txn.delete.push(self.layout.account(&account));
        for kind in ConsensusKind::ALL {
            let Account { chain, key } = account;
            let stream = Stream { chain, key, kind };
            txn.compare.push(known.expect(self.layout.floor(&stream)));
            txn.clear.push(self.layout.rows(&stream));
            if let Some(state) = anew.streams.get(&stream) {
                let item = Item::Floor(stream, state.floor, state.floor_at);
                txn.put.push(self.layout.pair(&item));
            }
        }
        txn
    }

    /// Makes a transaction that is built anew from what is known, until it holds.
    async fn make_at_last(&self, txn: impl Fn(&Known) -> Txn) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let txn = {
                let state = self.state();
                believed(state.doubt.as_ref())?;
                txn(&state.known)
            };
            self.witness.expect_another();
            if self.make(&txn).await? {
                return Ok(());
            }
        }
        Err(too_busy().await)
    }

    /// Deletes a store that cannot be read, and begins one with a lineage and nothing else.
    async fn clear(&self) -> Result<String, StoreError> {
        let lineage = new_lineage()?;
        let meta = Item::Meta {
            lineage: lineage.clone(),
        };
        let txn = Txn {
            put: vec![self.layout.pair(&meta)],
            delete: vec![self.layout.sealed()],
            clear: self.layout.contents(),
            read: vec![Range::Key(self.layout.meta())],
            ..Txn::default()
        };
        let made = self.gateway.transact(&txn).await;
        made.map_err(|error| match error {
            CallError::Unknown(words) => StoreError::Unknown(words),
            CallError::Refused(words) => StoreError::Unavailable(words),
        })?;
        // What made it unreadable is gone.
        *self.state() = State::default();
        self.read_all().await?;
        Ok(lineage)
    }
}
