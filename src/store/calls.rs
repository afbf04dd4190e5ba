//! The calls that decide what a power cut leaves: names made, moved and removed, bytes written, syncs.
//!
//! Each does the one call it is named after and nothing else. They stand together so that unit tests can take
//! down which were made, in what order, and lose on the model of a disk what had not reached it. Invariant: a
//! call is taken down only after the real one succeeded.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Takes a call down; nothing in the program itself.
macro_rules! note {
    ($call:ident $(, $argument:expr)*) => {
        #[cfg(test)]
        journal::note(journal::Call::$call($(From::from($argument)),*));
    };
}

/// Makes an empty file; [`io::ErrorKind::AlreadyExists`] if there is something, a link too.
pub(super) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(mode);
    let file = options.open(path)?;
    note!(Create, path);
    Ok(file)
}

/// Writes all of a file that is new.
pub(super) fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    journal::space()?;
    file.write_all(bytes)?;
    note!(Write, bytes);
    Ok(())
}

/// Makes the content of a file that is new durable.
pub(super) fn sync(file: &File) -> io::Result<()> {
    file.sync_all()?;
    note!(Sync);
    Ok(())
}

/// Gives the file at `from` the name `to`, whatever had it.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    note!(Rename, from, to);
    Ok(())
}

/// Removes a name.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)?;
    note!(Remove, path);
    Ok(())
}

/// Makes the names in `directory` durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()?;
    note!(SyncNames);
    Ok(())
}

/// What a thread called, for unit tests.
#[cfg(test)]
pub(super) mod journal {
    use std::cell::{Cell, RefCell};
    use std::io;
    use std::path::PathBuf;

    /// One call that succeeded. `Write` and `Sync` are about the file that was made last.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(in crate::store) enum Call {
        Create(PathBuf),
        Write(Vec<u8>),
        Sync(),
        Rename(PathBuf, PathBuf),
        Remove(PathBuf),
        SyncNames(),
    }

    thread_local! {
        static FULL: Cell<bool> = const { Cell::new(false) };
        static TAKEN_DOWN: RefCell<Option<Vec<Call>>> = const { RefCell::new(None) };
    }

    /// Lets the disk be full for this thread: whatever it writes fails.
    pub(in crate::store) fn set_full(is_full: bool) {
        FULL.set(is_full);
    }

    pub(super) fn space() -> io::Result<()> {
        if FULL.get() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    pub(super) fn note(call: Call) {
        TAKEN_DOWN.with_borrow_mut(|calls| {
            if let Some(calls) = calls {
                calls.push(call);
            }
        });
    }

    /// The calls that `run` makes on this thread.
    pub(in crate::store) fn taken_down<T>(run: impl FnOnce() -> T) -> (T, Vec<Call>) {
        TAKEN_DOWN.set(Some(Vec::new()));
        let result = run();
        (result, TAKEN_DOWN.take().unwrap_or_default())
    }
}
