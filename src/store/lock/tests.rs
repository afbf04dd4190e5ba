//! One holder of a state directory at a time, in one process or in two.

use super::*;

#[test]
fn a_second_holder_is_refused_in_the_same_process_too() {
    let folder = crate::fixture::folder();
    let first = DirectoryLock::acquire(folder.path()).unwrap();
    assert_eq!(first.directory(), folder.path());
    let second = DirectoryLock::acquire(folder.path());
    let error = second.unwrap_err();
    assert!(
        matches!(&error, LockError::Held { directory } if directory == folder.path()),
        "{error:?}"
    );
    assert!(error.to_string().contains("locked by another process"));
}

#[test]
fn the_directory_is_free_again_once_its_holder_is_gone() {
    let folder = crate::fixture::folder();
    for _ in 0..3 {
        drop(DirectoryLock::acquire(folder.path()).unwrap());
    }
}

#[test]
fn closing_another_descriptor_of_the_lock_file_does_not_free_the_directory() {
    let folder = crate::fixture::folder();
    let _first = DirectoryLock::acquire(folder.path()).unwrap();
    drop(File::open(folder.path().join(LOCK_FILE)).unwrap());
    let second = DirectoryLock::acquire(folder.path());
    assert!(matches!(second, Err(LockError::Held { .. })), "{second:?}");
}

#[test]
fn a_missing_directory_is_named_and_not_made() {
    let folder = crate::fixture::folder();
    let missing = folder.path().join("unmounted");
    let error = DirectoryLock::acquire(&missing).unwrap_err();
    assert!(matches!(error, LockError::Missing { .. }), "{error:?}");
    assert!(error.to_string().contains("watermark init"), "{error}");
    assert!(!missing.exists());
    std::fs::write(&missing, b"a file").unwrap();
    let error = DirectoryLock::acquire(&missing).unwrap_err();
    assert!(matches!(error, LockError::Missing { .. }), "{error:?}");
}

#[test]
fn a_lock_that_cannot_be_taken_is_never_gone_without() {
    let folder = crate::fixture::folder();
    std::fs::create_dir(folder.path().join(LOCK_FILE)).unwrap();
    let error = DirectoryLock::acquire(folder.path()).unwrap_err();
    assert!(matches!(error, LockError::Failed { .. }), "{error:?}");
}
