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
    journal::before_write()?;
    file.write_all(bytes)?;
    note!(Write, bytes);
    Ok(())
}

/// Makes the content of a file that is new durable.
pub(super) fn sync(file: &File) -> io::Result<()> {
    #[cfg(test)]
    journal::before_sync()?;
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

    /// What fails on this thread from now on.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(in crate::store) enum Fault {
        #[default]
        Nothing,
        /// Each write after so many good ones, for want of space.
        Full(usize),
        /// Each sync, with this number of the system.
        Sync(i32),
    }

    thread_local! {
        static FAULT: Cell<Fault> = const { Cell::new(Fault::Nothing) };
        static TAKEN_DOWN: RefCell<Option<Vec<Call>>> = const { RefCell::new(None) };
    }

    /// Lets the disk fail for this thread.
    pub(in crate::store) fn set_fault(fault: Fault) {
        FAULT.set(fault);
    }

    pub(super) fn before_write() -> io::Result<()> {
        match FAULT.get() {
            Fault::Full(0) => return Err(io::ErrorKind::StorageFull.into()),
            Fault::Full(good) => FAULT.set(Fault::Full(good.saturating_sub(1))),
            Fault::Nothing | Fault::Sync(_) => {}
        }
        Ok(())
    }

    pub(super) fn before_sync() -> io::Result<()> {
        match FAULT.get() {
            Fault::Sync(number) => Err(io::Error::from_raw_os_error(number)),
            Fault::Nothing | Fault::Full(_) => Ok(()),
        }
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
