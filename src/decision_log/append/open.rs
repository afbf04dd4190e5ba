//! Finds the place to go on from: the end of the chain that an earlier process or this one left.
//!
//! Whatever is found is kept: a torn last line is cut off, which is said; a damaged file is put aside whole,
//! and a new chain begins that says where the damage is.

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;

use super::super::chain::{Walk, nothing};
use super::super::entry::{Entry, Event, clean};
use super::super::files::{self, Place};
use super::super::lines::{FileEnd, follow};
use super::{Appender, Open, Tail, cannot};

impl Appender {
    /// Notices that the file was removed or replaced from outside: the chain goes on in a new one, which
    /// says so.
    pub(super) fn notice_removal(&mut self, entries: &mut VecDeque<Entry>) -> Result<(), String> {
        let (Some(open), Some(tail)) = (&self.open, self.tail) else {
            return Ok(());
        };
        let path = self.path();
        let present = files::place_at(&path).map_err(|e| cannot("look at", &path, &e))?;
        if present == Some(open.place) {
            return Ok(());
        }
        let lost = tail.seq.saturating_sub(open.first);
        let what = format!("{} was removed or replaced while in use", path.display());
        tracing::warn!(file = %path.display(), entries = lost, "decision log file vanished");
        entries.push_front(Entry::gap(Some(lost), &what));
        self.open = None;
        Ok(())
    }

    /// Opens the file to write to. What was found is said once, by the first of `entries`.
    pub(super) fn open(&mut self, entries: &mut VecDeque<Entry>) -> Result<(Open, Tail), String> {
        let path = self.path();
        let present = files::place_at(&path).map_err(|e| cannot("look at", &path, &e))?;
        let tail = match (present, self.tail) {
            (None, Some(tail)) => tail,
            (None, None) => self.last_tail()?,
            // Not the one that we wrote to: kept beside, for whoever looks.
            (Some(_), Some(tail)) => {
                self.shift()?;
                tail
            }
            (Some(place), None) => match self.take_up(place, entries)? {
                (Some(open), tail) => {
                    self.tail = Some(tail);
                    return Ok((open, tail));
                }
                (None, tail) => tail,
            },
        };
        // Known before the file is there, so that the next try goes on from here too.
        self.tail = Some(tail);
        Ok((self.create(tail)?, tail))
    }

    /// Finds the end of the chain in the file that an earlier process left, to go on there. A damaged file
    /// is put aside, and there is none to go on in.
    fn take_up(
        &self,
        place: Place,
        entries: &mut VecDeque<Entry>,
    ) -> Result<(Option<Open>, Tail), String> {
        let path = self.path();
        let file = files::open(&path).map_err(|e| cannot("open", &path, &e))?;
        let (mut walk, mut wrong) = (Walk::default(), None);
        let end = follow(BufReader::new(&file), &mut walk, |found| {
            let name = files::NAME;
            let what = found
                .wrong
                .map(|what| format!("{name}, line {}: {what}", found.number));
            wrong = wrong.take().or(what);
        });
        let end: FileEnd = end.map_err(|e| cannot("read", &path, &e))?;
        if let Some(wrong) = wrong {
            self.shift()?;
            tracing::warn!(file = %path.display(), wrong, "decision log is damaged");
            say(entries, None, &format!("{wrong}; a new chain begins"));
            let tail = Tail {
                seq: walk.next(),
                prev: nothing(),
            };
            return Ok((None, tail));
        }
        let tail = match walk.last() {
            Some(last) => Tail {
                seq: walk.next(),
                prev: last.hash,
            },
            None => self.last_tail()?,
        };
        if end.unfinished > 0 {
            let cut = file.set_len(end.length);
            cut.map_err(|e| cannot("cut", &path, &e))?;
            let what = format!("{} bytes of a torn last line were cut off", end.unfinished);
            say(entries, Some(end.unfinished), &what);
        }
        let open = Open {
            segment: self.disk.hold(file),
            place,
            length: end.length,
            first: tail.seq.saturating_sub(end.lines),
            dirty: false,
        };
        Ok((Some(open), tail))
    }

    fn create(&self, tail: Tail) -> Result<Open, String> {
        let path = self.path();
        let file = files::create(&self.directory).map_err(|e| cannot("make", &path, &e))?;
        let place = files::place_of(&file).map_err(|e| cannot("look at", &path, &e))?;
        files::sync_names(&self.directory).map_err(|e| cannot("sync", &self.directory, &e))?;
        Ok(Open {
            segment: self.disk.hold(file),
            place,
            length: 0,
            first: tail.seq,
            dirty: false,
        })
    }

    /// The end of the newest older file: where to go on when there is none to write to.
    fn last_tail(&self) -> Result<Tail, String> {
        let ages = files::ages(&self.directory).map_err(|e| cannot("list", &self.directory, &e))?;
        for age in ages.into_iter().filter(|age| *age > 0) {
            let path = files::path(&self.directory, age);
            let mut walk = Walk::default();
            let file = File::open(&path).map_err(|e| cannot("open", &path, &e))?;
            follow(BufReader::new(file), &mut walk, |_| ())
                .map_err(|e| cannot("read", &path, &e))?;
            if walk.next() > 0 {
                let prev = walk.last().map_or_else(nothing, |last| last.hash);
                return Ok(Tail {
                    seq: walk.next(),
                    prev,
                });
            }
        }
        Ok(Tail {
            seq: 0,
            prev: nothing(),
        })
    }
}

/// Says what was found: in the entry of the start, if that is next, else in one of its own.
fn say(entries: &mut VecDeque<Entry>, count: Option<u64>, what: &str) {
    match entries.front_mut() {
        Some(first) if first.event == Event::Started => {
            let before = first.reason.take().unwrap_or_default();
            first.reason = Some(clean(&format!("{before}; {what}")));
            first.count = count;
        }
        // The number of a gap is one of entries.
        Some(_) | None => entries.push_front(Entry::gap(None, what)),
    }
}
