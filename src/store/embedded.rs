//! The embedded store: one redb file in the state directory, one writer, memory for every read.
//!
//! Opening rewrites and syncs the file first (see [`super::file::rewrite`]), so nothing read from it
//! can be taken back by a power cut. `run` never makes a store: [`EmbeddedStore::open`] leaves an
//! absent one absent, and the first [`crate::guard::WatermarkStore::raise`] creates it.

mod answers;
mod disk;
pub(super) mod replace;
mod vouching;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::guard::StoreError;

use super::ailment::{Ailment, Cure, Health};
use super::committer::{Committer, OnCommit, Operation, QUEUE, Reopen, Reply, read, write};
use super::contents::Memory;
use super::lock::DirectoryLock;
use super::owner;
use super::pulse::Pulse;
use super::watch::Vitals;
use super::witness::Keeper;
pub(super) use disk::Loaded;
use disk::create_file;
pub use vouching::{Accepted, Trust};

const STORE_FILE: &str = "watermarks.redb";

/// The embedded store. Dropping it ends the committer after what is queued.
pub struct EmbeddedStore {
    trust: Trust,
    memory: Memory,
    health: Health,
    pulse: Pulse,
    lineage: RwLock<Option<String>>,
    /// Present once there is a store file.
    queue: RwLock<Option<mpsc::Sender<Operation>>>,
    /// Present once there is a store with a witness.
    keeper: RwLock<Option<Keeper>>,
    /// One creation at a time; holds the committer's thread.
    committer: Mutex<Option<JoinHandle<()>>>,
    on_commit: OnCommit,
    lock: DirectoryLock,
}

impl Drop for EmbeddedStore {
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
            .field("directory", &self.lock.directory())
            .finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    /// Opens the store in the locked directory. Blocking.
    ///
    /// `pin` is the lineage that the configuration demands. `on_commit` gets the length of every
    /// durable commit in seconds. A damaged or foreign store opens as [`crate::guard::Condition::Refusing`], so that
    /// metadata and the explanation stay available.
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

    /// As [`Self::open`], with everything that has to vouch for the store.
    #[must_use]
    pub fn open_trusting(
        lock: DirectoryLock,
        trust: Trust,
        on_commit: impl Fn(f64) + Send + Sync + 'static,
    ) -> Self {
        let store = Self {
            lock,
            trust,
            keeper: RwLock::new(None),
            memory: Arc::default(),
            health: Health::default(),
            pulse: Pulse::default(),
            lineage: RwLock::new(None),
            queue: RwLock::new(None),
            committer: Mutex::default(),
            on_commit: Arc::new(on_commit),
        };
        let mut committer = store.committer();
        if let Err(reason) = store.load_if_any(&mut committer) {
            store.health.fall_ill(reason, Cure::Restart);
        }
        drop(committer);
        store
    }

    fn path(&self) -> PathBuf {
        self.lock.directory().join(STORE_FILE)
    }

    fn committer(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.committer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn load_if_any(&self, committer: &mut Option<JoinHandle<()>>) -> Result<(), String> {
        // A file that cannot be looked at is not an absent one.
        match self.path().try_exists() {
            Ok(false) => vouching::absent(&self.trust, self.lock.directory()),
            Ok(true) => self.load(committer),
            Err(error) => Err(format!(
                "the watermark store {} cannot be read: {error}{}",
                self.path().display(),
                owner::remedy(&error, self.lock.directory())
            )),
        }
    }

    fn load(&self, committer: &mut Option<JoinHandle<()>>) -> Result<(), String> {
        let mut loaded = disk::open_durably(&self.path(), self.lock.directory())?;
        *write(&self.lineage) = Some(loaded.lineage.clone());
        *write(&self.memory) = loaded.contents.clone();
        vouching::check(&self.trust, &self.path(), &mut loaded)?;
        write(&self.memory).commits = loaded.contents.commits;
        let (path, directory) = (self.path(), self.lock.directory().to_owned());
        let lineage = loaded.lineage.clone();
        let reopen = move || {
            let again = disk::open_durably(&path, &directory)?;
            let same = again.lineage == lineage;
            same.then_some(again)
                .ok_or_else(|| "it is another store now".to_owned())
        };
        *committer = Some(self.start_committer(loaded, Box::new(reopen))?);
        Ok(())
    }

    fn start_committer(&self, loaded: Loaded, reopen: Reopen) -> Result<JoinHandle<()>, String> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut places = loaded.places;
        places.push(self.lock.place().clone());
        let keeper = match &self.trust.witness {
            Some(path) => Some(Keeper::start(
                path.clone(),
                loaded.lineage.clone(),
                Arc::clone(&self.memory),
                self.health.clone(),
            )?),
            None => None,
        };
        let committer = Committer {
            witness: keeper.as_ref().map(Keeper::reminder),
            database: Some(loaded.database),
            in_doubt: None,
            memory: Arc::clone(&self.memory),
            health: self.health.clone(),
            pulse: self.pulse.clone(),
            places,
            reopen,
            on_commit: Arc::clone(&self.on_commit),
        };
        let thread = std::thread::Builder::new()
            .name("watermark-committer".to_owned())
            .spawn(move || {
                // Half-applied state must never be read again: a panic here ends the process.
                if catch_unwind(AssertUnwindSafe(|| committer.run(receiver))).is_err() {
                    tracing::error!("committer panicked; ending the process");
                    std::process::abort();
                }
            })
            .map_err(|error| format!("cannot start the committer thread: {error}"))?;
        *write(&self.keeper) = keeper;
        *write(&self.queue) = Some(sender);
        Ok(thread)
    }

    /// Creates the store file, unless there is one. Blocking.
    fn create(&self) -> Result<(), StoreError> {
        let mut committer = self.committer();
        if read(&self.queue).is_some() {
            return Ok(());
        }
        let failed = |error: String| {
            StoreError::Unavailable(format!("cannot create {}: {error}", self.path().display()))
        };
        if let Some(reason) = self.health.reason() {
            return Err(StoreError::Unavailable(reason));
        }
        create_file(&self.path()).map_err(failed)?;
        self.load(&mut committer).map_err(StoreError::Unavailable)
    }

    /// What the watch sees. Blocking.
    pub(super) fn vitals(&self) -> Vitals {
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

    /// Lets the committer look whether a full disk has space again, and whether its files are in place.
    pub(super) fn try_recover(&self) {
        if let Some(queue) = &*read(&self.queue) {
            // A full queue means that the committer is busy enough to see for itself.
            drop(queue.try_send(Operation::Recover));
        }
    }

    async fn ask<T>(&self, operation: impl FnOnce(Reply<T>) -> Operation) -> Result<T, StoreError> {
        let gone = || StoreError::Unavailable("the watermark committer has ended".to_owned());
        match self.health.ailment() {
            // The committer sees by itself when the file is back.
            None
            | Some(Ailment {
                cure: Cure::Return, ..
            }) => {}
            Some(Ailment { reason, .. }) => return Err(StoreError::Unavailable(reason)),
        }
        let queue = read(&self.queue).clone().ok_or_else(gone)?;
        let (reply, answer) = oneshot::channel();
        queue.send(operation(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

#[cfg(test)]
mod tests;
