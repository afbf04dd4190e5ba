//! The decision log: what was asked, decided, signed by whom, and why; line after line, each with the hash
//! of the one before.
//!
//! It is evidence and not part of the argument for safety: it decides nothing, nothing waits for it, and a
//! log that cannot be written stops no signature. Entries go into a bounded queue and one thread writes
//! them. What is lost is counted, and the count stands in the log where the entries are missing.
//!
//! It holds no payload bytes, no signatures and no authentication, only digests and names. It does not
//! know what a slot or a refusal is; whoever decides says so in an [`Entry`].

mod append;
mod chain;
mod disk;
mod entry;
mod files;
mod lines;
mod noted;
mod queue;
mod read;
mod writer;

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::telemetry::Metrics;

use append::{Appender, Limits};
use disk::RealDisk;
use queue::Queue;
use writer::{Health, Pace, Writer};

pub use chain::{Fault, Line, Link, parse};
pub use entry::{About, Entry, Event, clean};
pub use files::NAME;
pub use noted::NotedStore;
pub use read::{Break, Summary, Told, read};

/// The writer is given this long to finish at the end of the process.
const CLOSING: Duration = Duration::from_secs(2);

/// Where decisions are noted. One per process, shared by all requests.
pub struct DecisionLog {
    queue: Arc<Queue>,
    health: Health,
    /// Closed when the writer has ended.
    written: watch::Receiver<()>,
}

impl DecisionLog {
    /// Opens the log in the state directory, whose lock the caller holds until the log is closed, and
    /// starts its writer. Does not wait for the disk and does not fail: a log that cannot be written says so
    /// by [`Self::trouble`].
    #[must_use]
    pub fn start(directory: &Path, metrics: &Metrics) -> Self {
        let (log, ended) = Self::unwritten(metrics);
        let appender = Appender::new(directory, Limits::DEFAULT, Box::new(RealDisk));
        let (queue, health) = (Arc::clone(&log.queue), log.health.clone());
        let writer = Writer::new(queue, appender, health, Pace::DEFAULT);
        let thread = std::thread::Builder::new().name("decision-log".to_owned());
        let health = log.health.clone();
        let started = thread.spawn(move || {
            if catch_unwind(AssertUnwindSafe(|| writer.run())).is_err() {
                health.ill("the writer panicked; nothing is written until a restart".to_owned());
            }
            drop(ended);
        });
        if let Err(error) = started {
            log.health.ill(format!("cannot start the writer: {error}"));
        }
        log
    }

    /// A log without a writer: what is noted stays in the queue.
    fn unwritten(metrics: &Metrics) -> (Self, watch::Sender<()>) {
        let (ended, written) = watch::channel(());
        let log = Self {
            queue: Arc::new(Queue::new(metrics.decision_log_dropped.clone())),
            health: Health::new(metrics.decision_log_failures.clone()),
            written,
        };
        (log, ended)
    }

    /// Notes a decision. Never waits for the disk.
    pub fn note(&self, entry: Entry) {
        self.queue.push(entry);
    }

    /// Notes what anybody can cause without any state being touched: of each code some are listed and the
    /// others counted, so that nobody can push the claims out of the log.
    pub fn note_limited(&self, code: &'static str, entry: Entry) {
        self.queue.push_limited(code, entry.coded(code));
    }

    /// Counts a request of which there is nothing to tell but its code.
    pub fn count(&self, code: &'static str) {
        self.queue.count(code);
    }

    /// Why nothing is written now, in words; nothing is lost while the queue has room.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.health.trouble()
    }

    /// Writes what is left and an entry of the end, and makes it durable; gives up after two seconds.
    /// What is noted later is not written.
    pub async fn close(&self) {
        self.queue.close();
        let mut written = self.written.clone();
        // Resolves with an error when the writer is gone, and never otherwise.
        if tokio::time::timeout(CLOSING, written.changed())
            .await
            .is_err()
        {
            tracing::warn!("decision log was not finished in time");
        }
    }
}

impl Drop for DecisionLog {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl fmt::Debug for DecisionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionLog").finish_non_exhaustive()
    }
}

/// Appends `entries` durably without a running proxy, for commands: the caller holds the lock of the state
/// directory. Blocking.
///
/// # Errors
/// What failed, in words.
pub fn append(directory: &Path, entries: Vec<Entry>) -> Result<(), String> {
    let mut appender = Appender::new(directory, Limits::DEFAULT, Box::new(RealDisk));
    appender.append(&mut VecDeque::from(entries))?;
    appender.sync()
}

#[cfg(test)]
impl DecisionLog {
    /// A log that nobody writes, for tests of what is noted.
    pub(crate) fn kept() -> Self {
        Self::unwritten(&Metrics::new()).0
    }

    /// What was noted since the last call.
    pub(crate) fn noted(&self) -> Vec<Entry> {
        let until = Some(tokio::time::Instant::now());
        self.queue.take(until, true).entries.into()
    }
}

#[cfg(test)]
mod tests;
