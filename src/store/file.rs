//! Whole files written so that a power cut leaves the old or the new one.

use std::io;
use std::path::Path;

use super::{calls, owner};

/// Replaces `path` by `bytes`: temporary file beside it, sync, rename, sync of the directory.
/// Keeps the owner and the mode of the old file; a new one is for the owner of the directory alone.
/// Blocking; returns after the new content is durable.
///
/// # Errors
/// The failing call's error; the old file then still stands.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path
        .parent()
        .ok_or_else(|| io::Error::other("path without a directory"))?;
    let mut name = path
        .file_name()
        .ok_or_else(|| io::Error::other("path without a name"))?
        .to_owned();
    name.push(".new");
    let temporary = directory.join(name);
    owner::remove_leftover(&temporary)?;
    let mut file = match std::fs::metadata(path) {
        Ok(old) => owner::create_like(&temporary, directory, &old)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            owner::create(&temporary, directory)?
        }
        Err(error) => return Err(error),
    };
    calls::write(&mut file, bytes)?;
    calls::sync(&file)?;
    calls::rename(&temporary, path)?;
    calls::sync_directory(directory)
}

/// Writes `path` anew from its own content and syncs file and directory.
///
/// What a killed process or a failed sync left may live in the page cache only: a read shows it, and
/// a later sync may report success without writing it. A fresh copy is written whole, so what is read
/// after this is on the disk.
///
/// # Errors
/// The failing call's error; the old file then still stands.
pub(super) fn rewrite(path: &Path) -> io::Result<()> {
    let bytes = std::fs::read(path)?;
    write_durably(path, &bytes)
}

#[cfg(test)]
mod tests;
