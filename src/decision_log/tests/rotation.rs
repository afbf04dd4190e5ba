//! Many entries in files of bounded size and number.

use super::*;

#[test]
fn the_chain_verifies_across_files_and_from_the_oldest_kept_on() {
    let folder = crate::fixture::folder();
    let mut log = appender(folder.path(), limits(4 * ONE * 2, 3));
    for level in 0..60 {
        log.append(&mut entries(level..level + 1)).unwrap();
        let kept = levels(&whole(folder.path()));
        let first = kept[0];
        assert_eq!(kept, (first..=level).collect::<Vec<_>>());
        let ages = files::ages(folder.path()).unwrap();
        assert!(ages.len() <= 3, "{ages:?}");
        for age in ages {
            let file = std::fs::metadata(files::path(folder.path(), age)).unwrap();
            assert!(file.len() <= 4 * ONE * 2);
        }
    }
    assert!(levels(&whole(folder.path()))[0] > 0, "nothing was removed");
}

#[test]
fn the_first_line_of_a_file_names_the_hash_that_ends_the_file_before() {
    let folder = written(0..12, limits(3 * ONE, 20));
    let text = |age| std::fs::read_to_string(files::path(folder.path(), age)).unwrap();
    let mut seen = 0;
    for age in files::ages(folder.path()).unwrap().into_iter().skip(1) {
        let before = text(age);
        let last = parse(before.lines().last().unwrap().as_bytes()).unwrap();
        let after = text(age - 1);
        let first = parse(after.lines().next().unwrap().as_bytes()).unwrap();
        assert_eq!(first.link.prev, last.link.hash);
        assert_eq!(first.link.seq, last.link.seq + 1);
        seen += 1;
    }
    assert!(seen > 3);
}

#[test]
fn a_batch_larger_than_a_file_is_spread_over_files_and_an_entry_larger_than_one_has_its_own() {
    let folder = written(0..10, limits(1, 20));
    assert_eq!(files::ages(folder.path()).unwrap().len(), 10);
    assert_eq!(levels(&whole(folder.path())), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_crash_between_the_steps_of_a_rotation_leaves_a_chain_that_goes_on() {
    // Renamed, and the new file not made.
    let folder = written(0..4, limits(1 << 20, 8));
    std::fs::rename(log_file(folder.path()), files::path(folder.path(), 1)).unwrap();
    let mut log = appender(folder.path(), limits(1 << 20, 8));
    log.append(&mut entries(4..6)).unwrap();
    assert_eq!(levels(&whole(folder.path())), (0..6).collect::<Vec<_>>());
    // Made, and nothing written to it.
    let folder = written(0..4, limits(1 << 20, 8));
    std::fs::rename(log_file(folder.path()), files::path(folder.path(), 1)).unwrap();
    drop(files::create(folder.path()).unwrap());
    let mut log = appender(folder.path(), limits(1 << 20, 8));
    log.append(&mut entries(4..6)).unwrap();
    assert_eq!(levels(&whole(folder.path())), (0..6).collect::<Vec<_>>());
    // Some renamed and some not.
    let folder = written(0..12, limits(3 * ONE, 20));
    let ages = files::ages(folder.path()).unwrap();
    for age in ages.into_iter().rev().take(2) {
        let (from, to) = [age, age + 1]
            .map(|age| files::path(folder.path(), age))
            .into();
        std::fs::rename(from, to).unwrap();
    }
    let mut log = appender(folder.path(), limits(3 * ONE, 20));
    log.append(&mut entries(12..20)).unwrap();
    assert_eq!(levels(&whole(folder.path())), (0..20).collect::<Vec<_>>());
}

#[test]
fn files_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = written(0..6, limits(3 * ONE, 20));
    for age in files::ages(folder.path()).unwrap() {
        let metadata = std::fs::metadata(files::path(folder.path(), age)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_reader_beside_a_writer_that_rotates_finds_a_whole_chain_each_time() {
    let folder = crate::fixture::folder();
    let directory = folder.path().to_owned();
    let writer = std::thread::spawn(move || {
        let mut log = appender(&directory, limits(4 * ONE, 5));
        for level in 0..400 {
            log.append(&mut entries(level..level + 1)).unwrap();
        }
    });
    let mut reads = 0;
    while !writer.is_finished() || reads < 3 {
        let (entries, summary) = told(folder.path());
        assert_eq!(summary.breaks, []);
        let kept = levels(&entries);
        assert!(kept.windows(2).all(|two| two[0] + 1 == two[1]), "{kept:?}");
        reads += 1;
    }
    writer.join().unwrap();
}
