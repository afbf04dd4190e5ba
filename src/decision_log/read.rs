//! Reads the whole log, oldest line first, and verifies its chain. Takes no lock: the proxy may run.

use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::tezos::Digest;

use super::chain::{Line, Walk};
use super::entry::{Entry, Event};
use super::files;
use super::lines::follow;

/// Damages that are listed one by one.
const LISTED: usize = 20;

/// A line whose bytes are those that were written.
#[derive(Debug)]
pub struct Told<'a> {
    /// The line as it stands, without its end.
    pub text: &'a str,
    /// What it says; absent if a newer version wrote it.
    pub entry: Option<&'a Entry>,
}

/// A place where the log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Break {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.what)
    }
}

/// What was found in the log as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files that were read.
    pub files: usize,
    /// Whole lines.
    pub entries: u64,
    /// Time of the oldest and of the newest.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Number and hash of the last line, if it is whole.
    pub head: Option<(u64, Digest)>,
    /// Entries that the log itself says are missing; not those that it only counts, by their code.
    pub missing: u64,
    /// Bytes of a line that is being written, or that a crash tore.
    pub unfinished: u64,
    /// Where the chain is broken, oldest first, at most twenty.
    pub breaks: Vec<Break>,
    /// How many there are.
    pub broken: u64,
}

impl Summary {
    fn note_break(&mut self, file: &Path, line: u64, what: String) {
        self.broken = self.broken.saturating_add(1);
        if self.breaks.len() < LISTED {
            let file = file.to_owned();
            self.breaks.push(Break { file, line, what });
        }
    }

    fn note_line(&mut self, line: &Line) {
        self.entries = self.entries.saturating_add(1);
        let Some(entry) = &line.entry else { return };
        let first = self.times.map_or(entry.at, |(first, _)| first);
        self.times = Some((first, entry.at));
        if entry.event == Event::Gap && entry.code.is_none() {
            let missing = entry.count.unwrap_or(0);
            self.missing = self.missing.saturating_add(missing);
        }
    }
}

/// Reads every line of the log in the state directory and shows the whole ones to `visit`. Total: whatever
/// the files hold, damages are in the summary and not errors. Blocking.
///
/// # Errors
/// A file or the directory cannot be read.
pub fn read(directory: &Path, mut visit: impl FnMut(Told<'_>)) -> io::Result<Summary> {
    let files = files::all(directory)?;
    let (mut walk, mut summary) = (Walk::default(), Summary::default());
    let newest = files.len().checked_sub(1);
    for (index, (age, file)) in files.into_iter().enumerate() {
        let path = files::path(directory, age);
        let end = follow(BufReader::new(file), &mut walk, |found| {
            if let Some(what) = found.wrong {
                summary.note_break(&path, found.number, what);
            }
            let Ok(line) = found.line else { return };
            summary.note_line(line);
            // What serde has read is text.
            let text = std::str::from_utf8(found.bytes).unwrap_or_default();
            let entry = line.entry.as_ref();
            visit(Told { text, entry });
        })?;
        summary.files = summary.files.saturating_add(1);
        if end.unfinished > 0 {
            if Some(index) == newest {
                summary.unfinished = end.unfinished;
            } else {
                let what = format!("{} bytes at the end are no line", end.unfinished);
                summary.note_break(&path, end.lines.saturating_add(1), what);
            }
        }
    }
    summary.head = walk.last().map(|last| (last.seq, last.hash));
    Ok(summary)
}
