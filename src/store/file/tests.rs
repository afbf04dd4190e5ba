//! Whole files or none, readable by their owner alone.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_written_file_replaces_the_old_one_and_leaves_nothing_beside_it() {
    let folder = crate::fixture::folder();
    let path = folder.path().join("metadata.json");
    for content in ["one", "", "a longer one"] {
        write_durably(&path, content.as_bytes()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        assert_eq!(names(folder.path()), ["metadata.json"]);
    }
}

#[test]
fn files_are_readable_by_their_owner_alone() {
    let folder = crate::fixture::folder();
    let path = folder.path().join("metadata.json");
    write_durably(&path, b"x").unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_failure_leaves_the_old_file_standing() {
    let folder = crate::fixture::folder();
    let path = folder.path().join("metadata.json");
    write_durably(&path, b"old").unwrap();
    // A folder in the place of the temporary file makes the write fail, for root too.
    std::fs::create_dir(folder.path().join("metadata.json.new")).unwrap();
    assert!(write_durably(&path, b"new").is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
}

#[test]
fn leftovers_of_a_crash_are_written_over() {
    let folder = crate::fixture::folder();
    let path = folder.path().join("metadata.json");
    std::fs::write(folder.path().join("metadata.json.new"), "torn and long").unwrap();
    write_durably(&path, b"new").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
    assert_eq!(names(folder.path()), ["metadata.json"]);
}

#[test]
fn a_missing_directory_is_an_error_and_is_not_made() {
    let folder = crate::fixture::folder();
    let path = folder.path().join("unmounted").join("metadata.json");
    assert!(write_durably(&path, b"x").is_err());
    assert!(names(folder.path()).is_empty());
}

#[test]
fn what_cannot_be_looked_at_is_not_taken_for_absent() {
    let folder = crate::fixture::folder();
    let path = folder.path().join("metadata.json");
    std::os::unix::fs::symlink(&path, &path).unwrap();
    assert!(write_durably(&path, b"new").is_err());
    assert!(std::fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(names(folder.path()), ["metadata.json"]);
}

#[test]
fn rewriting_keeps_the_content_in_a_new_file() {
    use std::os::unix::fs::MetadataExt as _;

    let folder = crate::fixture::folder();
    let path = folder.path().join("watermarks.redb");
    std::fs::write(&path, b"floors").unwrap();
    let before = std::fs::File::open(&path).unwrap();
    rewrite(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"floors");
    // The old file is still open, so its number cannot have been given away again.
    let numbers = [
        before.metadata().unwrap().ino(),
        std::fs::metadata(&path).unwrap().ino(),
    ];
    assert_ne!(numbers[0], numbers[1]);
    assert!(rewrite(&folder.path().join("absent")).is_err());
}
