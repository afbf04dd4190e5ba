//! The one thread that writes: it drains its queue, decides each claim in order, makes one durable
//! commit of them all, publishes them to memory, and only then answers.
//!
//! A failed commit leaves the truth unknown (pages may look clean and not be on the disk), so nothing
//! is committed after it: the thread goes on answering "unavailable" until the process starts anew.

use std::sync::{Arc, RwLock};

use jiff::Timestamp;
use redb::{Database, Durability};
use tokio::sync::{mpsc, oneshot};

use crate::guard::{Account, Answer, Book, Candidate, Change, Record, StoreError, Stream, Touched};

use super::tables;

/// Operations that may wait for the committer.
pub(super) const QUEUE: usize = 1_024;
/// Operations in one commit.
const BATCH: usize = 256;

/// Durable state as memory shows it.
pub(super) type Memory = Arc<RwLock<Book>>;
/// Called with the length of each durable commit in seconds.
pub(super) type OnCommit = Arc<dyn Fn(f64) + Send + Sync>;

pub(super) enum Operation {
    Claim(Candidate, Timestamp, Reply<Answer>),
    Record(Candidate, Record, Reply<Record>),
    Amend(Vec<Change>, Timestamp, Reply<()>),
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// An answer that waits for the commit.
enum Pending {
    Claim(Reply<Answer>, Result<Answer, StoreError>),
    Record(Reply<Record>, Result<Record, StoreError>),
    Amend(Reply<()>),
}

/// The changes of one batch, over the state that memory shows.
#[derive(Default)]
struct Overlay {
    book: Book,
    touched: Touched,
}

pub(super) struct Committer {
    pub(super) database: Database,
    pub(super) memory: Memory,
    pub(super) refusing: Arc<RwLock<Option<String>>>,
    pub(super) on_commit: OnCommit,
}

impl Committer {
    /// Serves the queue until all its senders are gone. Blocking: has a thread of its own.
    pub(super) fn run(&self, mut queue: mpsc::Receiver<Operation>) {
        while let Some(first) = queue.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH {
                match queue.try_recv() {
                    Ok(operation) => batch.push(operation),
                    Err(_) => break,
                }
            }
            self.commit_batch(batch);
        }
    }

    fn commit_batch(&self, batch: Vec<Operation>) {
        let mut overlay = Overlay::default();
        overlay.book.sealed = read(&self.memory).sealed;
        let refusing = read(&self.refusing).clone();
        let mut pending = Vec::with_capacity(batch.len());
        for operation in batch {
            if let Some(reason) = &refusing {
                answer_unavailable(operation, reason);
            } else {
                pending.push(self.apply(operation, &mut overlay));
            }
        }
        if let Err(error) = self.make_durable(&overlay) {
            let reason = format!(
                "the watermark store failed to commit ({error}); nothing is signed until the process \
                 is restarted on a healthy disk"
            );
            tracing::error!(error = %error, "store refuses to sign");
            *write(&self.refusing) = Some(reason.clone());
            for answer in pending {
                answer.unknown(&reason);
            }
            return;
        }
        let mut memory = write(&self.memory);
        memory.streams.extend(overlay.book.streams);
        memory.accounts.extend(overlay.book.accounts);
        memory.sealed = overlay.book.sealed;
        drop(memory);
        for answer in pending {
            answer.send();
        }
    }

    fn apply(&self, operation: Operation, overlay: &mut Overlay) -> Pending {
        match operation {
            Operation::Claim(candidate, now, reply) => {
                self.load(candidate.slot.stream, overlay);
                let answer = overlay.book.claim(&candidate, now, &mut overlay.touched);
                Pending::Claim(reply, answer)
            }
            Operation::Record(candidate, record, reply) => {
                self.load(candidate.slot.stream, overlay);
                let answer = overlay
                    .book
                    .record(&candidate, record, &mut overlay.touched);
                Pending::Record(reply, answer)
            }
            Operation::Amend(changes, now, reply) => {
                for change in changes {
                    match &change {
                        Change::Raise(raise) => self.load(raise.stream, overlay),
                        Change::StopAt { account, .. }
                        | Change::Halt { account, .. }
                        | Change::Resume { account } => self.load_account(*account, overlay),
                        Change::Seal => {}
                    }
                    overlay.book.amend(change, now, &mut overlay.touched);
                }
                Pending::Amend(reply)
            }
        }
    }

    /// Brings the stream and its key into the overlay, unless they are there.
    fn load(&self, stream: Stream, overlay: &mut Overlay) {
        self.load_account(stream.into(), overlay);
        if overlay.book.streams.contains_key(&stream) {
            return;
        }
        if let Some(state) = read(&self.memory).streams.get(&stream) {
            overlay.book.streams.insert(stream, state.clone());
        }
    }

    fn load_account(&self, account: Account, overlay: &mut Overlay) {
        if overlay.book.accounts.contains_key(&account) {
            return;
        }
        if let Some(state) = read(&self.memory).accounts.get(&account) {
            overlay.book.accounts.insert(account, state.clone());
        }
    }

    fn make_durable(&self, overlay: &Overlay) -> Result<(), redb::Error> {
        let Overlay { book, touched } = overlay;
        if touched.is_empty() {
            return Ok(());
        }
        let begun = tokio::time::Instant::now();
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_two_phase_commit(true);
        tables::write(&transaction, book, touched)?;
        transaction.commit()?;
        (self.on_commit)(begun.elapsed().as_secs_f64());
        Ok(())
    }
}

fn answer_unavailable(operation: Operation, reason: &str) {
    let error = || StoreError::Unavailable(reason.to_owned());
    // A requester that no longer waits needs no answer.
    match operation {
        Operation::Claim(_, _, reply) => drop(reply.send(Err(error()))),
        Operation::Record(_, _, reply) => drop(reply.send(Err(error()))),
        Operation::Amend(_, _, reply) => drop(reply.send(Err(error()))),
    }
}

impl Pending {
    fn send(self) {
        match self {
            Self::Claim(reply, answer) => drop(reply.send(answer)),
            Self::Record(reply, answer) => drop(reply.send(answer)),
            Self::Amend(reply) => drop(reply.send(Ok(()))),
        }
    }

    /// The commit failed, so what it was to make durable may or may not stand.
    fn unknown(self, reason: &str) {
        let error = StoreError::Unknown(reason.to_owned());
        match self {
            Self::Claim(reply, _) => drop(reply.send(Err(error))),
            Self::Record(reply, _) => drop(reply.send(Err(error))),
            Self::Amend(reply) => drop(reply.send(Err(error))),
        }
    }
}

/// Reads through a poisoned lock: writers publish whole values, so what is there is whole.
pub(super) fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Writes through a poisoned lock; see [`read`].
pub(super) fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
