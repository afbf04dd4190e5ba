//! A store whose answers are lost: the same is asked again, for as long as the store says.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::fixture::{BookStore, ask, raise, record};

use super::*;

/// A store that does what it is asked and does not say so, for a while.
#[derive(Debug, Default)]
struct Mute {
    book: BookStore,
    /// Answers that are lost still.
    lost: AtomicU32,
    /// How often it may be asked again.
    patience: AtomicU32,
    asked: AtomicU32,
}

impl Mute {
    /// Loses so many answers, and may be asked again so often.
    fn expect(&self, lost: u32, patience: u32) {
        self.lost.store(lost, Ordering::Relaxed);
        self.patience.store(patience, Ordering::Relaxed);
        self.asked.store(0, Ordering::Relaxed);
    }

    fn hear<T>(&self, answer: T) -> Result<T, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if spend(&self.lost) {
            return Err(StoreError::Unknown("the answer was lost".to_owned()));
        }
        Ok(answer)
    }
}

/// Takes one of what is left.
fn spend(left: &AtomicU32) -> bool {
    let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    });
    taken.is_ok()
}

impl WatermarkStore for Mute {
    fn claim(&self, candidate: Candidate, now: Timestamp) -> StoreFuture<'_, Answer> {
        Box::pin(async move {
            let answer = self.book.claim(candidate, now).await;
            self.hear(answer)?
        })
    }

    fn record(&self, candidate: Candidate, record: Record) -> StoreFuture<'_, Record> {
        Box::pin(async move {
            let recorded = self.book.record(candidate, record).await;
            self.hear(recorded)?
        })
    }

    fn amend(&self, changes: Vec<Change>, now: Timestamp) -> StoreFuture<'_, ()> {
        self.book.amend(changes, now)
    }

    fn asks_again(&self, _since: Timestamp) -> bool {
        spend(&self.patience)
    }

    fn lookup(&self, slot: &Slot) -> Option<Row> {
        self.book.lookup(slot)
    }

    fn head(&self, chain: ChainId, key: PublicKeyHash) -> Option<Head> {
        self.book.head(chain, key)
    }

    fn report(&self) -> StoreReport {
        self.book.report()
    }

    fn streams(&self) -> Vec<StreamReport> {
        self.book.streams()
    }

    fn account(&self, account: Account) -> AccountState {
        self.book.account(account)
    }

    fn accounts(&self) -> Vec<AccountReport> {
        self.book.accounts()
    }
}

/// A guard with floors at level 100.
async fn guard() -> (Arc<Mute>, SigningGuard) {
    let store = Arc::new(Mute::default());
    let floor = raise(ConsensusKind::Attestation, at(100, 0));
    store.raise(vec![floor], second(1_000)).await.unwrap();
    let (_, node) = tokio::sync::watch::channel(None);
    let guard = SigningGuard::new(Arc::clone(&store) as _, vec![mainnet()], 1_000, node);
    (store, guard)
}

fn asked(store: &Mute) -> u32 {
    store.asked.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_claim_and_a_record_whose_answers_are_lost_are_asked_for_again_until_they_are_heard() {
    let (store, guard) = guard().await;
    store.expect(3, 10);
    let permit = permit(guard.claim(ask(at(101, 0), 1), second(1_001)).await);
    assert_eq!(asked(&store), 4);
    store.expect(3, 10);
    let signature = record(1).signature;
    let recorded = guard
        .record(permit, signature.clone(), "a", second(1_002))
        .await;
    assert_eq!(recorded.unwrap().signature, signature);
    assert_eq!(asked(&store), 4);
}

#[tokio::test]
async fn what_is_not_heard_for_too_long_is_neither_permitted_nor_released() {
    let (store, guard) = guard().await;
    let heard = permit(guard.claim(ask(at(101, 0), 1), second(1_001)).await);
    store.expect(u32::MAX, 2);
    let claimed = guard.claim(ask(at(102, 0), 1), second(1_001)).await;
    assert!(
        matches!(claimed, Err(ClaimError::Store(StoreError::Unknown(_)))),
        "{claimed:?}"
    );
    assert_eq!(asked(&store), 3);
    store.expect(u32::MAX, 2);
    let recorded = guard
        .record(heard, record(1).signature, "a", second(1_002))
        .await;
    assert!(
        matches!(recorded, Err(StoreError::Unknown(_))),
        "{recorded:?}"
    );
    assert_eq!(asked(&store), 3);
    // It stood all the while.
    store.expect(0, 0);
    let other = refusal(guard.claim(ask(at(102, 0), 2), second(1_003)).await);
    assert!(matches!(other, Refusal::Conflict { .. }), "{other:?}");
}

#[tokio::test]
async fn beside_a_seal_it_is_told_that_a_key_has_no_watermark() {
    let (store, guard) = guard().await;
    let mut candidate = ask(at(101, 0), 1);
    // A chain on which nothing was ever signed with the key.
    candidate.slot.stream.chain = ChainId::from_bytes([1; 4]);
    store
        .amend(vec![Change::Seal], second(1_001))
        .await
        .unwrap();
    let refused = refusal(guard.claim(candidate, second(1_002)).await);
    assert!(
        matches!(refused, Refusal::NoWatermark { .. }),
        "{refused:?}"
    );
}

#[test]
fn that_answers_are_lost_is_told_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    let told = crate::fixture::logged(|| {
        runtime.block_on(async {
            let (store, guard) = guard().await;
            store.expect(5, 10);
            let permit = permit(guard.claim(ask(at(101, 0), 1), second(1_001)).await);
            store.expect(5, 10);
            let recorded = guard
                .record(permit, record(1).signature, "a", second(1_002))
                .await;
            recorded.unwrap();
        });
    });
    for what in ["outcome of a claim unknown", "outcome of a record unknown"] {
        let lines = told.iter().filter(|line| line.contains(what));
        assert_eq!(lines.count(), 1, "{told:?}");
    }
}

#[test]
fn the_head_of_a_key_is_that_of_its_own_chain() {
    let mut book = Book::default();
    let mut touched = Touched::default();
    let own = raise(ConsensusKind::Block, at(100, 0));
    let mut elsewhere = own;
    elsewhere.stream.chain = ChainId::from_bytes([1; 4]);
    elsewhere.floor = at(500, 0);
    for raise in [own, elsewhere] {
        book.amend(Change::Raise(raise), second(1), &mut touched);
    }
    let head = |stream: Stream| book.head(stream.chain, stream.key).unwrap().level;
    assert_eq!(head(own.stream), at(100, 0).level);
    assert_eq!(head(elsewhere.stream), at(500, 0).level);
}
