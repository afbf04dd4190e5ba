//! A store whose changes are noted: whoever raises a watermark, stops, halts, resumes or seals, and by
//! whatever way, does so through [`WatermarkStore::amend`].
//!
//! It decides nothing and delays nothing but by the noting itself. Claims and records pass unseen: they are
//! noted by those who know who asked. Invariant: a change that was begun is noted as what it became, also when
//! whoever asked for it has gone.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinError;

use crate::guard::{
    Account, AccountReport, AccountState, Answer, Candidate, Change, Head, Record, Row, Slot,
    StoreError, StoreFuture, StoreReport, StreamReport, WatermarkStore,
};
use crate::task::Tasks;
use crate::tezos::{ChainId, ConsensusKind, Position, PublicKeyHash, Round};

use super::entry::{Entry, Event};

type Note = Arc<dyn Fn(Vec<Entry>) + Send + Sync>;

/// A store with its changes noted.
pub struct NotedStore {
    store: Arc<dyn WatermarkStore>,
    note: Note,
    tasks: Tasks,
}

impl NotedStore {
    /// `store`, with `note` called after each durable change, and after one that may or may not stand. Changes
    /// run to their end in `tasks`.
    pub fn new(
        store: Arc<dyn WatermarkStore>,
        tasks: &Tasks,
        note: impl Fn(Vec<Entry>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            store,
            note: Arc::new(note),
            tasks: tasks.clone(),
        }
    }
}

impl fmt::Debug for NotedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NotedStore").field(&self.store).finish()
    }
}

impl WatermarkStore for NotedStore {
    fn claim(&self, candidate: Candidate, now: Timestamp) -> StoreFuture<'_, Answer> {
        self.store.claim(candidate, now)
    }

    fn record(&self, candidate: Candidate, record: Record) -> StoreFuture<'_, Record> {
        self.store.record(candidate, record)
    }

    fn amend(&self, changes: Vec<Change>, now: Timestamp) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let (store, note) = (Arc::clone(&self.store), Arc::clone(&self.note));
            let amending = self.tasks.spawn("change of the store", async move {
                amend_and_note(&*store, &*note, changes, now).await
            });
            let ended = |error: JoinError| StoreError::Unknown(error.to_string());
            amending.await.map_err(ended)?
        })
    }

    fn refresh(&self) -> StoreFuture<'_, ()> {
        self.store.refresh()
    }

    fn asks_again(&self, since: Timestamp) -> bool {
        self.store.asks_again(since)
    }

    fn lookup(&self, slot: &Slot) -> Option<Row> {
        self.store.lookup(slot)
    }

    fn head(&self, chain: ChainId, key: PublicKeyHash) -> Option<Head> {
        self.store.head(chain, key)
    }

    fn report(&self) -> StoreReport {
        self.store.report()
    }

    fn streams(&self) -> Vec<StreamReport> {
        self.store.streams()
    }

    fn account(&self, account: Account) -> AccountState {
        self.store.account(account)
    }

    fn accounts(&self) -> Vec<AccountReport> {
        self.store.accounts()
    }
}

async fn amend_and_note(
    store: &dyn WatermarkStore,
    note: &(dyn Fn(Vec<Entry>) + Send + Sync),
    changes: Vec<Change>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut entries = told(&changes);
    let amended = store.amend(changes, now).await;
    match &amended {
        Ok(()) => note(entries),
        Err(StoreError::Unknown(why)) => {
            for entry in &mut entries {
                let said = entry.reason.take().unwrap_or_default();
                let doubt = format!("it may or may not stand ({why}) {said}");
                *entry = entry.clone().because(doubt.trim_end()).coded("unknown");
            }
            note(entries);
        }
        // Nothing was changed.
        Err(StoreError::Homeless | StoreError::Unavailable(_) | StoreError::Withheld(_)) => {}
    }
    amended
}

