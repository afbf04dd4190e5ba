//! The judge: reads the logs of all signers and finds two payloads where only one may be.
//!
//! It trusts nothing but the files. What it cannot read is a finding too, because a log with a hole
//! proves nothing.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use super::{Entry, Event};
use crate::tezos::{ChainId, PublicKeyHash};

/// Where at most one payload may ever be sent to a signer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The chain.
    pub chain: ChainId,
    /// The key.
    pub key: PublicKeyHash,
    /// Name of the consensus kind.
    pub kind: String,
    /// The level.
    pub level: u32,
    /// The round.
    pub round: u32,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            chain,
            key,
            kind,
            level,
            round,
        } = self;
        write!(
            f,
            "{kind} of {key} on {chain} at level {level} round {round}"
        )
    }
}

/// One line that names a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The log file.
    pub file: PathBuf,
    /// Line number, from 1.
    pub line: usize,
    /// BLAKE2b-256 of the payload in hex.
    pub digest: String,
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at {}:{}",
            self.digest,
            self.file.display(),
            self.line
        )
    }
}

/// Why the logs do not show that every slot had one payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A slot saw two payloads.
    #[error("two payloads for {slot}: first {first}, then {second}")]
    TwoPayloads {
        /// The slot.
        slot: Slot,
        /// The first line about it.
        first: Box<Sighting>,
        /// The first line with another payload.
        second: Box<Sighting>,
    },
    /// A file or a line of it cannot be read.
    #[error("cannot read line {line} of {}: {problem}", .file.display())]
    Unreadable {
        /// The log file.
        file: PathBuf,
        /// Line number, from 1; 0 when the file does not open.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

/// What a clean set of logs holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines.
    pub entries: usize,
    /// Payloads that arrived, repeats included.
    pub received: usize,
    /// Signatures that were made.
    pub signed: usize,
    /// Different slots that were received or signed.
    pub slots: usize,
}

/// Reads the logs of all signers and compares what they received and signed.
///
/// Blocks the calling thread; memory grows with the number of slots.
///
/// # Errors
/// Every slot with two different payloads, and every line that cannot be read.
pub fn check(files: &[PathBuf]) -> Result<Summary, Vec<Conflict>> {
    let mut judge = Judge::default();
    for file in files {
        judge.read(file);
    }
    if judge.conflicts.is_empty() {
        Ok(judge.summary)
    } else {
        Err(judge.conflicts)
    }
}

#[derive(Default)]
struct Judge {
    seen: HashMap<Slot, Sighting>,
    conflicts: Vec<Conflict>,
    summary: Summary,
}

impl Judge {
    fn read(&mut self, path: &Path) {
        let unreadable = |line, problem: String| Conflict::Unreadable {
            file: path.to_owned(),
            line,
            problem,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) => return self.conflicts.push(unreadable(0, error.to_string())),
        };
        for (number, text) in (1_usize..).zip(BufReader::new(file).lines()) {
            let text = match text {
                Ok(text) => text,
                Err(error) => return self.conflicts.push(unreadable(number, error.to_string())),
            };
            match serde_json::from_str(&text) {
                Ok(entry) => self.weigh(path, number, entry),
                Err(error) => self.conflicts.push(unreadable(number, error.to_string())),
            }
        }
    }

    fn weigh(&mut self, path: &Path, line: usize, entry: Entry) {
        let count = |n: &mut usize| *n = n.saturating_add(1);
        count(&mut self.summary.entries);
        match entry.event {
            Event::Received => count(&mut self.summary.received),
            Event::Signed => count(&mut self.summary.signed),
            Event::Refused | Event::Replayed => return,
        }
        let (Some(chain), Some(level), Some(round)) = (entry.chain, entry.level, entry.round)
        else {
            return;
        };
        let slot = Slot {
            chain,
            key: entry.key,
            kind: entry.kind,
            level,
            round,
        };
        let sighting = Sighting {
            file: path.to_owned(),
            line,
            digest: entry.digest,
        };
        match self.seen.get(&slot) {
            None => {
                count(&mut self.summary.slots);
                self.seen.insert(slot, sighting);
            }
            Some(first) if first.digest == sighting.digest => {}
            Some(first) => self.conflicts.push(Conflict::TwoPayloads {
                slot,
                first: Box::new(first.clone()),
                second: Box::new(sighting),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
