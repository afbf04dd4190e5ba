//! The log over real files: nothing is lost unsaid, and no change goes unseen.

mod chain;
mod damage;
mod outage;
mod queue;
mod rotation;
mod start;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::tezos::Digest;

use super::append::Tail;
use super::disk::{Disk, Segment};
use super::*;

/// No entry fits into less than this, and two do not fit into twice as much.
const ONE: u64 = 300;

/// Small files, all of them kept.
fn limits(file: u64, files: u32) -> Limits {
    Limits {
        file,
        files,
        reserve: 0,
    }
}

fn appender(directory: &Path, limits: Limits) -> Appender {
    Appender::new(directory, limits, Box::new(RealDisk))
}

/// An entry about level `level`.
fn entry(level: u32) -> Entry {
    Entry {
        level: Some(level),
        round: Some(0),
        key: Some(crate::fixture::key()),
        digest: Some(crate::fixture::bytes(1)),
        requester: Some("127.0.0.1:4711".to_owned()),
        ..Entry::new(Event::Claimed)
    }
}

fn entries(levels: std::ops::Range<u32>) -> VecDeque<Entry> {
    levels.map(entry).collect()
}

/// A folder with a log of entries about `levels` in files of `limits`.
fn written(levels: std::ops::Range<u32>, limits: Limits) -> tempfile::TempDir {
    let folder = crate::fixture::folder();
    appender(folder.path(), limits)
        .append(&mut entries(levels))
        .unwrap();
    folder
}

/// Every entry that is told, and the summary.
fn told(directory: &Path) -> (Vec<Entry>, Summary) {
    let mut entries = Vec::new();
    let summary = read(directory, |told| entries.extend(told.entry.cloned())).unwrap();
    (entries, summary)
}

/// The same of a log that must be whole.
fn whole(directory: &Path) -> Vec<Entry> {
    let (entries, summary) = told(directory);
    assert_eq!(summary.breaks, [], "{entries:#?}");
    assert_eq!(summary.unfinished, 0);
    entries
}

fn levels(entries: &[Entry]) -> Vec<u32> {
    entries.iter().filter_map(|entry| entry.level).collect()
}

fn events(entries: &[Entry]) -> Vec<Event> {
    entries.iter().map(|entry| entry.event).collect()
}

fn log_file(directory: &Path) -> std::path::PathBuf {
    files::path(directory, 0)
}

/// A disk with switches.
#[derive(Clone, Debug, Default)]
struct Sick {
    /// Bytes that may still be written; more than any test writes unless set.
    room: Arc<AtomicU64>,
    /// Syncs that fail from now on.
    bad_syncs: Arc<AtomicU64>,
    /// Cuts that fail from now on.
    bad_cuts: Arc<AtomicU64>,
}

impl Sick {
    fn well() -> Self {
        let sick = Self::default();
        sick.room.store(u64::MAX, Ordering::SeqCst);
        sick
    }
}

impl Disk for Sick {
    fn hold(&self, file: File) -> Box<dyn Segment> {
        Box::new(SickFile {
            file,
            disk: self.clone(),
        })
    }
}

#[derive(Debug)]
struct SickFile {
    file: File,
    disk: Sick,
}

fn fails(count: &AtomicU64) -> io::Result<()> {
    let less = |left: u64| left.checked_sub(1);
    match count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
        Ok(_) => Err(io::Error::other("broken for the test")),
        Err(_) => Ok(()),
    }
}

impl Segment for SickFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = usize::try_from(self.disk.room.load(Ordering::SeqCst)).unwrap();
        let part = &bytes[..room.min(bytes.len())];
        self.file.append(part)?;
        if room == usize::MAX {
            return Ok(());
        }
        let left = u64::try_from(room.saturating_sub(part.len())).unwrap();
        self.disk.room.store(left, Ordering::SeqCst);
        if part.len() < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        fails(&self.disk.bad_cuts)?;
        self.file.cut(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        fails(&self.disk.bad_syncs)?;
        self.file.sync()
    }
}
