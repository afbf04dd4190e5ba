//! What the embedded store answers to the guard: changes go to the committer, questions to memory.
//!
//! Opens and writes nothing itself; the first raise of an absent store has it created.

use jiff::Timestamp;

use crate::guard::{
    Account, AccountReport, AccountState, Answer, Book, Candidate, Change, Condition, Head, Record,
    Row, Slot, StoreFuture, StoreReport, StreamReport, Touched, WatermarkStore,
};
use crate::tezos::{ChainId, PublicKeyHash};

use super::super::committer::{Operation, read};
use super::EmbeddedStore;

impl WatermarkStore for EmbeddedStore {
    fn claim(&self, candidate: Candidate, now: Timestamp) -> StoreFuture<'_, Answer> {
        Box::pin(async move {
            if self.report().condition == Condition::Absent {
                // No store: no stream has a watermark, which `decide` says best.
                return Book::default().claim(&candidate, now, &mut Touched::default());
            }
            self.shared
                .ask_at_once(|reply| Operation::Claim(candidate, now, reply))
                .await
        })
    }

    fn record(&self, candidate: Candidate, record: Record) -> StoreFuture<'_, Record> {
        Box::pin(
            self.shared
                .ask(move |reply| Operation::Record(candidate, record, reply)),
        )
    }

    fn amend(&self, changes: Vec<Change>, now: Timestamp) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            if changes
                .iter()
                .any(|change| matches!(change, Change::Raise(_)))
            {
                // Rare; the operator's command waits for it.
                self.create().await?;
            }
            self.shared
                .ask(move |reply| Operation::Amend(changes, now, reply))
                .await
        })
    }

    fn lookup(&self, slot: &Slot) -> Option<Row> {
        // A store that is not believed may have gone another way: its signatures may be second ones.
        read(&self.shared.queue).as_ref()?;
        read(&self.shared.memory).book.row(slot).cloned()
    }

    fn head(&self, chain: ChainId, key: PublicKeyHash) -> Option<Head> {
        read(&self.shared.memory).book.head(chain, key)
    }

    fn report(&self) -> StoreReport {
        let (sealed, sentence) = {
            let memory = read(&self.shared.memory);
            (memory.book.sealed, memory.book.seal_sentence())
        };
        let reason = self.shared.health.reason().or(sentence);
        let condition = match (&reason, &*read(&self.shared.queue)) {
            (Some(_), _) => Condition::Refusing,
            (None, None) => Condition::Absent,
            (None, Some(_)) => Condition::Ready,
        };
        let reason = reason.or_else(|| {
            (condition == Condition::Absent).then(|| {
                format!(
                    "there is no watermark store in {}; is its volume mounted? `signer-proxy watermark \
                     init` makes one",
                    self.shared.lock.directory().display()
                )
            })
        });
        StoreReport {
            kind: "embedded",
            condition,
            reason,
            lineage: read(&self.shared.lineage).clone(),
            sealed,
            silent_for: None,
        }
    }

    fn streams(&self) -> Vec<StreamReport> {
        read(&self.shared.memory).book.stream_reports()
    }

    fn account(&self, account: Account) -> AccountState {
        read(&self.shared.memory).book.account(account)
    }

    fn accounts(&self) -> Vec<AccountReport> {
        read(&self.shared.memory).book.account_reports()
    }
}
