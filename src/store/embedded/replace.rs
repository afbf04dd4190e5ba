//! Replacing a store by another one, while nobody has it open: for `watermark reset` alone.
//!
//! The order is the argument: the new store is made whole and read back; the old file is kept under a second name;
//! then the new one is written durably beside it, and one rename puts it in its place. A crash before that leaves
//! the old store, and after it the new one. At no time is there none, or one that is half written or empty. The old witness goes
//! last: until then it contradicts the new store, which therefore signs nothing.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use redb::Database;
use redb::backends::FileBackend;

use crate::guard::{Book, Slot, Touched};

use super::super::ailment::Ailment;
use super::super::lock::DirectoryLock;
use super::super::{calls, file, owner, tables};
use super::disk::{open, random_id, read_database};
use super::{EmbeddedStore, STORE_FILE, Trust};

/// What there is in a state directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No store.
    Absent,
    /// A store that could be read in full.
    Whole {
        /// Its identity.
        lineage: String,
        /// Its contents.
        book: Box<Book>,
    },
    /// Something that is no store that this program can read.
    Unreadable {
        /// Why.
        reason: String,
    },
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The identity of the new store.
    pub lineage: String,
    /// The old store's file, and its witness, under their new names.
    pub kept: Vec<PathBuf>,
}

impl EmbeddedStore {
    /// Looks at the store in a locked directory without opening it for work and without changing it. Blocking.
    ///
    /// # Errors
    /// The file cannot be looked at for want of rights: that says nothing about the store.
    pub fn inspect(lock: &DirectoryLock) -> Result<Found, String> {
        let path = lock.directory().join(STORE_FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Absent),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let remedy = owner::remedy(&error, lock.directory());
                return Err(format!(
                    "{} cannot be read: {error}{remedy}",
                    path.display()
                ));
            }
            Err(error) => {
                let reason = error.to_string();
                return Ok(Found::Unreadable { reason });
            }
        };
        // A copy: opening a database writes to it.
        let copy = path.with_extension("redb.reading");
        let found = read_copy(&copy, &bytes);
        let removed = owner::remove_leftover(&copy);
        let found = found.map_err(|error| format!("{}: {error}", copy.display()))?;
        removed.map_err(|error| format!("{}: {error}", copy.display()))?;
        Ok(found)
    }

    /// Puts a new store with the contents `book` and a new lineage in the place of the old one, whose file is
    /// kept beside it, and moves the old one's witness out of the way. Blocking; returns after the new store is
    /// durable in its place.
    ///
    /// # Errors
    /// What failed; the old store then still stands, unless the sentence says otherwise.
    pub fn replace(
        lock: &DirectoryLock,
        trust: &Trust,
        book: &Book,
        now: Timestamp,
    ) -> Result<Replaced, String> {
        let path = lock.directory().join(STORE_FILE);
        let lineage = random_id()?;
        let bytes = make(&path, lock.directory(), &lineage, book)?;
        let mut kept = vec![keep(&path, now)?];
        put(&bytes, &path)?;
        if let Some(witness) = &trust.witness {
            kept.extend(dismiss(witness, now)?);
        }
        Ok(Replaced { lineage, kept })
    }
}

/// Outer error: the copy could not be made.
fn read_copy(copy: &Path, bytes: &[u8]) -> io::Result<Found> {
    file::write_durably(copy, bytes)?;
    let read = || {
        let database = open(copy)?;
        let loaded = read_database(database, |_, _| Ok(()))?;
        Ok::<_, Ailment>((loaded.lineage, loaded.contents.book))
    };
    let read = catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err("the database panicked on it".to_owned().into()));
    Ok(match read {
        Ok((lineage, book)) => Found::Whole {
            lineage,
            book: Box::new(book),
        },
        Err(Ailment { reason, .. }) => Found::Unreadable { reason },
    })
}

