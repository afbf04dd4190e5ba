//! The decision log as people read it: what happened to each slot, in order. Pure; knows no files.

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write as _};

use crate::decision_log::{About, Entry, Event, Summary};
use crate::tezos::{ChainId, Digest, PublicKeyHash};

/// Stories that are told; the oldest give way.
const STORIES: usize = 200;
/// Lines of one story that are told in full.
const LINES: usize = 100;

/// What a story is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Subject {
    chain: Option<ChainId>,
    key: PublicKeyHash,
    kind: String,
    position: Option<(u32, u32)>,
    /// Of bytes that belong to no slot.
    digest: Option<Digest>,
}

impl Subject {
    fn of(entry: &Entry) -> Option<Self> {
        if entry.event.about() != About::Request {
            return None;
        }
        let position = entry.level.zip(entry.round);
        Some(Self {
            chain: entry.chain,
            key: entry.key?,
            kind: entry.kind.as_deref().unwrap_or("unreadable").to_owned(),
            position,
            digest: entry.digest.filter(|_| position.is_none()),
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.position, self.chain, self.digest) {
            (Some((level, round)), _, _) => {
                write!(
                    f,
                    "{} level {level} round {round} of {}",
                    self.kind, self.key
                )?;
            }
            (None, _, Some(_)) => write!(f, "{} payload for {}", self.kind, self.key)?,
            (None, _, None) => write!(f, "requests without a payload for {}", self.key)?,
        }
        match self.chain {
            Some(chain) => write!(f, " on {chain}"),
            None => Ok(()),
        }
    }
}

/// What happened to one slot, or beside all slots.
#[derive(Debug, Default)]
struct Story {
    subject: Option<Subject>,
    lines: Vec<String>,
    /// Lines that are not told.
    more: u64,
    /// Digests that were told in full.
    named: Vec<Digest>,
    /// The bytes that have the slot.
    claimed: Option<Digest>,
    /// Whether a claim is the last that is known of an operation.
    open: bool,
}

/// All stories that are told.
#[derive(Debug, Default)]
pub(super) struct Stories {
    told: VecDeque<Story>,
    /// Stories that gave way.
    gone: usize,
    /// Where the story of a subject is, counted from the first of all.
    places: HashMap<Subject, usize>,
}

impl Stories {
    /// Takes the next line of the log.
    pub(super) fn take(&mut self, text: &str, entry: Option<&Entry>) {
        let Some(entry) = entry else {
            return self.aside(&format!("written by a newer version: {text}"));
        };
        let Some(subject) = Subject::of(entry) else {
            return self.aside(&aside(entry, text));
        };
        let place = self.places.get(&subject).copied();
        let place = place.and_then(|place| place.checked_sub(self.gone));
        if let Some(story) = place.and_then(|place| self.told.get_mut(place)) {
            return story.take(entry);
        }
        let mut story = Story {
            subject: Some(subject.clone()),
            ..Story::default()
        };
        story.take(entry);
        self.add(story);
        let last = self.told.len().saturating_sub(1);
        self.places.insert(subject, self.gone.saturating_add(last));
    }

    fn aside(&mut self, line: &str) {
        let lines = vec![visible(line)];
        self.add(Story {
            lines,
            ..Story::default()
        });
    }

    fn add(&mut self, story: Story) {
        self.told.push_back(story);
        if self.told.len() > STORIES {
            self.gone = self.gone.saturating_add(1);
            let oldest = self.told.pop_front();
            if let Some(subject) = oldest.and_then(|story| story.subject) {
                self.places.remove(&subject);
            }
        }
    }

    /// Everything, oldest first.
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        if self.gone > 0 {
            writeln!(
                text,
                "only the newest {STORIES} are told; --key and --level choose, --json prints all\n"
            )?;
        }
        for story in &self.told {
            let Some(subject) = &story.subject else {
                for line in &story.lines {
                    writeln!(text, "{line}\n")?;
                }
                continue;
            };
            writeln!(text, "{}", visible(&subject.to_string()))?;
            for line in &story.lines {
                writeln!(text, "  {line}")?;
            }
            if story.more > 0 {
                writeln!(text, "  and {} more; --json prints all", story.more)?;
            }
            if story.open {
                writeln!(
                    text,
                    "  how it went on is not in the log: it is in progress, or the process ended"
                )?;
            }
            writeln!(text)?;
        }
        Ok(text)
    }
}

