//! The one thread that writes: it drains its queue, decides each claim in order, makes one durable
//! commit of them all, publishes them to memory, and only then answers.
//!
//! A failed commit leaves the truth unknown (pages may look clean and not be on the disk), so nothing
//! is committed after it: the thread goes on answering "unavailable" until the process starts anew. Only
//! a full disk is left without a new process, and by the same steps: the file is copied, synced, renamed and
//! read, and what was promised must all be in it. Steps that fail for anything but want of space, a sync among them,
//! leave the truth unknown again, and end that too.

use std::sync::{Arc, RwLock};

use jiff::Timestamp;
use redb::Database;
use tokio::sync::{mpsc, oneshot};

use crate::guard::{Account, Answer, Book, Candidate, Change, Record, StoreError, Stream, Touched};

use super::ailment::{Ailment, Cure, Health, is_full};
use super::contents::{Contents, Memory};
use super::embedded::Loaded;
use super::place::Place;
use super::pulse::Pulse;
use super::tables;
use super::witness::Reminder;

/// Operations that may wait for the committer.
pub(super) const QUEUE: usize = 1_024;
/// Operations in one commit.
const BATCH: usize = 256;

/// Called with the length of each durable commit in seconds.
pub(super) type OnCommit = Arc<dyn Fn(f64) + Send + Sync>;

pub(super) enum Operation {
    Claim(Candidate, Timestamp, Reply<Answer>),
    Record(Candidate, Record, Reply<Record>),
    Amend(Vec<Change>, Timestamp, Reply<()>),
    /// Try to come back from a full disk.
    Recover,
}

/// Opens the store's file anew, as a new process does.
pub(super) type Reopen = Box<dyn Fn() -> Result<Loaded, Ailment> + Send>;

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// An answer that waits for the commit.
enum Pending {
    Claim(Reply<Answer>, Result<Answer, StoreError>),
    Record(Reply<Record>, Result<Record, StoreError>),
    Amend(Reply<()>),
    Nothing,
}

/// The changes of one batch, over the state that memory shows.
#[derive(Default)]
struct Overlay {
    book: Book,
    touched: Touched,
}

impl Overlay {
    /// Lets `contents` be what the commit of these changes makes of them.
    fn publish(self, contents: &mut Contents) {
        if !self.touched.is_empty() {
            contents.commits = contents.next();
        }
        let book = &mut contents.book;
        book.streams.extend(self.book.streams);
        book.accounts.extend(self.book.accounts);
        book.sealed = self.book.sealed;
    }
}

pub(super) struct Committer {
    /// Absent after a failed commit: what it would show next is not to be trusted.
    pub(super) database: Option<Database>,
    pub(super) memory: Memory,
    /// What memory would show if the commit that failed stands all the same.
    pub(super) in_doubt: Option<Contents>,
    pub(super) health: Health,
    pub(super) pulse: Pulse,
    /// Files that must be where they were when the store was opened.
    pub(super) places: Vec<Place>,
    pub(super) reopen: Reopen,
    pub(super) witness: Option<Reminder>,
    pub(super) on_commit: OnCommit,
}

