//! Whose a file of the state directory is: a command run as root must not shut the proxy's user out.
//!
//! A new file belongs to the owner of its directory, a file written anew to whom it belonged, with the
//! same mode. Other users than root cannot give files away and need not. Files are changed by their
//! descriptor and never followed through a link, because the directory's owner may be hostile to root.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use super::calls;

/// Readable and writable by the owner alone.
const PRIVATE: u32 = 0o600;

/// Makes `path`, which must not exist, for the owner of `directory` alone.
///
/// # Errors
/// The failing call's error; [`io::ErrorKind::AlreadyExists`] if there is something, a link too.
pub fn create(path: &Path, directory: &Path) -> io::Result<File> {
    let file = calls::create_new(path, PRIVATE)?;
    give(&file, &std::fs::metadata(directory)?)?;
    Ok(file)
}

/// As [`create`], with the owner and the mode of `model`.
pub(super) fn create_like(path: &Path, directory: &Path, model: &Metadata) -> io::Result<File> {
    let file = create(path, directory)?;
    give(&file, model)?;
    file.set_permissions(Permissions::from_mode(model.mode() & 0o777))?;
    Ok(file)
}

/// Removes what a crash left at `path`.
pub(super) fn remove_leftover(path: &Path) -> io::Result<()> {
    match calls::remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn give(file: &File, to: &Metadata) -> io::Result<()> {
    let present = file.metadata()?;
    if (present.uid(), present.gid()) == (to.uid(), to.gid()) || !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    fchown(file, Some(to.uid()), Some(to.gid()))
}

/// What helps against `error`, to be added to its words; empty unless it is for want of rights.
pub(super) fn remedy(error: &io::Error, directory: &Path) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return String::new();
    }
    format!(
        "; this process runs as user {}, who may not: run it as the owner of {}, or give the directory \
         and the files in it to this user with chown",
        nix::unistd::geteuid(),
        directory.display()
    )
}

#[cfg(test)]
mod tests;
