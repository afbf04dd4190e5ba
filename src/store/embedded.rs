//! The embedded store: one redb file in the state directory, one writer, memory for every read.
//!
//! Opening rewrites and syncs the file first (see [`super::file::rewrite`]), so nothing read from it
//! can be taken back by a power cut. `run` never makes a store: [`EmbeddedStore::open`] leaves an
//! absent one absent, and the first [`crate::guard::WatermarkStore::raise`] creates it.

mod answers;
mod disk;
mod opening;
pub(super) mod replace;
mod vouching;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::guard::StoreError;

use super::ailment::{Ailment, Cure, Health};
use super::committer::{OnCommit, Operation, QUEUE, Reply, read, write};
use super::contents::Memory;
use super::lock::DirectoryLock;
use super::pulse::Pulse;
use super::watch::Vitals;
use super::witness::Keeper;
pub(super) use disk::Loaded;
use vouching::Purpose;
pub use vouching::{Accepted, Trust};

const STORE_FILE: &str = "watermarks.redb";

/// The embedded store. Dropping it ends the committer after what is queued.
pub struct EmbeddedStore {
    /// Shared with a creation that goes on although nobody waits for it any more.
    shared: Arc<Shared>,
}

/// All of a store.
struct Shared {
    trust: Trust,
    purpose: Purpose,
    memory: Memory,
    health: Health,
    pulse: Pulse,
    lineage: RwLock<Option<String>>,
    /// Present once there is a store file.
    queue: RwLock<Option<mpsc::Sender<Operation>>>,
    /// Present once there is a store with a witness.
    keeper: RwLock<Option<Keeper>>,
    /// One opening at a time; holds the committer's thread.
    committer: Mutex<Option<JoinHandle<()>>>,
    on_commit: OnCommit,
    lock: DirectoryLock,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The next process copies the file as soon as the directory is free, and must not do so
        // under the pen of this one. Waits for one commit at most.
        *write(&self.queue) = None;
        let committer = self
            .committer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(committer) = committer.take()
            && committer.join().is_err()
        {
            tracing::error!("committer panicked");
        }
    }
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore")
            .field("directory", &self.shared.lock.directory())
            .finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    /// Opens the store in the locked directory. Blocking.
    ///
    /// `pin` is the lineage that the configuration demands. `on_commit` gets the length of every
    /// durable commit in seconds. A damaged or foreign store opens as [`crate::guard::Condition::Refusing`], so
    /// that metadata and the explanation stay available.
    #[must_use]
    pub fn open(
        lock: DirectoryLock,
        pin: Option<String>,
        on_commit: impl Fn(f64) + Send + Sync + 'static,
    ) -> Self {
        let trust = Trust {
            lineage: pin,
            witness: None,
        };
        Self::open_trusting(lock, trust, on_commit)
    }

    /// As [`Self::open`], with everything that has to vouch for the store. Brings its witness up to date.
    #[must_use]
    pub fn open_trusting(
        lock: DirectoryLock,
        trust: Trust,
        on_commit: impl Fn(f64) + Send + Sync + 'static,
    ) -> Self {
        Self::open_for(Purpose::Working, lock, trust, Arc::new(on_commit))
    }

    /// As [`Self::open_trusting`], for whoever changes nothing: the witness is read and never written.
    #[must_use]
    pub fn open_to_look(lock: DirectoryLock, trust: Trust) -> Self {
        Self::open_for(Purpose::Looking, lock, trust, Arc::new(|_| ()))
    }

    fn open_for(purpose: Purpose, lock: DirectoryLock, trust: Trust, on_commit: OnCommit) -> Self {
        let shared = Shared {
            lock,
            trust,
            purpose,
            keeper: RwLock::new(None),
            memory: Arc::default(),
            health: Health::default(),
            pulse: Pulse::default(),
            lineage: RwLock::new(None),
            queue: RwLock::new(None),
            committer: Mutex::default(),
            on_commit,
        };
        shared.open_if_any();
        let shared = Arc::new(shared);
        Self { shared }
    }

    /// What the watch sees. Blocking.
    pub(super) fn vitals(&self) -> Vitals {
        self.shared.vitals()
    }

    /// Lets the store look whether a full disk has space again, and whether its files are in place. Blocking:
    /// a store that could not be opened for want of space is opened here.
    pub(super) fn try_recover(&self) {
        self.shared.try_recover();
    }

    /// Creates the store, unless there is one. Cancel-safe: a creation goes on, and the next one waits for it.
    async fn create(&self) -> Result<(), StoreError> {
        if read(&self.shared.queue).is_some() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let created = tokio::task::spawn_blocking(move || shared.create()).await;
        created.unwrap_or_else(|_| {
            let reason = "the store was not created: the process is ending, or that panicked";
            Err(StoreError::Unknown(reason.to_owned()))
        })
    }
}

impl Shared {
    fn vitals(&self) -> Vitals {
        let volume = nix::sys::statvfs::statvfs(self.lock.directory());
        let free = volume.map(|volume| {
            let blocks: u64 = volume.blocks_available();
            blocks.saturating_mul(volume.fragment_size())
        });
        Vitals {
            free: free.ok(),
            slowest: self.pulse.take_slowest(),
            witness: read(&self.keeper)
                .as_ref()
                .map(|keeper| keeper.trouble().is_none()),
        }
    }

    fn try_recover(&self) {
        if self.has_no_space_to_open() {
            self.open_if_any();
        } else if let Some(queue) = &*read(&self.queue) {
            // A full queue means that the committer is busy enough to see for itself.
            drop(queue.try_send(Operation::Recover));
        }
    }

    /// Has the committer do it, in its turn.
    async fn ask<T>(&self, operation: impl FnOnce(Reply<T>) -> Operation) -> Result<T, StoreError> {
        let place = self.open_queue()?.reserve_owned().await;
        self.place_and_wait(place.map_err(|_| gone())?, operation)
            .await
    }

    /// As [`Self::ask`], or not at all: what had to wait for a place would be done for nobody, long after it was
    /// asked.
    async fn ask_at_once<T>(
        &self,
        operation: impl FnOnce(Reply<T>) -> Operation,
    ) -> Result<T, StoreError> {
        let place = self.open_queue()?.try_reserve_owned();
        let place = place.map_err(|_| {
            StoreError::Unavailable(format!(
                "the disk of the watermark store stalls: {QUEUE} changes wait for it"
            ))
        })?;
        self.place_and_wait(place, operation).await
    }

    async fn place_and_wait<T>(
        &self,
        place: mpsc::OwnedPermit<Operation>,
        operation: impl FnOnce(Reply<T>) -> Operation,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        drop(place.send(operation(reply)));
        answer.await.map_err(|_| gone())?
    }

    fn open_queue(&self) -> Result<mpsc::Sender<Operation>, StoreError> {
        match self.health.ailment() {
            // The committer sees by itself when the file is back.
            None
            | Some(Ailment {
                cure: Cure::Return, ..
            }) => {}
            Some(Ailment { reason, .. }) => return Err(StoreError::Unavailable(reason)),
        }
        read(&self.queue).clone().ok_or_else(gone)
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable("the watermark committer has ended".to_owned())
}

#[cfg(test)]
mod tests;