/// One entry for each change; raises of a key to one position are one, whatever the kinds.
fn told(changes: &[Change]) -> Vec<Entry> {
    let mut raised: BTreeMap<(Account, Position), Vec<ConsensusKind>> = BTreeMap::new();
    let mut entries = Vec::new();
    for change in changes {
        entries.push(match change {
            Change::Raise(raise) => {
                let place = (Account::from(raise.stream), raise.floor);
                raised.entry(place).or_default().push(raise.stream.kind);
                continue;
            }
            Change::StopAt { account, level } => {
                Entry::of_account(*account, Event::Stopped, Some(*level))
            }
            Change::Halt { account, halt } => {
                Entry::of_account(*account, Event::Halted, None).because(&halt.reason)
            }
            Change::Resume { account } => Entry::of_account(*account, Event::Resumed, None),
            Change::Seal => Entry::new(Event::Sealed),
        });
    }
    let raised = raised.into_iter().map(|((account, floor), kinds)| {
        let whole_level = floor.round == Round::MAX;
        let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
        Entry {
            round: (!whole_level).then_some(floor.round.get()),
            ..Entry::of_account(account, Event::WatermarkRaised, Some(floor.level))
                .because(&names.join(", "))
        }
    });
    entries.extend(raised);
    entries
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Mutex;
    use std::time::Duration;

    use tokio::sync::{Semaphore, mpsc};

    use crate::fixture::{at, key, raise};
    use crate::guard::Halt;
    use crate::store::{DirectoryLock, EmbeddedStore};
    use crate::tezos::Level;
    use crate::time::now;

    use super::*;

    fn keep_in(all: &Arc<Mutex<Vec<Entry>>>) -> impl Fn(Vec<Entry>) + Send + Sync + 'static {
        let all = Arc::clone(all);
        move |entries| all.lock().unwrap().extend(entries)
    }

    #[tokio::test]
    async fn every_change_that_stands_is_noted_and_none_that_does_not() {
        let folder = crate::fixture::folder();
        let lock = DirectoryLock::acquire(folder.path()).unwrap();
        let store = Arc::new(EmbeddedStore::open(lock, None, |_| ()));
        let all: Arc<Mutex<Vec<Entry>>> = Arc::default();
        let store = NotedStore::new(store, &Tasks::new(), keep_in(&all));
        let account = Account {
            chain: ChainId::MAINNET,
            key: key(),
        };
        let level = |number| Level::new(number).unwrap();
        let raises = ConsensusKind::ALL
            .map(|kind| raise(kind, Position::end_of_level(level(9))))
            .to_vec();
        store.raise(raises, now()).await.unwrap();
        let one = Change::Raise(raise(ConsensusKind::Block, at(10, 2)));
        let stop = level(50);
        let halt = Halt::new(now(), "home-a showed it".to_owned());
        let changes = vec![
            one,
            Change::StopAt {
                account,
                level: stop,
            },
            Change::Halt { account, halt },
            Change::Resume { account },
            Change::Seal,
        ];
        store.amend(changes, now()).await.unwrap();
        // This one is not the store that it must be.
        drop(store);
        let lock = DirectoryLock::acquire(folder.path()).unwrap();
        let other = EmbeddedStore::open(lock, Some("another".to_owned()), |_| ());
        let other = NotedStore::new(Arc::new(other), &Tasks::new(), keep_in(&all));
        let late = Change::Raise(raise(ConsensusKind::Block, at(11, 0)));
        other.amend(vec![late], now()).await.unwrap_err();

        let entries = all.lock().unwrap().clone();
        let told: Vec<_> = entries
            .iter()
            .map(|entry| (entry.event, entry.level, entry.round))
            .collect();
        let expected = [
            (Event::WatermarkRaised, Some(9), None),
            (Event::Stopped, Some(50), None),
            (Event::Halted, None, None),
            (Event::Resumed, None, None),
            (Event::Sealed, None, None),
            (Event::WatermarkRaised, Some(10), Some(2)),
        ];
        assert_eq!(told, expected);
        let reasons: Vec<_> = entries
            .iter()
            .map(|entry| entry.reason.as_deref())
            .collect();
        assert_eq!(reasons[2], Some("home-a showed it"));
        assert_eq!(reasons[5], Some("block"));
        assert!(reasons[0].unwrap().contains("attestation, block, "));
        let keyed = entries.iter().filter(|entry| entry.event != Event::Sealed);
        assert!(keyed.clone().all(|entry| entry.key == Some(key())));
    }
    /// A store that takes its time over a change.
    #[derive(Debug)]
    struct Slow {
        store: EmbeddedStore,
        asked: Semaphore,
        leave: Semaphore,
    }

    impl WatermarkStore for Slow {
        fn claim(&self, candidate: Candidate, now: Timestamp) -> StoreFuture<'_, Answer> {
            self.store.claim(candidate, now)
        }
        fn record(&self, candidate: Candidate, record: Record) -> StoreFuture<'_, Record> {
            self.store.record(candidate, record)
        }
        fn amend(&self, changes: Vec<Change>, now: Timestamp) -> StoreFuture<'_, ()> {
            Box::pin(async move {
                self.asked.add_permits(1);
                self.leave.acquire().await.unwrap().forget();
                self.store.amend(changes, now).await
            })
        }
        fn lookup(&self, slot: &Slot) -> Option<Row> {
            self.store.lookup(slot)
        }
        fn head(&self, chain: ChainId, key: PublicKeyHash) -> Option<Head> {
            self.store.head(chain, key)
        }
        fn report(&self) -> StoreReport {
            self.store.report()
        }
        fn streams(&self) -> Vec<StreamReport> {
            self.store.streams()
        }
        fn account(&self, account: Account) -> AccountState {
            self.store.account(account)
        }
        fn accounts(&self) -> Vec<AccountReport> {
            self.store.accounts()
        }
    }

    #[tokio::test]
    async fn a_change_is_noted_as_what_it_became_although_whoever_asked_for_it_has_gone() {
        let folder = crate::fixture::folder();
        let lock = DirectoryLock::acquire(folder.path()).unwrap();
        let slow = Arc::new(Slow {
            store: EmbeddedStore::open(lock, None, |_| ()),
            asked: Semaphore::new(0),
            leave: Semaphore::new(0),
        });
        let (sender, mut noted) = mpsc::unbounded_channel();
        let shared = Arc::<Slow>::clone(&slow) as _;
        let store = NotedStore::new(shared, &Tasks::new(), move |entries| {
            sender.send(entries).unwrap();
        });
        {
            let mut amending =
                pin!(store.raise(vec![raise(ConsensusKind::Block, at(9, 0))], now()));
            tokio::select! {
                done = &mut amending => panic!("{done:?}"),
                asked = slow.asked.acquire() => asked.unwrap().forget(),
            }
        }
        assert!(noted.try_recv().is_err());
        slow.leave.add_permits(1);
        let told = tokio::time::timeout(Duration::from_secs(20), noted.recv()).await;
        let entries = told.unwrap().unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].event, Event::WatermarkRaised);
        assert_eq!(slow.streams().len(), 1);
    }
}
