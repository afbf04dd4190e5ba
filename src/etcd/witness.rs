//! What this replica has seen of the store, kept in its state directory: a cluster that was restored from a backup,
//! emptied, or put in the place of another shows itself against it.
//!
//! Written late and never waited for: what it lacks makes it no less true.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::guard::{Account, Stream};
use crate::store::{encoding, write_durably};
use crate::tezos::{Level, Position, Round};

use super::known::Known;

/// The file's name.
const FILE: &str = "etcd-witness.json";

/// The witness.
#[derive(Debug)]
pub(super) struct Witness {
    file: PathBuf,
    seen: Mutex<Seen>,
}

/// What was seen, at most.
#[derive(Clone, Debug, Default)]
struct Seen {
    cluster: Option<u64>,
    lineage: Option<String>,
    revision: i64,
    floors: HashMap<Stream, Position>,
    /// Where keys end: a stop is only ever lowered.
    stops: HashMap<Account, Level>,
    /// Whether the store was sealed: never ends.
    sealed: bool,
    /// Whether the file does not have it all.
    is_news: bool,
}

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: u32,
    cluster: Option<u64>,
    lineage: Option<String>,
    revision: i64,
    /// Streams in hexadecimal, with level and round.
    floors: Vec<(String, u32, u32)>,
    /// Chain and key in hexadecimal, with level.
    #[serde(default)]
    stops: Vec<(String, u32)>,
    #[serde(default)]
    sealed: bool,
}

impl Witness {
    /// Reads the file of `directory`; without one nothing was seen yet.
    ///
    /// # Errors
    /// It is there and cannot be read: what it knows must not be forgotten.
    pub(super) fn load(directory: &Path) -> Result<Self, String> {
        let file = directory.join(FILE);
        let unusable = |why: String| {
            format!(
                "{} cannot be used: {why}; without it a cluster that went back would be believed. Put it back, or \
                 move it away and raise every watermark above all that was ever signed",
                file.display()
            )
        };
        let seen = match std::fs::read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Seen::default(),
            Err(error) => return Err(unusable(error.to_string())),
            Ok(bytes) => {
                let text = serde_json::from_slice(&bytes).map_err(|e| unusable(e.to_string()))?;
                seen(text).ok_or_else(|| unusable("it has values that are none".to_owned()))?
            }
        };
        Ok(Self {
            file,
            seen: Mutex::new(seen),
        })
    }

    /// Tells what was seen in an earlier life.
    pub(super) fn introduce(&self, known: &mut Known) {
        let seen = self.lock();
        known.cluster = seen.cluster;
        known.revision = seen.revision;
    }

    /// Holds what is known now against what was seen, and takes it in where it is more.
    ///
    /// # Errors
    /// The store went back, or is another. In words.
    pub(super) fn hold_against(&self, known: &Known) -> Result<(), String> {
        let mut seen = self.lock();
        if let (Some(before), Some(now)) = (&seen.lineage, &known.lineage)
            && before != now
        {
            return Err(format!(
                "the store's lineage was {before} and is {now}: it is another store"
            ));
        }
        if seen.lineage.is_some() && known.lineage.is_none() {
            return Err("the store is empty and was not: it was wiped, or is another".to_owned());
        }
        known.went_back(&seen.floors).map_err(|back| back.0)?;
        seen.take_in_ends(known)?;
        let floors = known.book.streams.iter();
        for (stream, state) in floors {
            let before = seen.floors.insert(*stream, state.floor);
            seen.is_news |= before != Some(state.floor);
        }
        seen.is_news |= seen.cluster != known.cluster || seen.lineage != known.lineage;
        seen.cluster = known.cluster;
        seen.lineage.clone_from(&known.lineage);
        seen.revision = seen.revision.max(known.revision);
        Ok(())
    }

    /// Writes what the file lacks. Blocking.
    pub(super) fn write(&self) -> io::Result<()> {
        let seen = {
            let mut seen = self.lock();
            if !std::mem::take(&mut seen.is_news) {
                return Ok(());
            }
            seen.clone()
        };
        let mut floors: Vec<_> = seen
            .floors
            .iter()
            .map(|(stream, floor)| {
                let stream = hex::encode(encoding::stream_key(stream));
                (stream, floor.level.get(), floor.round.get())
            })
            .collect();
        floors.sort();
        let stops = seen.stops.iter().map(|(account, stop)| {
            let account = hex::encode(encoding::account_key(account));
            (account, stop.get())
        });
        let mut stops: Vec<_> = stops.collect();
        stops.sort();
        let text = Text {
            format: 1,
            cluster: seen.cluster,
            lineage: seen.lineage,
            revision: seen.revision,
            floors,
            stops,
            sealed: seen.sealed,
        };
        let text = serde_json::to_vec(&text).map_err(io::Error::other)?;
        write_durably(&self.file, &text).inspect_err(|_| self.lock().is_news = true)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Seals and stops, which nobody can take back: without them keys that have moved would be signed for here again.
    fn take_in_ends(&mut self, known: &Known) -> Result<(), String> {
        let book = &known.book;
        if self.sealed && book.sealed.is_none() {
            return Err("the store was sealed and is not: it went back".to_owned());
        }
        let stop_of = |account| book.accounts.get(account).and_then(|state| state.stop_at);
        for (account, before) in &self.stops {
            if stop_of(account).is_none_or(|now| now > *before) {
                let key = account.key;
                return Err(format!(
                    "{key} was to stop at level {before} and no longer is: the store went back"
                ));
            }
        }
        self.is_news |= self.sealed != book.sealed.is_some();
        self.sealed = book.sealed.is_some();
        for (account, state) in &book.accounts {
            if let Some(stop) = state.stop_at {
                let before = self.stops.insert(*account, stop);
                self.is_news |= before != Some(stop);
            }
        }
        Ok(())
    }
}

fn seen(text: Text) -> Option<Seen> {
    let mut floors = HashMap::new();
    for (stream, level, round) in text.floors {
        let stream = encoding::decode_stream(&hex::decode(stream).ok()?).ok()?;
        let floor = Position::new(Level::new(level)?, Round::new(round)?);
        floors.insert(stream, floor);
    }
    let mut stops = HashMap::new();
    for (account, stop) in text.stops {
        let account = encoding::decode_account_key(&hex::decode(account).ok()?).ok()?;
        stops.insert(account, Level::new(stop)?);
    }
    (text.format == 1).then_some(Seen {
        cluster: text.cluster,
        lineage: text.lineage,
        revision: text.revision,
        floors,
        stops,
        sealed: text.sealed,
        is_news: false,
    })
}
