//! What a process finds when it opens the log.

use super::*;

fn started() -> VecDeque<Entry> {
    VecDeque::from([Entry::new(Event::Started).because("version 1")])
}

/// Opens the log of `directory` as a start does; gives the entry of the start.
fn start(directory: &Path) -> Entry {
    let mut log = appender(directory, limits(1 << 20, 8));
    log.append(&mut started()).unwrap();
    let (entries, _) = told(directory);
    let started = entries.into_iter().rev();
    let mut started = started.filter(|entry| entry.event == Event::Started);
    started.next().unwrap()
}

#[test]
fn the_first_start_begins_the_chain_and_the_next_goes_on() {
    let folder = crate::fixture::folder();
    for _ in 0..3 {
        let entry = start(folder.path());
        assert_eq!(
            (entry.count, entry.reason.as_deref()),
            (None, Some("version 1"))
        );
    }
    let (entries, summary) = told(folder.path());
    assert_eq!(events(&entries), [Event::Started; 3]);
    assert_eq!((summary.broken, summary.head.unwrap().0), (0, 2));
}

#[test]
fn a_torn_last_line_is_cut_off_and_the_start_says_how_many_bytes() {
    let folder = written(0..3, limits(1 << 20, 8));
    let path = log_file(folder.path());
    let good = std::fs::read(&path).unwrap();
    let last = good[..good.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    for length in [last + 1, last + 40, good.len() - 1] {
        std::fs::write(&path, &good[..length]).unwrap();
        let torn = u64::try_from(length - last).unwrap();
        let (_, summary) = told(folder.path());
        assert_eq!((summary.broken, summary.unfinished), (0, torn));
        let entry = start(folder.path());
        assert_eq!(entry.count, Some(torn));
        let reason = format!("version 1; {torn} bytes of a torn last line were cut off");
        assert_eq!(entry.reason, Some(reason));
        let entries = whole(folder.path());
        assert_eq!(levels(&entries), [0, 1], "and nothing else was cut");
    }
    // A power cut may leave zeros where a batch was to be, longer than any line.
    std::fs::write(&path, [good, vec![0; 50_000]].concat()).unwrap();
    assert_eq!(start(folder.path()).count, Some(50_000));
    assert_eq!(levels(&whole(folder.path())), [0, 1, 2]);
}

#[test]
fn a_damaged_file_is_put_aside_whole_and_a_new_chain_says_where_the_damage_is() {
    let folder = written(0..6, limits(1 << 20, 8));
    let path = log_file(folder.path());
    let mut bytes = std::fs::read(&path).unwrap();
    let third = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let third = third.map(|(at, _)| at).nth(1).unwrap() + 20;
    bytes[third] ^= 1;
    std::fs::write(&path, &bytes).unwrap();

    let entry = start(folder.path());
    let reason = entry.reason.unwrap();
    let place = "version 1; decisions.log, line 3: the line was changed";
    assert!(reason.starts_with(place), "{reason}");
    assert!(reason.ends_with("; a new chain begins"), "{reason}");
    let aside = files::path(folder.path(), 1);
    assert_eq!(std::fs::read(&aside).unwrap(), bytes);

    // Readers go on reporting both places, also after further starts.
    assert_eq!(start(folder.path()).reason.as_deref(), Some("version 1"));
    let (entries, summary) = told(folder.path());
    assert_eq!(levels(&entries), [0, 1, 3, 4, 5]);
    let places: Vec<_> = summary
        .breaks
        .iter()
        .map(|found| (&found.file, found.line))
        .collect();
    assert_eq!(places, [(&aside, 3), (&path, 1)]);
    assert!(summary.breaks[1].what.contains("a new chain begins here"));
    assert_eq!(summary.head.unwrap().0, 7, "numbers go on");
}

#[test]
fn a_command_appends_without_a_start_and_says_what_it_found() {
    let folder = crate::fixture::folder();
    append(folder.path(), vec![entry(5)]).unwrap();
    append(folder.path(), vec![entry(6)]).unwrap();
    let path = log_file(folder.path());
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, &good[..good.len() - 9]).unwrap();
    append(folder.path(), vec![entry(7)]).unwrap();
    let entries = whole(folder.path());
    assert_eq!(
        events(&entries),
        [Event::Claimed, Event::Gap, Event::Claimed]
    );
    assert_eq!(levels(&entries), [5, 7]);
    let reason = entries[1].reason.as_deref().unwrap();
    assert!(
        reason.contains("of a torn last line were cut off"),
        "{reason}"
    );
}
