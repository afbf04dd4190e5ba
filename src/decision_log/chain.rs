//! The chain: each line ends with the hash of its own bytes, and names the hash of the line before.
//!
//! Pure. A line is `{"seq":N,...,"prev":"H","hash":"H"}`; the hash is BLAKE2b-256 over everything before
//! `,"hash":`. So a byte that changed breaks its line, and a line that was taken out, put in or moved
//! breaks the next. What the chain cannot show: that the newest lines were taken away, and that somebody
//! wrote the whole log anew, for no secret is in it.

use serde::Deserialize;

use crate::tezos::{Digest, digest};

use super::entry::Entry;

/// No entry is longer, in bytes without the end of the line.
pub(super) const LONGEST_LINE: usize = 16 << 10;

/// What stands between the hashed bytes and the hash.
const MARK: &str = ",\"hash\":\"";
/// What stands behind the hash.
const END: &str = "\"}";
/// Digits of a hash.
const DIGITS: usize = 64;

/// Where a line stands in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number; the first line of all is 0.
    pub seq: u64,
    /// Hash of the line before; all zeros where a chain begins.
    pub prev: Digest,
    /// Its own hash.
    pub hash: Digest,
}

/// A line whose bytes have the hash that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its place.
    pub link: Link,
    /// What it says; absent if a newer version wrote it in a way that this one cannot read.
    pub entry: Option<Entry>,
}

/// What is wrong with one line by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Longer than any entry.
    #[error("the line is longer than any entry")]
    TooLong,
    /// The hash is not where it must be.
    #[error("the line does not end with its hash")]
    NoHash,
    /// The bytes are not those that were hashed.
    #[error("the line was changed: it does not have the hash that it names")]
    Changed,
    /// The hash is right, and place or predecessor are missing.
    #[error("the line does not name its number and the hash before it")]
    NoPlace,
}

/// What every line must have.
#[derive(Deserialize)]
struct Place {
    seq: u64,
    prev: String,
}

/// What the first line of a chain names as the hash before it.
pub(super) fn nothing() -> Digest {
    Digest::from([0; 32])
}

/// The line of `entry`, with its end, and its hash.
pub(super) fn seal(entry: &Entry, seq: u64, prev: &Digest) -> (String, Digest) {
    let said = serde_json::to_string(entry).unwrap_or_else(|_| {
        // Texts and numbers are always JSON; should that ever fail, the loss is written down.
        format!("{{\"at\":\"{}\",\"event\":\"gap\",\"count\":1}}", entry.at)
    });
    let fields = said.strip_prefix('{').unwrap_or(&said);
    let fields = fields.strip_suffix('}').unwrap_or(fields);
    let body = format!("{{\"seq\":{seq},{fields},\"prev\":\"{prev}\"");
    let hash = digest(body.as_bytes());
    (format!("{body}{MARK}{hash}{END}\n"), hash)
}

/// Reads a line without its end. Total: any bytes give a line or a fault.
///
/// # Errors
/// [`Fault`]
pub fn parse(line: &[u8]) -> Result<Line, Fault> {
    if line.len() > LONGEST_LINE {
        return Err(Fault::TooLong);
    }
    let rest = line.strip_suffix(END.as_bytes()).ok_or(Fault::NoHash)?;
    let at = rest.len().checked_sub(DIGITS).ok_or(Fault::NoHash)?;
    let (rest, hash) = rest.split_at_checked(at).ok_or(Fault::NoHash)?;
    let body = rest.strip_suffix(MARK.as_bytes()).ok_or(Fault::NoHash)?;
    let true_hash = digest(body);
    // Compared as text: one hash has one spelling.
    if true_hash.to_string().as_bytes() != hash {
        return Err(Fault::Changed);
    }
    let place: Place = serde_json::from_slice(line).map_err(|_| Fault::NoPlace)?;
    let mut prev = [0; 32];
    hex::decode_to_slice(&place.prev, &mut prev).map_err(|_| Fault::NoPlace)?;
    let entry = serde_json::from_slice(line).ok();
    Ok(Line {
        link: Link {
            seq: place.seq,
            prev: Digest::from(prev),
            hash: true_hash,
        },
        entry,
    })
}

/// Follows a chain line by line.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The line before, if it was whole.
    before: Option<Link>,
    /// The highest number seen.
    highest: Option<u64>,
}

impl Walk {
    /// Takes the next line; gives what is wrong with it or its place.
    pub(super) fn step(&mut self, line: Result<&Line, Fault>) -> Result<(), String> {
        let line = match line {
            Ok(line) => line,
            Err(fault) => {
                self.before = None;
                return Err(fault.to_string());
            }
        };
        let Link { seq, prev, hash: _ } = line.link;
        let before = self.before.replace(line.link);
        self.highest = self.highest.max(Some(seq));
        match before {
            // Nothing to compare with: the oldest line that is kept, or the last one is no line.
            None => Ok(()),
            Some(before) if before.hash == prev => Ok(()),
            Some(_) if prev == nothing() => {
                let entry = line.entry.as_ref();
                let said = entry.and_then(|entry| entry.reason.as_deref());
                Err(format!(
                    "a new chain begins here: {}",
                    said.unwrap_or("no reason is given")
                ))
            }
            Some(before) => Err(format!(
                "entry {seq} does not follow entry {}: lines were removed, added or exchanged",
                before.seq
            )),
        }
    }

    /// The last line, if it was whole.
    pub(super) fn last(&self) -> Option<Link> {
        self.before
    }

    /// The number after the highest seen.
    pub(super) fn next(&self) -> u64 {
        self.highest.map_or(0, |highest| highest.saturating_add(1))
    }
}
