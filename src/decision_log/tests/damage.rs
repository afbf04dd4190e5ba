//! A log that somebody or something changed.

use super::*;

#[test]
fn a_changed_byte_anywhere_is_found_out_with_its_file_and_line() {
    let folder = written(0..5, limits(3 * ONE, 8));
    let files = files::ages(folder.path()).unwrap();
    assert!(files.len() > 2, "{files:?}");
    let mut changes = 0;
    for age in files {
        let path = files::path(folder.path(), age);
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x20;
            std::fs::write(&path, &bad).unwrap();
            let (_, summary) = told(folder.path());
            let first = summary.breaks.first();
            let first = first.unwrap_or_else(|| panic!("byte {at} of {}", path.display()));
            let line = good[..at].split(|byte| *byte == b'\n').count();
            assert_eq!((&first.file, first.line), (&path, line as u64), "byte {at}");
            changes += 1;
        }
        std::fs::write(&path, &good).unwrap();
    }
    assert!(changes > 1_500);
    assert_eq!(levels(&whole(folder.path())).len(), 5);
}

#[test]
fn a_line_that_was_removed_is_found_out_at_the_next() {
    let folder = written(0..6, limits(1 << 20, 8));
    let path = log_file(folder.path());
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    for removed in 1..5 {
        let mut rest = lines.clone();
        rest.remove(removed);
        std::fs::write(&path, rest.join("\n") + "\n").unwrap();
        let (_, summary) = told(folder.path());
        assert_eq!(summary.broken, 1);
        let found = &summary.breaks[0];
        assert_eq!(found.line, removed as u64 + 1);
        let sentence = format!(
            "entry {} does not follow entry {}",
            removed + 1,
            removed - 1
        );
        assert!(found.what.contains(&sentence), "{found}");
    }
}

#[test]
fn an_older_file_that_is_missing_or_cut_is_found_out() {
    let folder = written(0..12, limits(3 * ONE, 20));
    let middle = files::path(folder.path(), 2);
    let good = std::fs::read(&middle).unwrap();
    std::fs::remove_file(&middle).unwrap();
    let (_, summary) = told(folder.path());
    assert_eq!(summary.broken, 1);
    assert_eq!(summary.breaks[0].file, files::path(folder.path(), 1));
    assert_eq!(summary.breaks[0].line, 1);

    std::fs::write(&middle, &good[..good.len() - 5]).unwrap();
    let (_, summary) = told(folder.path());
    assert_eq!(summary.breaks[0].file, middle);
    assert!(summary.breaks[0].what.contains("are no line"));
    assert_eq!(summary.unfinished, 0);
}

#[test]
fn whatever_the_files_hold_they_are_read_to_the_end() {
    let folder = written(0..3, limits(1 << 20, 8));
    let path = log_file(folder.path());
    let good = std::fs::read(&path).unwrap();
    let long = [&vec![b'x'; 100_000][..], b"\n"].concat();
    for junk in [&b"\n\n\n"[..], b"\xff\xfe\n", b"{}\nnull\n[[[[\n", &long] {
        std::fs::write(&path, [junk, &good].concat()).unwrap();
        let (entries, summary) = told(folder.path());
        assert_eq!(levels(&entries), [0, 1, 2]);
        assert!(summary.broken > 0);
        assert_eq!(summary.breaks[0].line, 1);
    }
}

#[test]
fn damages_are_all_counted_and_the_first_ones_listed() {
    let folder = written(0..1, limits(1 << 20, 8));
    std::fs::write(log_file(folder.path()), "x\n".repeat(5_000)).unwrap();
    let (_, summary) = told(folder.path());
    assert_eq!((summary.broken, summary.breaks.len()), (5_000, 20));
}

#[test]
fn what_is_no_file_of_the_log_is_not_read() {
    let folder = written(0..3, limits(1 << 20, 8));
    for name in [
        "decisions.log.01",
        "decisions.log.bak",
        "decisions.log.",
        "decisions.logs",
    ] {
        std::fs::write(folder.path().join(name), "junk\n").unwrap();
    }
    assert_eq!(levels(&whole(folder.path())), [0, 1, 2]);
    // Neither are links and pipes, and nobody waits for one.
    let link = files::path(folder.path(), 1);
    std::os::unix::fs::symlink(log_file(folder.path()), &link).unwrap();
    assert!(read(folder.path(), |_| ()).is_err());
}
