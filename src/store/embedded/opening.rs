//! Opening and creating: from nothing, or a file, to a committer at work, or to the sentence that says why not.
//!
//! All of it blocks and is done by one thread at a time. Nothing is shown as ready before everything that has to
//! vouch for the store has done so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::guard::StoreError;

use super::super::ailment::{Ailment, Cure};
use super::super::committer::{Committer, QUEUE, Reopen, read, write};
use super::super::owner;
use super::super::witness::{Hand, Keeper};
use super::disk::{self, Loaded, create_file};
use super::vouching::{self, Purpose};
use super::{STORE_FILE, Shared};

/// Opens the store at `path` anew, which must still be that of `lineage`.
fn reopen(path: &Path, directory: &Path, lineage: &str) -> Result<Loaded, Ailment> {
    let shown = path.display();
    // One that is away was not written to; one that cannot be looked at says so below.
    if path.try_exists().is_ok_and(|exists| !exists) {
        return Err(Ailment {
            reason: format!(
                "the watermark store {shown} was removed or moved while its disk was full; nothing is signed until \
                 it is back in its place"
            ),
            cure: Cure::Return,
        });
    }
    let again = disk::open_durably(path, directory)?;
    if again.lineage == lineage {
        return Ok(again);
    }
    Err(Ailment::from(format!(
        "the watermark store {shown} was replaced by another one, {}, while the disk of {lineage} was full; nothing \
         is signed until the right one is in its place and the process is restarted",
        again.lineage
    )))
}

impl Shared {
    fn path(&self) -> PathBuf {
        self.lock.directory().join(STORE_FILE)
    }

    pub(super) fn committer(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.committer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the store if there is one; if that fails, falls ill. Blocking.
    pub(super) fn open_if_any(&self) {
        let mut committer = self.committer();
        if read(&self.queue).is_some() {
            return;
        }
        match self.load_if_any(&mut committer) {
            Ok(()) => self.health.recover(Cure::Space),
            Err(Ailment { reason, cure }) => self.health.fall_ill(reason, cure),
        }
    }

    /// Whether the store could not be opened because its disk was full.
    pub(super) fn has_no_space_to_open(&self) -> bool {
        read(&self.queue).is_none()
            && self.health.ailment().map(|ailment| ailment.cure) == Some(Cure::Space)
    }

    fn load_if_any(&self, committer: &mut Option<JoinHandle<()>>) -> Result<(), Ailment> {
        // A file that cannot be looked at is not an absent one.
        match self.path().try_exists() {
            Ok(false) => Ok(vouching::absent(&self.trust, self.lock.directory())?),
            Ok(true) => self.load(committer),
            Err(error) => Err(Ailment::from(format!(
                "the watermark store {} cannot be read: {error}{}",
                self.path().display(),
                owner::remedy(&error, self.lock.directory())
            ))),
        }
    }

    fn load(&self, committer: &mut Option<JoinHandle<()>>) -> Result<(), Ailment> {
        let mut loaded = disk::open_durably(&self.path(), self.lock.directory())?;
        *write(&self.lineage) = Some(loaded.lineage.clone());
        *write(&self.memory) = loaded.contents.clone();
        let hand = vouching::check(&self.trust, &self.path(), &mut loaded, self.purpose)?;
        write(&self.memory).commits = loaded.contents.commits;
        let (path, directory) = (self.path(), self.lock.directory().to_owned());
        let lineage = loaded.lineage.clone();
        let reopen = move || reopen(&path, &directory, &lineage);
        *committer = Some(self.start_committer(loaded, hand, Box::new(reopen))?);
        Ok(())
    }

    /// Starts to work with what was read.
    pub(super) fn start_committer(
        &self,
        loaded: Loaded,
        hand: Hand,
        reopen: Reopen,
    ) -> Result<JoinHandle<()>, String> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut places = loaded.places;
        places.push(self.lock.place().clone());
        let keeper = match &self.trust.witness {
            Some(path) if self.purpose == Purpose::Working => Some(Keeper::start(
                path.clone(),
                loaded.lineage.clone(),
                Arc::clone(&self.memory),
                self.health.clone(),
                hand,
            )?),
            Some(_) | None => None,
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
    pub(super) fn create(&self) -> Result<(), StoreError> {
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
        self.load(&mut committer).map_err(|ailment| {
            // It is there now, so this is no absent store any more.
            let Ailment { reason, cure } = ailment;
            self.health.fall_ill(reason.clone(), cure);
            StoreError::Unavailable(reason)
        })
    }
}
