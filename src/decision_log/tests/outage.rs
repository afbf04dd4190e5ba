//! Disks that are full, broken or gone, and what is written when they are well again.

use super::*;

/// An appender over a disk with switches, with the levels 0 and 1 written.
fn over(disk: &Sick, directory: &Path) -> Appender {
    let mut log = Appender::new(directory, limits(1 << 20, 8), Box::new(disk.clone()));
    log.append(&mut entries(0..2)).unwrap();
    log
}

#[test]
fn what_a_full_disk_cut_short_is_written_whole_when_there_is_room_again() {
    for room in [0, 1, 200, ONE, 2 * ONE] {
        for bad_cuts in 0..3 {
            let folder = crate::fixture::folder();
            let disk = Sick::well();
            let mut log = over(&disk, folder.path());
            disk.room.store(room, Ordering::SeqCst);
            disk.bad_cuts.store(bad_cuts, Ordering::SeqCst);
            let mut waiting = entries(2..5);
            let mut tries = 0;
            while let Err(cause) = log.append(&mut waiting) {
                assert!(cause.contains("decisions.log"), "{cause}");
                assert_eq!(waiting.len(), 3, "nothing is given up");
                tries += 1;
                if tries > bad_cuts {
                    disk.room.store(u64::MAX, Ordering::SeqCst);
                }
            }
            assert!(tries > 0);
            assert!(waiting.is_empty());
            assert_eq!(levels(&whole(folder.path())), [0, 1, 2, 3, 4]);
        }
    }
}

#[test]
fn a_process_that_ends_while_the_disk_is_full_leaves_a_log_that_can_be_gone_on_with() {
    let folder = crate::fixture::folder();
    let disk = Sick::well();
    let mut log = over(&disk, folder.path());
    disk.room.store(500, Ordering::SeqCst);
    disk.bad_cuts.store(1, Ordering::SeqCst);
    log.append(&mut entries(2..5)).unwrap_err();
    drop(log);
    let mut next = appender(folder.path(), limits(1 << 20, 8));
    next.append(&mut entries(7..8)).unwrap();
    let kept = levels(&whole(folder.path()));
    assert!(
        kept.starts_with(&[0, 1]) && kept.ends_with(&[7]),
        "{kept:?}"
    );
}

#[test]
fn the_last_of_the_space_is_left_to_the_watermarks() {
    let folder = crate::fixture::folder();
    let greedy = Limits {
        reserve: u64::MAX,
        ..Limits::DEFAULT
    };
    let mut log = appender(folder.path(), greedy);
    let cause = log.append(&mut entries(0..1)).unwrap_err();
    assert!(cause.contains("make room"), "{cause}");
    assert_eq!(files::ages(folder.path()).unwrap(), [0_u32; 0]);
}

#[test]
fn a_file_that_was_removed_or_replaced_is_noticed_and_the_chain_goes_on_in_a_new_one() {
    let folder = crate::fixture::folder();
    let mut log = appender(folder.path(), limits(1 << 20, 8));
    log.append(&mut entries(0..2)).unwrap();
    std::fs::remove_file(log_file(folder.path())).unwrap();
    log.append(&mut entries(2..3)).unwrap();
    let entries_now = whole(folder.path());
    assert_eq!(events(&entries_now), [Event::Gap, Event::Claimed]);
    assert_eq!(entries_now[0].count, Some(2));
    let reason = entries_now[0].reason.as_deref().unwrap();
    assert!(reason.contains("was removed or replaced"), "{reason}");

    std::fs::remove_file(log_file(folder.path())).unwrap();
    std::fs::write(log_file(folder.path()), "somebody else's\n").unwrap();
    log.append(&mut entries(3..4)).unwrap();
    let (entries, summary) = told(folder.path());
    assert_eq!(events(&entries), [Event::Gap, Event::Claimed]);
    // What stood there is kept beside, and is a place where the log is damaged.
    assert_eq!(summary.breaks[0].file, files::path(folder.path(), 1));
}

#[test]
fn a_rotation_that_fails_loses_nothing() {
    let folder = crate::fixture::folder();
    let mut log = appender(folder.path(), limits(3 * ONE, 3));
    log.append(&mut entries(0..1)).unwrap();
    // A folder with something in it can neither be replaced by a file nor removed.
    let obstacle = files::path(folder.path(), 1);
    std::fs::create_dir_all(obstacle.join("x")).unwrap();
    std::fs::create_dir_all(files::path(folder.path(), 2).join("x")).unwrap();
    let mut waiting = entries(1..8);
    log.append(&mut waiting).unwrap_err();
    assert!(!waiting.is_empty());
    for age in [1, 2] {
        std::fs::remove_dir_all(files::path(folder.path(), age)).unwrap();
    }
    log.append(&mut waiting).unwrap();
    let kept = levels(&whole(folder.path()));
    assert_eq!(kept.last(), Some(&7));
    assert!(kept.windows(2).all(|two| two[0] + 1 == two[1]), "{kept:?}");
}

