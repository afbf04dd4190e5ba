//! Keeps the witness: a thread of its own writes it anew after commits, as fast as its volume lets it.
//!
//! It looks at what is there before it writes. A witness that another process keeps is left alone, and the store
//! falls ill: two copies of one store are at work, and what the higher one noted must not be lost. Two that write
//! at the same instant can still write over each other; the next look of either finds that out. One that cannot be
//! read, or that a newer program wrote, may say what this program does not know, and is left alone too: until that
//! ends, the witness is behind, as with a volume that cannot be written. Only a damaged one is written over unread.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::super::ailment::{Cure, Health};
use super::super::committer::read;
use super::super::contents::Memory;
use super::super::file;
use super::{Hand, Unusable, document, kept_by_another};
use crate::transfer::Document;

/// Pause before a witness that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the thread is told.
#[derive(Debug, Default)]
struct Orders {
    /// Something was committed since the witness was written.
    due: bool,
    end: bool,
    /// Why it could not be read or written the last time.
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
    /// Starts to keep the witness at `path` of the store `lineage`, whose contents `memory` shows and whose
    /// `health` suffers if somebody else keeps it; `hand` is how the store was opened.
    pub(in crate::store) fn start(
        path: PathBuf,
        lineage: String,
        memory: Memory,
        health: Health,
        hand: Hand,
    ) -> Result<Self, String> {
        let shared = Arc::new(Shared::default());
        // What was read at the start is repeated to bakers without another commit: if it could not be noted
        // before, it is due.
        shared.orders().due = true;
        let told = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("watermark-witness".to_owned())
            .spawn(move || {
                let kept = Kept {
                    path,
                    lineage,
                    memory,
                    health,
                };
                keep(&kept, hand, &told);
            })
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

/// What is kept, and for whom.
struct Kept {
    path: PathBuf,
    lineage: String,
    memory: Memory,
    health: Health,
}

/// Why the witness was not written.
enum Setback {
    /// Another process keeps it.
    Another(String),
    /// That can pass.
    Trouble(String),
}

impl Kept {
    /// Looks at the witness and brings it up to date; returns what it is now.
    fn update(&self, hand: &Hand) -> Result<Document, Setback> {
        self.look(hand)?;
        let now = crate::time::now();
        let document = document(&self.lineage, &read(&self.memory), &hand.writer, now);
        let trouble = |error| {
            let path = self.path.display();
            Setback::Trouble(format!("the witness {path} cannot be written: {error}"))
        };
        file::write_durably(&self.path, document.to_text().as_bytes()).map_err(trouble)?;
        Ok(document)
    }

    /// Whether what is there may be written over.
    fn look(&self, hand: &Hand) -> Result<(), Setback> {
        let there = match super::read(&self.path) {
            Ok(Some(there)) => there,
            Ok(None) => return Ok(()),
            Err(Unusable::Damaged(error)) => {
                // It says nothing; what is written in its place does.
                tracing::warn!(error, "witness cannot be used; it is written anew");
                return Ok(());
            }
            Err(Unusable::Unreadable(error) | Unusable::Newer(error)) => {
                return Err(Setback::Trouble(error));
            }
        };
        // Read last, so that it is as new as any witness of our own.
        let contents = read(&self.memory);
        kept_by_another(&self.path, &there, hand, &self.lineage, &contents)
            .map_or(Ok(()), |reason| Err(Setback::Another(reason)))
    }
}

fn keep(kept: &Kept, mut hand: Hand, shared: &Shared) {
    let path = &kept.path;
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
        let updated = kept.update(&hand);
        let mut orders = shared.orders();
        match updated {
            Ok(document) => {
                hand.wrote(&document);
                if orders.trouble.take().is_some() {
                    tracing::info!(witness = %path.display(), "witness written again");
                }
            }
            Err(Setback::Another(reason)) => {
                kept.health.fall_ill(reason.clone(), Cure::Restart);
                orders.trouble = Some(reason);
                return;
            }
            Err(Setback::Trouble(error)) => {
                if orders.trouble.is_none() {
                    tracing::error!(witness = %path.display(), error, "witness cannot be written; signing goes on without it");
                }
                orders.trouble = Some(error);
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