impl Story {
    fn take(&mut self, entry: &Entry) {
        let asked_by = match &entry.requester {
            Some(requester) => format!("asked by {requester}"),
            None => "asked".to_owned(),
        };
        let bytes = self.bytes(entry.digest);
        let signer = entry.signer.as_deref().unwrap_or("an unknown signer");
        let to = entry.requester.as_deref().unwrap_or("whoever asked");
        let said = match entry.event {
            Event::Claimed => {
                self.claimed = entry.digest;
                format!("{asked_by} for {bytes}: claimed{}", why(entry))
            }
            Event::ClaimedAgain => {
                self.claimed = entry.digest;
                format!(
                    "{asked_by} for {bytes}: claimed before for the same bytes, not signed yet{}",
                    why(entry)
                )
            }
            Event::Recorded => format!("signed by {signer} and kept; nobody waited any more"),
            Event::Released => format!("signed by {signer}, released to {to}"),
            Event::Replayed => {
                format!("{asked_by} for {bytes}: given the signature of {signer} from before")
            }
            Event::Refused => format!("{asked_by} for {bytes}: refused{}", why(entry)),
            Event::WatermarkRaised
            | Event::Stopped
            | Event::Halted
            | Event::Resumed
            | Event::Sealed
            | Event::Accepted
            | Event::Reset
            | Event::Started
            | Event::Ended
            | Event::Gap
            | Event::Unknown => return,
        };
        self.open = match entry.event {
            Event::Claimed | Event::ClaimedAgain => true,
            // Of other bytes: it says nothing about the claim.
            Event::Refused => self.open && entry.digest != self.claimed,
            Event::Recorded
            | Event::Released
            | Event::Replayed
            | Event::WatermarkRaised
            | Event::Stopped
            | Event::Halted
            | Event::Resumed
            | Event::Sealed
            | Event::Accepted
            | Event::Reset
            | Event::Started
            | Event::Ended
            | Event::Gap
            | Event::Unknown => false,
        };
        if self.lines.len() < LINES {
            self.lines
                .push(visible(&format!("{:.3}  {said}", entry.at)));
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// The bytes asked for: in full when they first come up.
    fn bytes(&mut self, digest: Option<Digest>) -> String {
        let Some(digest) = digest else {
            return "bytes that were not read".to_owned();
        };
        let other = match self.claimed {
            Some(claimed) if claimed != digest => "other bytes",
            Some(_) | None => "bytes",
        };
        if self.named.contains(&digest) {
            return format!("{other} {}", digest.short());
        }
        if self.named.len() < LINES {
            self.named.push(digest);
        }
        format!("{other} {digest}")
    }
}

fn why(entry: &Entry) -> String {
    let code = entry.code.as_deref();
    let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
    let reason = entry.reason.as_deref();
    code + &reason
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default()
}

/// A line about what belongs to no slot.
fn aside(entry: &Entry, text: &str) -> String {
    let of_key = || {
        let key = entry.key.map(|key| format!(" of {key}"));
        let chain = entry.chain.map(|chain| format!(" on {chain}"));
        key.unwrap_or_default() + &chain.unwrap_or_default()
    };
    let level = || entry.level.unwrap_or_default();
    let said = match (entry.event, entry.count) {
        (Event::Started, _) => "proxy started".to_owned(),
        (Event::Ended, _) => "proxy ended".to_owned(),
        (Event::Gap, Some(count)) if entry.code.is_some() => format!("{count} more not listed"),
        (Event::Gap, Some(count)) => format!("{count} entries are missing here"),
        (Event::Gap, None) => "something may be missing here".to_owned(),
        (Event::WatermarkRaised, _) => {
            let round = entry.round.map(|round| format!(" round {round}"));
            let round = round.unwrap_or_default();
            format!("watermark{} raised to level {}{round}", of_key(), level())
        }
        (Event::Stopped, _) => format!("stop level{} set to {}", of_key(), level()),
        (Event::Halted, _) => format!("signing{} halted", of_key()),
        (Event::Resumed, _) => format!("signing{} resumed", of_key()),
        (Event::Sealed, _) => "store sealed".to_owned(),
        (Event::Accepted, _) => {
            format!("store accepted, watermark{} at level {}", of_key(), level())
        }
        (Event::Reset, _) => format!("watermark{} RESET to level {}", of_key(), level()),
        (
            Event::Claimed
            | Event::ClaimedAgain
            | Event::Recorded
            | Event::Released
            | Event::Replayed
            | Event::Refused
            | Event::Unknown,
            _,
        ) => return text.to_owned(),
    };
    format!("{:.3}  {said}{}", entry.at, why(entry))
}

/// The last lines: how much there is, and the end of the chain.
pub(super) fn closing(summary: &Summary) -> Result<String, fmt::Error> {
    let mut text = String::new();
    if summary.missing > 0 {
        writeln!(
            text,
            "{} entries are missing, as the log itself says",
            summary.missing
        )?;
    }
    if summary.unfinished > 0 {
        writeln!(
            text,
            "the last {} bytes are no line yet: it is being written, or a crash tore it",
            summary.unfinished
        )?;
    }
    if let (0, Some((seq, head)), Some((first, last))) =
        (summary.broken, summary.head, summary.times)
    {
        let files = match summary.files {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        };
        writeln!(
            text,
            "the chain is whole: {} entries in {files}, from {first} to {last}; the last is number \
             {seq} with hash {head}",
            summary.entries
        )?;
    }
    Ok(text)
}

/// What came from outside must not steer a terminal.
fn visible(line: &str) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    line.chars().map(visible).collect()
}

#[cfg(test)]
mod tests;
