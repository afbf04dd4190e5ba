//! The thread that writes: batch by batch, durable at most once a second, and after a failure again and
//! again without ever being in anybody's way.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use super::append::Appender;
use super::entry::{Entry, Event};
use super::queue::Queue;

/// How often things are done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// What was written is durable after this long.
    pub(super) sync: Duration,
    /// After a failure the next try comes after this long.
    pub(super) retry: Duration,
}

impl Pace {
    pub(super) const DEFAULT: Self = Self {
        sync: Duration::from_secs(1),
        retry: Duration::from_secs(1),
    };
}

/// What others see of the writer.
#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    failures: Counter,
    trouble: Arc<Mutex<Option<String>>>,
}

impl Health {
    pub(super) fn new(failures: Counter) -> Self {
        Self {
            failures,
            trouble: Arc::default(),
        }
    }

    /// Why nothing is written now.
    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a failure; says so if it is the first.
    pub(super) fn ill(&self, cause: String) {
        self.failures.inc();
        let trouble = self.trouble.lock();
        let mut trouble = trouble.unwrap_or_else(PoisonError::into_inner);
        if trouble.is_none() {
            tracing::warn!(cause, "decision log is not written; signing goes on");
        }
        *trouble = Some(cause);
    }

    fn well(&self) {
        let trouble = self.trouble.lock();
        let mut trouble = trouble.unwrap_or_else(PoisonError::into_inner);
        if trouble.take().is_some() {
            tracing::info!("decision log is written again");
        }
    }
}

/// The writer and what it has to do.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Arc<Queue>,
    appender: Appender,
    health: Health,
    pace: Pace,
    /// Taken from the queue and not written.
    pending: VecDeque<Entry>,
    sync_at: Option<Instant>,
    retry_at: Option<Instant>,
    /// Whether the last sync failed.
    sync_failed: bool,
}

impl Writer {
    /// A writer whose first entry says that the proxy started.
    pub(super) fn new(queue: Arc<Queue>, appender: Appender, health: Health, pace: Pace) -> Self {
        let version = format!("version {}", env!("CARGO_PKG_VERSION"));
        let started = Entry::new(Event::Started).because(&version);
        Self {
            queue,
            appender,
            health,
            pace,
            pending: VecDeque::from([started]),
            sync_at: None,
            retry_at: None,
            sync_failed: false,
        }
    }

    /// Writes until the queue is closed. Blocking: has a thread of its own.
    pub(super) fn run(mut self) {
        self.write();
        self.anchor("decision log opened");
        loop {
            let until = [self.sync_at, self.retry_at].into_iter().flatten().min();
            // While nothing can be written the queue fills, and counts what does not fit.
            let mut taken = self.queue.take(until, self.retry_at.is_none());
            self.pending.append(&mut taken.entries);
            if taken.closing {
                self.pending.push_back(Entry::new(Event::Ended));
                self.write();
                self.sync();
                self.anchor("decision log closed");
                return;
            }
            let now = Instant::now();
            if self.retry_at.is_none_or(|at| now >= at) {
                self.write();
            }
            if self.sync_at.is_some_and(|at| now >= at) {
                self.sync();
            }
        }
    }

    fn write(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let now = Instant::now();
        match self.appender.append(&mut self.pending) {
            Ok(()) => {
                self.retry_at = None;
                self.sync_at = self.sync_at.or_else(|| now.checked_add(self.pace.sync));
                if !self.sync_failed {
                    self.health.well();
                }
            }
            Err(cause) => {
                self.health.ill(cause);
                self.retry_at = now.checked_add(self.pace.retry);
            }
        }
    }

    fn sync(&mut self) {
        match self.appender.sync() {
            Ok(()) => {
                self.sync_at = None;
                if std::mem::take(&mut self.sync_failed) && self.retry_at.is_none() {
                    self.health.well();
                }
            }
            Err(cause) => {
                if !std::mem::replace(&mut self.sync_failed, true) {
                    // A later sync may succeed without writing what this one did not.
                    let what = format!("{cause}: lines before this one may be lost by a power cut");
                    self.pending.push_back(Entry::gap(None, &what));
                }
                self.health.ill(cause);
                self.sync_at = Instant::now().checked_add(self.pace.retry);
            }
        }
    }

    /// Says the end of the chain in the log of the process, where it outlives the files.
    fn anchor(&self, message: &'static str) {
        if let Some(tail) = self.appender.tail() {
            tracing::info!(entries = tail.seq, head = %tail.prev, "{message}");
        }
    }
}
