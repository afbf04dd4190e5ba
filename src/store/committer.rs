//! The one thread that writes: it drains its queue, decides each claim in order, makes one durable
//! commit of them all, publishes them to memory, and only then answers.
//!
//! A failed commit leaves the truth unknown (pages may look clean and not be on the disk), so nothing
//! is committed after it: the thread goes on answering "unavailable" until the process starts anew.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use jiff::Timestamp;
use redb::{Database, Durability, ReadableDatabase as _, TableDefinition};
use tokio::sync::{mpsc, oneshot};

use crate::guard::{
    Answer, Candidate, Raise, Raised, Record, Row, Slot, StoreError, Stream, StreamState, Verdict,
    decide,
};
use crate::tezos::Position;

use super::encoding;

pub(super) const FLOORS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("floors");
pub(super) const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

/// Operations that may wait for the committer.
pub(super) const QUEUE: usize = 1_024;
/// Operations in one commit.
const BATCH: usize = 256;

/// Durable state as memory shows it.
pub(super) type Memory = Arc<RwLock<HashMap<Stream, StreamState>>>;
/// Called with the length of each durable commit in seconds.
pub(super) type OnCommit = Arc<dyn Fn(f64) + Send + Sync>;

pub(super) enum Operation {
    Claim(Candidate, Timestamp, Reply<Answer>),
    Record(Candidate, Record, Reply<Record>),
    Raise(Vec<Raise>, Timestamp, Reply<()>),
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// An answer that waits for the commit.
enum Pending {
    Claim(Reply<Answer>, Answer),
    Record(Reply<Record>, Result<Record, StoreError>),
    Raise(Reply<()>),
}

/// The changes of one batch, over the state that memory shows.
#[derive(Default)]
struct Overlay {
    streams: HashMap<Stream, StreamState>,
    floors: Vec<Stream>,
    rows: Vec<Slot>,
    pruned: Vec<Slot>,
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
                answer.fail(&reason);
            }
            return;
        }
        let mut memory = write(&self.memory);
        memory.extend(overlay.streams);
        drop(memory);
        for answer in pending {
            answer.send();
        }
    }

    fn apply(&self, operation: Operation, overlay: &mut Overlay) -> Pending {
        match operation {
            Operation::Claim(candidate, now, reply) => {
                Pending::Claim(reply, self.claim(&candidate, now, overlay))
            }
            Operation::Record(candidate, record, reply) => {
                Pending::Record(reply, self.record(&candidate, record, overlay))
            }
            Operation::Raise(raises, now, reply) => {
                for raise in raises {
                    self.raise(raise, now, overlay);
                }
                Pending::Raise(reply)
            }
        }
    }

    fn claim(&self, candidate: &Candidate, now: Timestamp, overlay: &mut Overlay) -> Answer {
        let stream = candidate.slot.stream;
        self.load(stream, overlay);
        match decide(overlay.streams.get(&stream), candidate) {
            Verdict::Again => Answer::Permit,
            Verdict::Recorded(record) => Answer::Recorded(record),
            Verdict::Refused(refusal) => Answer::Refused(refusal),
            Verdict::Fresh => {
                if let Some(state) = overlay.streams.get_mut(&stream) {
                    let gone = state.enter(candidate, now);
                    overlay
                        .pruned
                        .extend(gone.into_iter().map(|position| Slot { stream, position }));
                    overlay.floors.push(stream);
                    overlay.rows.push(candidate.slot);
                }
                Answer::Permit
            }
        }
    }

    fn record(
        &self,
        candidate: &Candidate,
        record: Record,
        overlay: &mut Overlay,
    ) -> Result<Record, StoreError> {
        let stream = candidate.slot.stream;
        self.load(stream, overlay);
        let row = overlay
            .streams
            .get_mut(&stream)
            .and_then(|state| state.rows.get_mut(&candidate.slot.position))
            .filter(|row| row.digest == candidate.digest && row.scheme == candidate.scheme)
            .ok_or(StoreError::Homeless)?;
        if let Some(first) = &row.record {
            return Ok(first.clone());
        }
        row.record = Some(record.clone());
        overlay.rows.push(candidate.slot);
        Ok(record)
    }

    fn raise(&self, raise: Raise, now: Timestamp, overlay: &mut Overlay) {
        let stream = raise.stream;
        self.load(stream, overlay);
        let Raised { rose, ended } = if let Some(state) = overlay.streams.get_mut(&stream) {
            state.raise(raise.floor, now)
        } else {
            let state = StreamState::with_floor(raise.floor, now);
            overlay.streams.insert(stream, state);
            Raised {
                rose: true,
                ended: Vec::new(),
            }
        };
        if rose {
            overlay.floors.push(stream);
        }
        let ended = ended.into_iter().map(|position| Slot { stream, position });
        overlay.pruned.extend(ended);
    }

    /// Brings the stream into the overlay, unless it is there.
    fn load(&self, stream: Stream, overlay: &mut Overlay) {
        if overlay.streams.contains_key(&stream) {
            return;
        }
        if let Some(state) = read(&self.memory).get(&stream) {
            overlay.streams.insert(stream, state.clone());
        }
    }

    fn make_durable(&self, overlay: &Overlay) -> Result<(), redb::Error> {
        if overlay.floors.is_empty() && overlay.rows.is_empty() && overlay.pruned.is_empty() {
            return Ok(());
        }
        let begun = tokio::time::Instant::now();
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_two_phase_commit(true);
        {
            let mut floors = transaction.open_table(FLOORS)?;
            let mut rows = transaction.open_table(ROWS)?;
            for stream in &overlay.floors {
                if let Some(state) = overlay.streams.get(stream) {
                    let value = encoding::encode_floor(state.floor, state.floor_at);
                    floors.insert(encoding::stream_key(stream).as_slice(), value.as_slice())?;
                }
            }
            for slot in &overlay.rows {
                let row = overlay
                    .streams
                    .get(&slot.stream)
                    .and_then(|s| s.rows.get(&slot.position));
                if let Some(row) = row {
                    let key = encoding::slot_key(&slot.stream, slot.position);
                    rows.insert(key.as_slice(), encoding::encode_row(row).as_slice())?;
                }
            }
            for slot in &overlay.pruned {
                rows.remove(encoding::slot_key(&slot.stream, slot.position).as_slice())?;
            }
        }
        transaction.commit()?;
        (self.on_commit)(begun.elapsed().as_secs_f64());
        Ok(())
    }
}

