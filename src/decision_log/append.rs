//! Appends entries to the files and rotates them; `open` finds the end of the chain.
//!
//! Knows nothing of queues and threads, and never retries by itself: an error leaves the entries with the
//! caller and the file such that the next call may try again. Only one process may append, the one that
//! holds the lock of the state directory.

mod open;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use crate::tezos::Digest;

use super::chain::seal;
use super::disk::{Disk, Segment};
use super::entry::Entry;
use super::files::{self, Place};

/// Bounds of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of one file.
    pub(super) file: u64,
    /// Files in all.
    pub(super) files: u32,
    /// Bytes of the volume that are left to others: the watermarks live there too, and without room for
    /// them nothing is signed.
    pub(super) reserve: u64,
}

impl Limits {
    /// 256 MiB in all, about ten days of one baking key; 64 MiB are left free.
    pub(super) const DEFAULT: Self = Self {
        file: 32 << 20,
        files: 8,
        reserve: 64 << 20,
    };
}

/// The end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// The number of the next line.
    pub(super) seq: u64,
    /// The hash that it names.
    pub(super) prev: Digest,
}

/// The file that is written to.
#[derive(Debug)]
struct Open {
    segment: Box<dyn Segment>,
    place: Place,
    /// Length of the lines in it.
    length: u64,
    /// Number of its first line.
    first: u64,
    /// Whether something of a failed write may stand behind them.
    dirty: bool,
}

/// The one who appends.
#[derive(Debug)]
pub(super) struct Appender {
    directory: PathBuf,
    limits: Limits,
    disk: Box<dyn Disk>,
    open: Option<Open>,
    /// Known from the first successful opening on.
    tail: Option<Tail>,
}

impl Appender {
    pub(super) fn new(directory: &Path, limits: Limits, disk: Box<dyn Disk>) -> Self {
        Self {
            directory: directory.to_owned(),
            limits,
            disk,
            open: None,
            tail: None,
        }
    }

    /// Writes `entries` and removes them as they are written. Not durable before [`Self::sync`].
    /// Entries about what was found in the files come first.
    ///
    /// # Errors
    /// What failed, in words; what is left in `entries` is not written.
    pub(super) fn append(&mut self, entries: &mut VecDeque<Entry>) -> Result<(), String> {
        self.leave_room()?;
        self.notice_removal(entries)?;
        while !entries.is_empty() {
            let (mut open, tail) = match (self.open.take(), self.tail) {
                (Some(open), Some(tail)) => (open, tail),
                _ => self.open(entries)?,
            };
            let room = self.limits.file.saturating_sub(open.length);
            let batch = Batch::of(entries, tail, room, open.length == 0);
            if batch.count == 0 {
                // Full. The file is durable before the next one names its end.
                let rotated = self.rotate(&mut open);
                if rotated.is_err() && files::place_at(&self.path()).ok() == Some(Some(open.place))
                {
                    self.open = Some(open);
                }
                rotated?;
                continue;
            }
            let written = self.write(&mut open, &batch.text);
            self.open = Some(open);
            written?;
            entries.drain(..batch.count);
            self.tail = Some(batch.tail);
        }
        Ok(())
    }

    /// Returns when everything written is durable.
    ///
    /// # Errors
    /// What failed, in words.
    pub(super) fn sync(&mut self) -> Result<(), String> {
        let path = self.path();
        match &mut self.open {
            Some(open) => open.segment.sync().map_err(|e| cannot("sync", &path, &e)),
            None => Ok(()),
        }
    }

    /// The end of the chain, once it is known.
    pub(super) fn tail(&self) -> Option<Tail> {
        self.tail
    }

    fn path(&self) -> PathBuf {
        files::path(&self.directory, 0)
    }

    fn write(&self, open: &mut Open, text: &str) -> Result<(), String> {
        let path = self.path();
        if open.dirty {
            let cut = open.segment.cut(open.length);
            cut.map_err(|e| cannot("cut", &path, &e))?;
        }
        open.dirty = true;
        let written = open.segment.append(text.as_bytes());
        if let Err(error) = written {
            // Tried at once, so that readers see no half line; if not now, then before the next write.
            open.dirty = open.segment.cut(open.length).is_err();
            return Err(cannot("write", &path, &error));
        }
        open.dirty = false;
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        open.length = open.length.saturating_add(length);
        Ok(())
    }

    fn rotate(&self, open: &mut Open) -> Result<(), String> {
        let synced = open.segment.sync();
        synced.map_err(|e| cannot("sync", &self.path(), &e))?;
        let shifted = files::shift(&self.directory, self.limits.files);
        shifted.map_err(|e| cannot("rotate", &self.path(), &e))
    }

    /// The volume is shared with the watermarks, which must never want for space because of this log.
    fn leave_room(&self) -> Result<(), String> {
        let free = files::free(&self.directory)
            .map_err(|e| cannot("see the free space of", &self.directory, &e))?;
        if free < self.limits.reserve {
            return Err(format!(
                "{} has {} MiB of free space, and {} MiB are left to the watermarks: make room",
                self.directory.display(),
                free >> 20,
                self.limits.reserve >> 20
            ));
        }
        Ok(())
    }

    fn shift(&self) -> Result<(), String> {
        files::shift(&self.directory, self.limits.files)
            .map_err(|e| cannot("rotate", &self.path(), &e))
    }
}

/// Lines that are written at once.
struct Batch {
    text: String,
    /// How many entries they are.
    count: usize,
    /// The end of the chain behind them.
    tail: Tail,
}

impl Batch {
    /// As many entries as fit into `room`, at least one if `any`.
    fn of(entries: &VecDeque<Entry>, mut tail: Tail, room: u64, any: bool) -> Self {
        let (mut text, mut count) = (String::new(), 0_usize);
        for entry in entries {
            let (line, hash) = seal(entry, tail.seq, &tail.prev);
            let length = text.len().saturating_add(line.len());
            let fits = u64::try_from(length).is_ok_and(|length| length <= room);
            let is_first = any && count == 0;
            if !fits && !is_first {
                break;
            }
            text.push_str(&line);
            count = count.saturating_add(1);
            tail = Tail {
                seq: tail.seq.saturating_add(1),
                prev: hash,
            };
        }
        Self { text, count, tail }
    }
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}
