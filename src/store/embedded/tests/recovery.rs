//! What meets a store that comes back from a full disk: only want of space is waited out.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fixture::{ask, at, second};
use crate::store::calls::journal::{self, set_fault};

use super::*;

/// Lets the store try to come back, and waits until it has tried.
async fn try_to_come_back(store: &EmbeddedStore) {
    store.try_recover();
    // The committer does one thing after the other.
    let queue = read(&store.shared.queue).clone().unwrap();
    let (reply, answer) = oneshot::channel();
    let operation = Operation::Amend(Vec::new(), second(1_000), reply);
    queue.send(operation).await.ok().unwrap();
    drop(answer.await);
}

/// A store in a folder whose disk was full a moment ago.
async fn out_of_space(folder: &tempfile::TempDir) -> EmbeddedStore {
    let store = open(folder);
    raise_all(&store).await;
    store.shared.health.fall_ill("full".to_owned(), Cure::Space);
    store
}

fn reason(store: &EmbeddedStore) -> String {
    let report = store.report();
    assert_eq!(report.condition, Condition::Refusing, "{report:?}");
    report.reason.unwrap()
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_anew_for_another_reason_than_space_says_which_and_stays_refused()
 {
    type Breaks = fn(&Path);
    let ways: [(Breaks, &str); 3] = [
        (
            |path| std::fs::write(path, "no store").unwrap(),
            "cannot be used",
        ),
        (
            |path| {
                let other = crate::fixture::folder();
                block_on_another_thread(raise_in(other.path().to_owned()));
                std::fs::copy(other.path().join(STORE_FILE), path).unwrap();
            },
            "was replaced by another one",
        ),
        (
            |path| {
                // A real EIO: there is nothing at the beginning of the memory of a process.
                std::fs::remove_file(path).unwrap();
                std::os::unix::fs::symlink("/proc/self/mem", path).unwrap();
            },
            "mend the disk and restart",
        ),
    ];
    for (breaks, said) in ways {
        let folder = crate::fixture::folder();
        let store = out_of_space(&folder).await;
        let path = folder.path().join(STORE_FILE);
        let aside = folder.path().join("aside");
        std::fs::copy(&path, &aside).unwrap();
        breaks(&path);
        for _ in 0..2 {
            try_to_come_back(&store).await;
            let reason = reason(&store);
            assert!(reason.contains(said), "{said}: {reason}");
            // It is not opened again, whatever is there now.
            std::fs::rename(&aside, &path).ok();
        }
        let cure = store.shared.health.ailment().unwrap().cure;
        assert_eq!(cure, Cure::Restart);
    }
}

async fn raise_in(directory: std::path::PathBuf) {
    let lock = DirectoryLock::acquire(&directory).unwrap();
    raise_all(&EmbeddedStore::open(lock, None, |_| ())).await;
}

/// Within a runtime no other one can be waited for.
fn block_on_another_thread(future: impl Future<Output = ()> + Send + 'static) {
    std::thread::spawn(|| block_on(future)).join().unwrap();
}

#[tokio::test]
async fn a_store_that_is_away_when_there_is_space_again_is_waited_for() {
    let folder = crate::fixture::folder();
    let store = out_of_space(&folder).await;
    let path = folder.path().join(STORE_FILE);
    let aside = folder.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    try_to_come_back(&store).await;
    assert_eq!(reason(&store), "full");
    std::fs::rename(&aside, &path).unwrap();
    try_to_come_back(&store).await;
    assert_eq!(store.report().condition, Condition::Ready);
    let claimed = store.claim(ask(at(101, 0), 1), second(1_000)).await;
    assert_eq!(claimed, Ok(Answer::Permit));
}

/// What a store says that fails its first sync on the way back with this number of the system, how often it was
/// opened anew in three tries, and whether it signs in the end.
async fn sync_fails_on_the_way_back(number: i32) -> (String, usize, bool) {
    let folder = crate::fixture::folder();
    drop(out_of_space(&folder).await);
    let (path, opened) = (
        folder.path().join(STORE_FILE),
        Arc::new(AtomicUsize::new(0)),
    );
    let (directory, tries) = (folder.path().to_owned(), Arc::clone(&opened));
    let (device, other) = (device_with_store(), crate::fixture::folder());
    let store = open_over_with(&other, database_on(&device).unwrap(), move || {
        if tries.fetch_add(1, Ordering::SeqCst) == 0 {
            set_fault(journal::Fault::Sync(number));
        }
        let opened = disk::open_durably(&path, &directory);
        set_fault(journal::Fault::Nothing);
        opened
    });
    store.shared.health.fall_ill("full".to_owned(), Cure::Space);
    try_to_come_back(&store).await;
    let reason = reason(&store);
    for _ in 0..2 {
        try_to_come_back(&store).await;
    }
    let is_ready = store.report().condition == Condition::Ready;
    (reason, opened.load(Ordering::SeqCst), is_ready)
}

#[tokio::test]
async fn a_sync_that_fails_on_the_way_back_needs_a_restart_unless_it_failed_for_want_of_space() {
    let (reason, opened, is_ready) = sync_fails_on_the_way_back(nix::libc::EIO).await;
    assert!(reason.contains("mend the disk and restart"), "{reason}");
    assert_eq!((opened, is_ready), (1, false));
    let (reason, opened, is_ready) = sync_fails_on_the_way_back(nix::libc::ENOSPC).await;
    assert_eq!((reason.as_str(), opened, is_ready), ("full", 2, true));
}
