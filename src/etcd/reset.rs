//! The one way down: another lineage, and keys that begin anew. For stores from [`EtcdStore::doubting_nothing`].

use jiff::Timestamp;

use crate::guard::{Account, Book, StoreError, Stream};
use crate::store::Found;
use crate::tezos::{ChainId, ConsensusKind, Level};

use super::amend::new_lineage;
use super::belief::believed;
use super::known::Known;
use super::layout::Item;
use super::operate::{TRIES, too_busy};
use super::wire::{Entry, Range, Txn};
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
            self.make_at_last(|known| {
                check_unchanged(known, &lineage, (before, anew), *account)?;
                Ok(self.beginning(known, anew, *account))
            })
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
            Ok(txn)
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
                Ok(txn)
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
    async fn make_at_last(
        &self,
        txn: impl Fn(&Known) -> Result<Txn, StoreError>,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let txn = {
                let state = self.state();
                believed(state.doubt.as_ref())?;
                txn(&state.known)?
            };
            self.witness.expect_another();
            if self.make(&txn).await? {
                return Ok(());
            }
        }
        Err(too_busy().await)
    }

    /// Everything below the prefix as it lies there, for whoever wants to know what a store was that cannot be read.
    ///
    /// # Errors
    /// No member answers.
    pub async fn raw(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let outcome = self.gateway.transact(&self.look_at_all()).await?;
        let entries = outcome.reads.into_iter().flatten();
        Ok(entries.map(|entry| (entry.key, entry.value)).collect())
    }

    /// Deletes a store that cannot be read, and begins one with a lineage and nothing else. It compares what it replaces,
    /// so that no copy of it that comes late finds anything to delete.
    async fn clear(&self) -> Result<String, StoreError> {
        let seen = self.gateway.transact(&self.look_at_all()).await?;
        let key = self.layout.meta();
        let mut entries = seen.reads.iter().flatten();
        let was = entries.find(|entry| entry.key == key);
        let lineage = new_lineage()?;
        let meta = Item::Meta {
            lineage: lineage.clone(),
        };
        let txn = Txn {
            compare: vec![(key, was.map_or(0, |entry| entry.revision))],
            put: vec![self.layout.pair(&meta)],
            delete: vec![self.layout.sealed()],
            clear: self.layout.contents(),
            otherwise: vec![Range::Key(self.layout.meta())],
            ..Txn::default()
        };
        let made = self.gateway.transact(&txn).await?;
        // Two members may have been asked: the second finds what the first has made.
        let is_ours = |entry: &Entry| {
            txn.put
                .iter()
                .any(|(key, value)| (key, value) == (&entry.key, &entry.value))
        };
        if !made.succeeded && !made.reads.iter().flatten().any(is_ours) {
            let reason =
                "somebody else has replaced the store meanwhile; look again with `watermark show`";
            return Err(StoreError::Unavailable(reason.to_owned()));
        }
        // What made it unreadable is gone.
        *self.state() = State::default();
        self.read_all().await?;
        Ok(lineage)
    }
}

/// Whether a key is as it was read, or begins anew already by a transaction of ours whose answer was lost. What somebody
/// else has claimed since must not go.
fn check_unchanged(
    known: &Known,
    lineage: &str,
    (before, anew): (Option<&Book>, &Book),
    account: Account,
) -> Result<(), StoreError> {
    let floor_in = |book: &Book, stream: &Stream| book.streams.get(stream).map(|state| state.floor);
    let Account { chain, key } = account;
    let is_unchanged = ConsensusKind::ALL.into_iter().all(|kind| {
        let stream = Stream { chain, key, kind };
        let now = floor_in(&known.book, &stream);
        now == before.and_then(|before| floor_in(before, &stream)) || now == floor_in(anew, &stream)
    });
    if is_unchanged && known.lineage.as_deref() == Some(lineage) {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "somebody else has changed the store meanwhile: {key} is not what it was, and stays; stop all proxies and repeat \
         it with the lineage that `watermark show` prints"
    )))
}