/// Step 1: the bytes of a whole store, written by the database to a file of its own and read back.
fn make(path: &Path, directory: &Path, lineage: &str, book: &Book) -> Result<Vec<u8>, String> {
    let made = path.with_extension("redb.making");
    let failed = |error: String| format!("cannot write {}: {error}", made.display());
    let new = owner::remove_leftover(&made)
        .and_then(|()| owner::create(&made, directory))
        .map_err(|error| failed(format!("{error}{}", owner::remedy(&error, directory))))?;
    let backend = FileBackend::new(new).map_err(|error| failed(error.to_string()))?;
    let database = Database::builder()
        .create_with_backend(backend)
        .map_err(|error| failed(error.to_string()))?;
    fill(&database, lineage, book).map_err(|error| failed(error.to_string()))?;
    drop(database);
    let bytes = std::fs::read(&made).map_err(|error| failed(error.to_string()))?;
    let loaded = open(&made).and_then(|database| read_database(database, |_, _| Ok(())));
    let loaded = loaded.map_err(|ailment| failed(ailment.reason))?;
    if loaded.contents.book != *book || loaded.lineage != lineage {
        return Err(failed("it does not hold what was written to it".to_owned()));
    }
    drop(loaded);
    owner::remove_leftover(&made).map_err(|error| failed(error.to_string()))?;
    Ok(bytes)
}

fn fill(database: &Database, lineage: &str, book: &Book) -> Result<(), redb::Error> {
    tables::initialise(database, lineage)?;
    let rows = book.streams.iter().flat_map(|(stream, state)| {
        state.rows.keys().map(|position| Slot {
            stream: *stream,
            position: *position,
        })
    });
    let all = Touched {
        floors: book.streams.keys().copied().collect(),
        rows: rows.collect(),
        accounts: book.accounts.keys().copied().collect(),
        sealed: book.sealed.is_some(),
        ..Touched::default()
    };
    // A lineage of its own, so it counts from the beginning.
    tables::commit(database, book, &all, 1)
}

/// Step 2: a copy of the old file, or at least a second name for it if it cannot be read.
fn keep(path: &Path, now: Timestamp) -> Result<PathBuf, String> {
    let kept = replaced_name(path, now);
    let copied = match std::fs::read(path) {
        Ok(bytes) => file::write_durably(&kept, &bytes),
        Err(_) => std::fs::hard_link(path, &kept),
    };
    copied.map_err(|error| {
        format!(
            "cannot keep the old store as {}: {error}; nothing was changed",
            kept.display()
        )
    })?;
    Ok(kept)
}

/// Step 3: the one moment at which the store changes.
fn put(bytes: &[u8], path: &Path) -> Result<(), String> {
    file::write_durably(path, bytes).map_err(|error| {
        format!(
            "cannot put the new store in the place of {}: {error}; the old one stands, or the new one if that \
             was the last call: repeat the reset on a healthy disk",
            path.display()
        )
    })
}

/// Step 4: the witness of the old store says nothing about the new one.
fn dismiss(witness: &Path, now: Timestamp) -> Result<Option<PathBuf>, String> {
    let kept = replaced_name(witness, now);
    let moved = match calls::rename(witness, &kept) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
        Ok(()) => witness.parent().map_or(Ok(()), calls::sync_directory),
    };
    moved.map(|()| Some(kept)).map_err(|error| {
        format!(
            "the new store is in its place, but the witness {} of the old one cannot be moved away: {error}; \
             nothing is signed until it is",
            witness.display()
        )
    })
}

/// The name under which a file is kept that was replaced `now`.
fn replaced_name(path: &Path, now: Timestamp) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".replaced-{}", now.strftime("%Y%m%dT%H%M%S%.3fZ")));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use crate::fixture::second;

    use super::*;

    #[test]
    fn a_witness_is_moved_away_or_was_never_there_or_that_it_cannot_be_is_told() {
        let folder = crate::fixture::folder();
        let witness = folder.path().join("witness");
        assert_eq!(dismiss(&witness, second(1)), Ok(None));
        std::fs::write(&witness, "one").unwrap();
        let kept = dismiss(&witness, second(1)).unwrap().unwrap();
        assert!(!witness.exists() && kept.exists());
        // Its folder is a file.
        let error = dismiss(&kept.join("witness"), second(1)).unwrap_err();
        assert!(error.contains("cannot be moved away"), "{error}");
    }
}
