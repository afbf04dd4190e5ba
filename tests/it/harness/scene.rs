//! The folders of one test, and the turn of tests that measure.

use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Folders that end with the test.
#[derive(Debug)]
pub(crate) struct Scene {
    // On the disk that the build uses: on a memory file system a missing sync would go unnoticed.
    files: TempDir,
    // A socket's path holds hardly more than a hundred bytes, and builds lie in deep folders.
    sockets: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
        std::fs::create_dir_all(base).unwrap();
        Self {
            files: tempfile::Builder::new()
                .prefix("it-")
                .tempdir_in(base)
                .unwrap(),
            sockets: tempfile::Builder::new().prefix("it-").tempdir().unwrap(),
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        self.sockets.path().join(name)
    }
}

/// Held by a test while it counts answers under load; one at a time over all processes.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "the lock ends with the file")] File);

/// Waits for the turn to measure.
pub(crate) async fn turn() -> Turn {
    let lock = || {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("it.turn");
        let file = File::create(path)?;
        file.lock()?;
        Ok::<_, std::io::Error>(Turn(file))
    };
    tokio::task::spawn_blocking(lock).await.unwrap().unwrap()
}
