//! The files of the log: `decisions.log`, and older ones as `decisions.log.1` and so on.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::libc;

/// The file that is written to.
pub const NAME: &str = "decisions.log";

/// Looks at files that are being rotated before a reader gives up.
const GLANCES: u32 = 100;

/// The file of an age: 0 is written to, 1 is the one before.
pub(super) fn path(directory: &Path, age: u32) -> PathBuf {
    match age {
        0 => directory.join(NAME),
        _ => directory.join(format!("{NAME}.{age}")),
    }
}

/// Ages of all files that are there, newest first.
pub(super) fn ages(directory: &Path) -> io::Result<Vec<u32>> {
    let mut ages = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(NAME)) else {
            continue;
        };
        let number = || rest.strip_prefix('.')?.parse().ok();
        let age = if rest.is_empty() { Some(0) } else { number() };
        // Only names that we would give: not `decisions.log.01`.
        ages.extend(age.filter(|age| path(directory, *age).file_name() == Some(name.as_os_str())));
    }
    ages.sort_unstable();
    Ok(ages)
}

/// Device and number of a file: two names of one file have the same.
pub(super) type Place = (u64, u64);

pub(super) fn place_of(file: &File) -> io::Result<Place> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// The place of what `path` names, `None` if it names nothing.
pub(super) fn place_at(path: &Path) -> io::Result<Option<Place>> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens for reading and appending; links are not followed, because a command may run as root.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

/// Makes the file that is written to, for the owner of the directory, open for appending.
pub(super) fn create(directory: &Path) -> io::Result<File> {
    let path = path(directory, 0);
    drop(crate::store::create_file(&path, directory)?);
    open(&path)
}

/// Gives every file the next age, from the oldest on, and removes those that would be `limit` or older.
/// A crash leaves a gap among the ages, which readers do not mind.
pub(super) fn shift(directory: &Path, limit: u32) -> io::Result<()> {
    for age in ages(directory)?.into_iter().rev() {
        let (from, older) = (path(directory, age), age.saturating_add(1));
        if older >= limit {
            std::fs::remove_file(from)?;
        } else {
            std::fs::rename(from, path(directory, older))?;
        }
    }
    Ok(())
}

/// Makes the names durable.
pub(super) fn sync_names(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Bytes that an unprivileged user may still write on the volume.
pub(super) fn free(directory: &Path) -> io::Result<u64> {
    let volume = nix::sys::statvfs::statvfs(directory)?;
    Ok(volume
        .blocks_available()
        .saturating_mul(volume.fragment_size()))
}

/// All files for reading, oldest first, with their ages: as they are at one moment, though the proxy may
/// rotate them meanwhile.
pub(super) fn all(directory: &Path) -> io::Result<Vec<(u32, File)>> {
    for _ in 0..GLANCES {
        let Some((mut files, places)) = glance(directory)? else {
            continue;
        };
        let again: io::Result<Vec<_>> = files
            .iter()
            .map(|(age, _)| place_at(&path(directory, *age)))
            .collect();
        let still: Vec<_> = again?.into_iter().flatten().collect();
        if still == places && ages(directory)?.len() == files.len() {
            files.reverse();
            return Ok(files);
        }
    }
    Err(io::Error::other(
        "the files of the decision log do not stay in place long enough to be opened",
    ))
}

/// All files, newest first, and their places; `None` if one was renamed meanwhile.
#[expect(clippy::type_complexity, reason = "used once, right above")]
fn glance(directory: &Path) -> io::Result<Option<(Vec<(u32, File)>, Vec<Place>)>> {
    let (mut files, mut places) = (Vec::new(), Vec::new());
    for age in ages(directory)? {
        // Neither a link nor a pipe is ours.
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path(directory, age));
        match opened {
            Ok(file) => {
                places.push(place_of(&file)?);
                files.push((age, file));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some((files, places)))
}