/// Reads all floors and rows.
pub(super) fn load_all(database: &Database) -> Result<HashMap<Stream, StreamState>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let transaction = database.begin_read().map_err(|e| text(&e))?;
    let mut streams = HashMap::new();
    let floors = transaction.open_table(FLOORS).map_err(|e| text(&e))?;
    for entry in redb::ReadableTable::iter(&floors).map_err(|e| text(&e))? {
        let (key, value) = entry.map_err(|e| text(&e))?;
        let stream = encoding::decode_stream(key.value()).map_err(|e| text(&e))?;
        let (floor, at) = encoding::decode_floor(value.value()).map_err(|e| text(&e))?;
        streams.insert(stream, StreamState::with_floor(floor, at));
    }
    let rows = transaction.open_table(ROWS).map_err(|e| text(&e))?;
    for entry in redb::ReadableTable::iter(&rows).map_err(|e| text(&e))? {
        let (key, value) = entry.map_err(|e| text(&e))?;
        let slot = encoding::decode_slot(key.value()).map_err(|e| text(&e))?;
        let row = encoding::decode_row(value.value()).map_err(|e| text(&e))?;
        enter_loaded(&mut streams, slot, row)?;
    }
    Ok(streams)
}

fn enter_loaded(
    streams: &mut HashMap<Stream, StreamState>,
    slot: Slot,
    row: Row,
) -> Result<(), String> {
    let state = streams
        .get_mut(&slot.stream)
        .ok_or("a claimed slot belongs to no stream")?;
    // A row above its floor would mean that a claim was kept and its floor was not.
    let position: Position = slot.position;
    if position > state.floor {
        return Err(format!(
            "a claimed slot at {position} lies above its floor {}",
            state.floor
        ));
    }
    state.rows.insert(position, row);
    Ok(())
}

fn answer_unavailable(operation: Operation, reason: &str) {
    let error = || StoreError::Unavailable(reason.to_owned());
    // A requester that no longer waits needs no answer.
    match operation {
        Operation::Claim(_, _, reply) => drop(reply.send(Err(error()))),
        Operation::Record(_, _, reply) => drop(reply.send(Err(error()))),
        Operation::Raise(_, _, reply) => drop(reply.send(Err(error()))),
    }
}

impl Pending {
    fn send(self) {
        match self {
            Self::Claim(reply, answer) => drop(reply.send(Ok(answer))),
            Self::Record(reply, answer) => drop(reply.send(answer)),
            Self::Raise(reply) => drop(reply.send(Ok(()))),
        }
    }

    fn fail(self, reason: &str) {
        let error = StoreError::Unavailable(reason.to_owned());
        match self {
            Self::Claim(reply, _) => drop(reply.send(Err(error))),
            Self::Record(reply, _) => drop(reply.send(Err(error))),
            Self::Raise(reply) => drop(reply.send(Err(error))),
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
