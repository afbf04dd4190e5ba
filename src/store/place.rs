//! Whether an open file still has its name.
//!
//! A store whose file was removed or replaced under the running process would go on committing to a file
//! that nobody will ever open again, so the place is looked at before each commit.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A file, by its name and by what the name stood for when it was opened.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl Place {
    /// What `path` stands for now.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }

    /// The open `file`, which was found at `path`.
    pub(super) fn of_open(path: &Path, file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            identity: (metadata.dev(), metadata.ino()),
        })
    }

    /// Whether both have the same name.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.path == other.path
    }

    /// Whether the name still stands for the file.
    ///
    /// # Errors
    /// What happened to it, and what to do.
    pub(super) fn check(&self) -> Result<(), String> {
        let path = self.path.display();
        match identity(&self.path) {
            Ok(present) if present == self.identity => Ok(()),
            Ok(_) => Err(format!(
                "{path} was replaced by another file while this process had it open; nothing is signed \
                 until the file is back, or until the process is restarted on the new one"
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
                "{path} was removed or moved while this process had it open; nothing is signed until it is \
                 back in its place"
            )),
            Err(error) => Err(format!("{path} cannot be looked at: {error}")),
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_moved_replaced_or_put_back_is_told_apart() {
        let folder = crate::fixture::folder();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("store"), "one").unwrap();
        let place = Place::of(&path("store")).unwrap();
        assert_eq!(place.check(), Ok(()));
        std::fs::write(path("store"), "more in the same file").unwrap();
        assert_eq!(place.check(), Ok(()));
        std::fs::rename(path("store"), path("aside")).unwrap();
        assert!(place.check().unwrap_err().contains("was removed or moved"));
        std::fs::write(path("store"), "another").unwrap();
        assert!(place.check().unwrap_err().contains("was replaced"));
        std::fs::rename(path("aside"), path("store")).unwrap();
        assert_eq!(place.check(), Ok(()));
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_said_to_be_removed() {
        let folder = crate::fixture::folder();
        let inside = folder.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("store"), "one").unwrap();
        let place = Place::of(&inside.join("store")).unwrap();
        std::fs::remove_dir_all(&inside).unwrap();
        std::fs::write(&inside, "no folder any more").unwrap();
        let words = place.check().unwrap_err();
        assert!(words.contains("cannot be looked at"), "{words}");
    }
}
