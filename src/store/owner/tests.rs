//! Files keep their owner and mode whoever writes them. Only root can give files away, so the tests of
//! owners say something where they run as root, and hold trivially elsewhere.

use std::os::unix::fs::{chown, symlink};
use std::path::PathBuf;

use crate::fixture::second;
use crate::store::{DirectoryLock, EmbeddedStore, write_durably};

use super::*;

/// A user that is not root and needs no name.
const OTHER: u32 = 65_534;

/// The user that a file for [`OTHER`] ends up with: the tests' own, unless they run as root.
fn expected() -> u32 {
    let own = nix::unistd::geteuid();
    if own.is_root() { OTHER } else { own.as_raw() }
}

/// A folder that belongs to [`OTHER`], if it can be given away.
fn folder_of_other() -> tempfile::TempDir {
    let folder = crate::fixture::folder();
    give_away(folder.path());
    folder
}

fn give_away(path: &Path) {
    if nix::unistd::geteuid().is_root() {
        chown(path, Some(OTHER), Some(OTHER)).unwrap();
    }
}

/// User and mode of each file in a folder.
fn files(folder: &tempfile::TempDir) -> Vec<(PathBuf, u32, u32)> {
    let mut files: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let metadata = std::fs::metadata(&path).unwrap();
            let name = PathBuf::from(path.file_name().unwrap());
            (name, metadata.uid(), metadata.mode() & 0o777)
        })
        .collect();
    files.sort();
    files
}

async fn make_store(folder: &tempfile::TempDir) {
    let lock = DirectoryLock::acquire(folder.path()).unwrap();
    let store = EmbeddedStore::open(lock, None, |_| ());
    let floor = crate::fixture::raise(
        crate::tezos::ConsensusKind::Block,
        crate::fixture::at(100, 0),
    );
    crate::guard::WatermarkStore::raise(&store, vec![floor], second(1_000))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_root_makes_in_the_directory_of_another_user_is_that_users() {
    let folder = folder_of_other();
    make_store(&folder).await;
    write_durably(&folder.path().join("metadata.json"), b"{}").unwrap();
    let names = ["lock", "metadata.json", "watermarks.redb"];
    let theirs = names.map(|name| (PathBuf::from(name), expected(), 0o600));
    assert_eq!(files(&folder), theirs);
}

#[tokio::test]
async fn opening_a_store_changes_neither_its_owner_nor_its_mode() {
    let folder = crate::fixture::folder();
    make_store(&folder).await;
    let path = folder.path().join("watermarks.redb");
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    for name in ["lock", "watermarks.redb"] {
        give_away(&folder.path().join(name));
    }
    let before = files(&folder);
    let lock = DirectoryLock::acquire(folder.path()).unwrap();
    drop(EmbeddedStore::open(lock, None, |_| ()));
    assert_eq!(files(&folder), before);
    assert_eq!(before[1].1, expected());
    assert_eq!(before[1].2, 0o640);
}

#[test]
fn a_file_written_anew_keeps_its_owner_and_mode() {
    let folder = crate::fixture::folder();
    let path = folder.path().join("drains.json");
    std::fs::write(&path, b"{}").unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    give_away(&path);
    write_durably(&path, b"new").unwrap();
    assert_eq!(files(&folder), [("drains.json".into(), expected(), 0o644)]);
}

#[test]
fn a_link_in_the_place_of_a_new_file_is_not_followed() {
    let folder = folder_of_other();
    let (victim, path) = (folder.path().join("victim"), folder.path().join("a.json"));
    std::fs::write(&victim, b"keep").unwrap();
    let owner = std::fs::metadata(&victim).unwrap().uid();
    symlink(&victim, folder.path().join("a.json.new")).unwrap();
    write_durably(&path, b"new").unwrap();
    assert_eq!(std::fs::read(&victim).unwrap(), b"keep");
    assert_eq!(std::fs::metadata(&victim).unwrap().uid(), owner);
    assert!(!std::fs::symlink_metadata(&path).unwrap().is_symlink());
    let refused = create(&folder.path().join("victim"), folder.path()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
}

#[test]
fn want_of_rights_has_its_own_remedy_and_other_errors_have_none() {
    let folder = Path::new("/var/lib/signer-proxy");
    let denied = remedy(&io::ErrorKind::PermissionDenied.into(), folder);
    assert!(denied.contains("chown"), "{denied}");
    assert!(denied.contains("/var/lib/signer-proxy"), "{denied}");
    assert_eq!(remedy(&io::ErrorKind::InvalidData.into(), folder), "");
}

#[test]
fn what_cannot_be_removed_is_an_error_and_what_is_not_there_is_none() {
    let folder = crate::fixture::folder();
    let leftover = folder.path().join("leftover");
    remove_leftover(&leftover).unwrap();
    std::fs::write(&leftover, "x").unwrap();
    remove_leftover(&leftover).unwrap();
    assert!(!leftover.exists());
    std::fs::create_dir(&leftover).unwrap();
    remove_leftover(&leftover).unwrap_err();
}
