//! Keeps the witness: a thread of its own writes it anew after commits, as fast as its volume lets it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::super::committer::read;
use super::super::contents::Memory;
use super::super::file;
use super::document;

/// Pause before a witness that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the thread is told.
#[derive(Debug, Default)]
struct Orders {
    /// Something was committed since the witness was written.
    due: bool,
    end: bool,
    /// Why it could not be written the last time.
    trouble: Option<String>,
}

#[derive(Debug, Default)]
struct Shared {
    orders: Mutex<Orders>,
    changed: Condvar,
}

impl Shared {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the keeper that something was committed. Never waits for a disk.
#[derive(Clone, Debug)]
pub(in crate::store) struct Reminder(Arc<Shared>);

impl Reminder {
    pub(in crate::store) fn committed(&self) {
        self.0.orders().due = true;
        self.0.changed.notify_one();
    }
}

/// The thread. Dropping it writes what is due once more, and ends it.
#[derive(Debug)]
pub(in crate::store) struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts to keep the witness at `path` of the store `lineage`, whose contents `memory` shows.
    pub(in crate::store) fn start(
        path: PathBuf,
        lineage: String,
        memory: Memory,
    ) -> Result<Self, String> {
        let shared = Arc::new(Shared::default());
        // What was read at the start is repeated to bakers without another commit: if it could not be noted
        // before, it is due.
        shared.orders().due = true;
        let told = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("watermark-witness".to_owned())
            .spawn(move || keep(&path, &lineage, &memory, &told))
            .map_err(|error| format!("cannot start the thread of the witness: {error}"))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    pub(in crate::store) fn reminder(&self) -> Reminder {
        Reminder(Arc::clone(&self.shared))
    }

    /// Why the witness is behind, if it cannot be written.
    pub(in crate::store) fn trouble(&self) -> Option<String> {
        self.shared.orders().trouble.clone()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.orders().end = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the keeper of the witness panicked");
        }
    }
}

fn keep(path: &Path, lineage: &str, memory: &Memory, shared: &Shared) {
    loop {
        let mut orders = shared.orders();
        while !orders.due && !orders.end {
            orders = shared
                .changed
                .wait(orders)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let end = orders.end;
        if !orders.due {
            return;
        }
        orders.due = false;
        drop(orders);
        let document = document(lineage, &read(memory), crate::time::now());
        let written = file::write_durably(path, document.to_text().as_bytes());
        let mut orders = shared.orders();
        match written {
            Ok(()) => {
                if orders.trouble.take().is_some() {
                    tracing::info!(witness = %path.display(), "witness written again");
                }
            }
            Err(error) => {
                let trouble = format!("the witness {} cannot be written: {error}", path.display());
                if orders.trouble.replace(trouble).is_none() {
                    tracing::error!(witness = %path.display(), %error, "witness cannot be written; signing goes on without it");
                }
                if end {
                    return;
                }
                orders.due = true;
                // Woken early by commits; then it is tried early.
                let waited = shared.changed.wait_timeout(orders, RETRY);
                drop(waited);
            }
        }
    }
}