impl Committer {
    /// Serves the queue until all its senders are gone. Blocking: has a thread of its own.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Operation>) {
        loop {
            let mut batch = Vec::new();
            if queue.blocking_recv_many(&mut batch, BATCH) == 0 {
                return;
            }
            self.commit_batch(batch);
        }
    }

    fn commit_batch(&mut self, batch: Vec<Operation>) {
        let mut overlay = Overlay::default();
        let (recover, batch): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|operation| matches!(operation, Operation::Recover));
        if !recover.is_empty() {
            self.recover();
        }
        // Only now: what was recovered may be sealed.
        overlay.book.sealed = read(&self.memory).book.sealed;
        self.look_at_places();
        let refusing = self.health.reason();
        let mut pending = Vec::with_capacity(batch.len());
        for operation in batch {
            if let Some(reason) = &refusing {
                answer_unavailable(operation, reason);
            } else {
                pending.push(self.apply(operation, &mut overlay));
            }
        }
        if let Err(error) = self.make_durable(&overlay) {
            // Whatever it shows from now on, it is not known to be on the disk.
            self.database = None;
            let mut in_doubt = read(&self.memory).clone();
            overlay.publish(&mut in_doubt);
            self.in_doubt = Some(in_doubt);
            let reason = self.fall_ill(&error);
            for answer in pending {
                answer.unknown(&reason);
            }
            return;
        }
        let changed = !overlay.touched.is_empty();
        overlay.publish(&mut write(&self.memory));
        if let Some(witness) = self.witness.as_ref().filter(|_| changed) {
            witness.committed();
        }
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
            Operation::Recover => Pending::Nothing,
        }
    }

    fn fall_ill(&self, error: &redb::Error) -> String {
        let full = is_full(error);
        let (cure, until) = if full {
            (Cure::Space, "there is space again")
        } else {
            (Cure::Restart, "the process is restarted on a healthy disk")
        };
        let reason = format!(
            "the watermark store failed to commit ({error}); nothing is signed until {until}"
        );
        self.health.fall_ill(reason.clone(), cure);
        reason
    }

    /// Before each commit: a commit to a file that has no name any more is lost with the process.
    fn look_at_places(&self) {
        match self.places.iter().try_for_each(Place::check) {
            Ok(()) => self.health.recover(Cure::Return),
            Err(reason) => self.health.fall_ill(reason, Cure::Return),
        }
    }

    /// Opens the file anew after the disk was full. Waits on while there is no space, or no file in the place of the
    /// store; whatever else fails needs a restart.
    fn recover(&mut self) {
        if self.health.ailment().map(|ailment| ailment.cure) != Some(Cure::Space) {
            return;
        }
        let Loaded {
            database,
            contents,
            places,
            ..
        } = match (self.reopen)() {
            Ok(loaded) => loaded,
            Err(Ailment {
                reason,
                cure: Cure::Space,
            }) => {
                tracing::debug!(reason, "store not recovered yet");
                return;
            }
            // Space does not cure it, so it is not waited for; a file that is away is.
            Err(Ailment {
                reason,
                cure: cure @ (Cure::Restart | Cure::Return),
            }) => {
                self.health.fall_ill(reason, cure);
                return;
            }
        };
        // A change that takes something back may stand: then less is kept, and nothing is lost.
        let mut in_doubt = self.in_doubt.iter();
        if !read(&self.memory).is_kept_by(&contents) && !in_doubt.any(|it| it.is_kept_by(&contents))
        {
            let reason = "after the disk was full the watermark store had lost what it had promised; \
                          nothing is signed any more, set new watermarks above everything ever signed";
            self.health.fall_ill(reason.to_owned(), Cure::Restart);
            return;
        }
        *write(&self.memory) = contents;
        self.in_doubt = None;
        self.database = Some(database);
        self.places
            .retain(|place| !places.iter().any(|new| new.is_of(place)));
        self.places.extend(places);
        if let Some(witness) = &self.witness {
            // What was in doubt may stand, and is repeated without another commit.
            witness.committed();
        }
        self.health.recover(Cure::Space);
    }

    /// Brings the stream and its key into the overlay, unless they are there.
    fn load(&self, stream: Stream, overlay: &mut Overlay) {
        self.load_account(stream.into(), overlay);
        if overlay.book.streams.contains_key(&stream) {
            return;
        }
        if let Some(state) = read(&self.memory).book.streams.get(&stream) {
            overlay.book.streams.insert(stream, state.clone());
        }
    }

    fn load_account(&self, account: Account, overlay: &mut Overlay) {
        if overlay.book.accounts.contains_key(&account) {
            return;
        }
        if let Some(state) = read(&self.memory).book.accounts.get(&account) {
            overlay.book.accounts.insert(account, state.clone());
        }
    }

    fn make_durable(&self, overlay: &Overlay) -> Result<(), redb::Error> {
        let Overlay { book, touched } = overlay;
        if touched.is_empty() {
            return Ok(());
        }
        let database = self.database.as_ref().ok_or(redb::Error::PreviousIo)?;
        let commits = read(&self.memory).next();
        let beat = self.pulse.begin();
        tables::commit(database, book, touched, commits)?;
        (self.on_commit)(beat.elapsed().as_secs_f64());
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
        Operation::Recover => {}
    }
}

impl Pending {
    fn send(self) {
        match self {
            Self::Claim(reply, answer) => drop(reply.send(answer)),
            Self::Record(reply, answer) => drop(reply.send(answer)),
            Self::Amend(reply) => drop(reply.send(Ok(()))),
            Self::Nothing => {}
        }
    }

    /// The commit failed, so what it was to make durable may or may not stand.
    fn unknown(self, reason: &str) {
        let error = StoreError::Unknown(reason.to_owned());
        match self {
            Self::Claim(reply, _) => drop(reply.send(Err(error))),
            Self::Record(reply, _) => drop(reply.send(Err(error))),
            Self::Amend(reply) => drop(reply.send(Err(error))),
            Self::Nothing => {}
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