/// A running log over a disk with switches.
fn running(directory: &Path, disk: &Sick) -> (DecisionLog, Metrics) {
    let metrics = Metrics::new();
    let (log, ended) = DecisionLog::unwritten(&metrics);
    let appender = Appender::new(directory, limits(1 << 20, 8), Box::new(disk.clone()));
    let pace = Pace {
        sync: Duration::from_millis(5),
        retry: Duration::from_millis(5),
    };
    let writer = Writer::new(Arc::clone(&log.queue), appender, log.health.clone(), pace);
    std::thread::spawn(move || {
        writer.run();
        drop(ended);
    });
    (log, metrics)
}

/// Looks until `seen`; the writer is a thread of its own.
fn until(what: &str, seen: impl Fn() -> bool) {
    let begun = tokio::time::Instant::now();
    while !seen() {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "waited in vain for {what}"
        );
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_running_log_writes_everything_in_order_between_its_start_and_its_end() {
    let folder = crate::fixture::folder();
    let (log, metrics) = running(folder.path(), &Sick::well());
    for level in 0..50 {
        log.note(entry(level));
    }
    log.close().await;
    let entries = whole(folder.path());
    assert_eq!(levels(&entries), (0..50).collect::<Vec<_>>());
    let events = events(&entries);
    assert_eq!((events[0], events[51]), (Event::Started, Event::Ended));
    assert_eq!(metrics.decision_log_failures.get(), 0);
    assert_eq!(log.trouble(), None);
}

#[tokio::test]
async fn a_disk_that_is_full_for_a_while_is_said_once_and_what_waited_is_written_after() {
    let folder = crate::fixture::folder();
    let disk = Sick::default();
    let (log, metrics) = running(folder.path(), &disk);
    until("trouble", || log.trouble().is_some());
    let trouble = log.trouble().unwrap();
    assert!(trouble.contains("cannot write"), "{trouble}");
    for level in 0..50 {
        log.note(entry(level));
    }
    until("a second try", || metrics.decision_log_failures.get() > 1);
    disk.room.store(u64::MAX, Ordering::SeqCst);
    until("the end of the trouble", || log.trouble().is_none());
    log.close().await;
    let entries = whole(folder.path());
    assert_eq!(levels(&entries), (0..50).collect::<Vec<_>>());
    assert_eq!(metrics.decision_log_dropped.get(), 0);
}

#[tokio::test]
async fn a_sync_that_failed_is_in_the_log_itself() {
    let folder = crate::fixture::folder();
    let disk = Sick::well();
    disk.bad_syncs.store(1, Ordering::SeqCst);
    let (log, metrics) = running(folder.path(), &disk);
    log.note(entry(1));
    until("trouble", || metrics.decision_log_failures.get() == 1);
    until("the end of the trouble", || log.trouble().is_none());
    log.close().await;
    let entries = whole(folder.path());
    let gap = entries
        .iter()
        .find(|entry| entry.event == Event::Gap)
        .unwrap();
    let reason = gap.reason.as_deref().unwrap();
    assert!(reason.contains("may be lost by a power cut"), "{reason}");
}

#[tokio::test]
async fn a_folder_in_the_place_of_the_file_is_trouble_and_nothing_else() {
    let folder = crate::fixture::folder();
    std::fs::create_dir(log_file(folder.path())).unwrap();
    let log = DecisionLog::start(folder.path(), &Metrics::new());
    until("trouble", || log.trouble().is_some());
    log.note(entry(1));
    log.close().await;
    assert!(log_file(folder.path()).is_dir());
}

#[test]
fn the_end_of_the_chain_is_known_once_something_is_written() {
    let folder = crate::fixture::folder();
    let mut log = appender(folder.path(), limits(1 << 20, 8));
    assert_eq!(log.tail(), None);
    log.append(&mut entries(0..2)).unwrap();
    let (_, summary) = told(folder.path());
    let (seq, hash): (u64, Digest) = summary.head.unwrap();
    let tail = Tail {
        seq: seq + 1,
        prev: hash,
    };
    assert_eq!(log.tail(), Some(tail));
}
