//! One process per state directory.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::owner;
use super::place::Place;

/// Name of the lock file in the state directory.
const LOCK_FILE: &str = "lock";

/// Why the state directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("state directory {directory} is locked by another process; stop that one first")]
    Held {
        /// The state directory.
        directory: PathBuf,
    },
    /// The directory is missing.
    #[error(
        "state directory {directory} does not exist; mount its volume, or create it with \
         `signer-proxy watermark init`"
    )]
    Missing {
        /// The state directory.
        directory: PathBuf,
    },
    /// The lock could not be taken: never a reason to go on without it.
    #[error("cannot lock state directory {directory}: {reason}")]
    Failed {
        /// The state directory.
        directory: PathBuf,
        /// The system's words.
        reason: String,
    },
}

/// The constants are small; the field is shorter than they are declared.
fn short(constant: libc::c_int) -> libc::c_short {
    libc::c_short::try_from(constant).unwrap_or(libc::c_short::MAX)
}

fn open(directory: &Path) -> io::Result<File> {
    let path = directory.join(LOCK_FILE);
    match owner::create(&path, directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

/// Holds the state directory until dropped.
///
/// An open-file-description lock: unlike a process lock it is not lost when some other descriptor of
/// the same file is closed, and the kernel releases it however the process ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
    place: Place,
    directory: PathBuf,
}

impl DirectoryLock {
    /// Locks `directory`, which must exist. Never waits.
    ///
    /// # Errors
    /// [`LockError`]
    pub fn acquire(directory: &Path) -> Result<Self, LockError> {
        let failed = |reason: String| LockError::Failed {
            directory: directory.to_owned(),
            reason,
        };
        if !directory.is_dir() {
            return Err(LockError::Missing {
                directory: directory.to_owned(),
            });
        }
        let file = open(directory).map_err(|error| {
            let remedy = owner::remedy(&error, directory);
            failed(format!("{error}{remedy}"))
        })?;
        let whole_file = libc::flock {
            l_type: short(libc::F_WRLCK),
            l_whence: short(libc::SEEK_SET),
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file)) {
            Ok(_) => Ok(Self {
                place: Place::of_open(&directory.join(LOCK_FILE), &file)
                    .map_err(|error| failed(error.to_string()))?,
                _file: file,
                directory: directory.to_owned(),
            }),
            Err(Errno::EAGAIN | Errno::EACCES) => Err(LockError::Held {
                directory: directory.to_owned(),
            }),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Where the lock's file is; another one there would let a second process in.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The locked directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

#[cfg(test)]
mod tests;
