//! The contract of stores in a few plain rules, written without looking at how the guard keeps it.
//!
//! A map from slot to payload and signature, a floor for each stream, and what stands about each key. No
//! faults, no memory beside the disk, no time: those are for `worlds`.

use std::collections::BTreeMap;

use crate::guard::{Account, Book, Candidate, Change, Record, Stream};
use crate::tezos::{Digest, Position, Scheme};

/// Levels above the highest floor of a key that are believed.
pub(super) const GAP: u32 = 1_000;
/// Levels below the floor whose slots are remembered.
const RING: u32 = 64;
/// Slots of one stream that are remembered.
const MANY: usize = 256;

/// Level and round.
type Place = (u32, u32);

/// What somebody was told, without the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The slot is for these bytes; `again` if it was before.
    Permit { again: bool },
    /// The signature of these bytes, asked for by a claim or a replay.
    Signature(Record),
    /// Refused, for this reason.
    Refused(&'static str),
    /// There is no such signature.
    NoSignature,
    /// The signature that stands was recorded.
    Kept(Record),
    /// The slot is not these bytes' any more.
    Homeless,
    /// The key was stopped meanwhile.
    Withheld,
    /// Done.
    Done,
    /// The store did not do it, or does not know.
    Failed,
    /// Of several claims at the same time.
    All(Vec<Self>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    digest: Digest,
    scheme: Scheme,
    record: Option<Record>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Lane {
    floor: Place,
    entries: BTreeMap<Place, Entry>,
}

/// A store as the contract has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    lanes: BTreeMap<Stream, Lane>,
    stops: BTreeMap<Account, u32>,
    halts: BTreeMap<Account, String>,
    sealed: bool,
}

const fn place(position: Position) -> Place {
    (position.level.get(), position.round.get())
}

impl Model {
    /// Whether these bytes hold the slot.
    fn holds(&self, asked: &Candidate) -> Option<&Entry> {
        let lane = self.lanes.get(&asked.slot.stream)?;
        let entry = lane.entries.get(&place(asked.slot.position))?;
        (entry.digest == asked.digest && entry.scheme == asked.scheme).then_some(entry)
    }

    /// Whether the guard does not even ask the store.
    pub(super) fn is_too_far(&self, asked: &Candidate) -> bool {
        let account = Account::from(asked.slot.stream);
        let lanes = self.lanes.iter();
        let floors = lanes.filter(|(stream, _)| Account::from(**stream) == account);
        let head = floors.map(|(_, lane)| lane.floor.0).max();
        let level = asked.slot.position.level.get();
        self.holds(asked).is_none() && head.is_some_and(|head| level > head + GAP)
    }

    fn forbidden(&self, asked: &Candidate) -> Option<&'static str> {
        let account = Account::from(asked.slot.stream);
        if self.halts.contains_key(&account) {
            return Some("halted");
        }
        let stop = self.stops.get(&account)?;
        (asked.slot.position.level.get() > *stop).then_some("stopped")
    }

    pub(super) fn claim(&mut self, asked: &Candidate) -> Said {
        let place = place(asked.slot.position);
        let Some(lane) = self.lanes.get(&asked.slot.stream) else {
            return Said::Refused("no-watermark");
        };
        let again = match lane.entries.get(&place) {
            Some(entry) if entry.digest != asked.digest => return Said::Refused("conflict"),
            Some(entry) if entry.scheme != asked.scheme => return Said::Refused("scheme"),
            Some(entry) => {
                if let Some(record) = &entry.record {
                    return Said::Signature(record.clone());
                }
                true
            }
            None if place <= lane.floor => return Said::Refused("below-floor"),
            None => false,
        };
        if let Some(reason) = self.forbidden(asked) {
            return Said::Refused(reason);
        }
        if self.sealed {
            return Said::Failed;
        }
        if !again && let Some(lane) = self.lanes.get_mut(&asked.slot.stream) {
            lane.take(place, asked);
        }
        Said::Permit { again }
    }

    pub(super) fn record(&mut self, asked: &Candidate, record: &Record) -> Said {
        let entry = self.holds(asked);
        if let Some(first) = entry.and_then(|entry| entry.record.as_ref()) {
            return Said::Kept(first.clone());
        }
        if self.forbidden(asked).is_some() {
            return Said::Withheld;
        }
        if entry.is_none() {
            return Said::Homeless;
        }
        let lane = self.lanes.get_mut(&asked.slot.stream).unwrap();
        let entry = lane.entries.get_mut(&place(asked.slot.position)).unwrap();
        entry.record = Some(record.clone());
        Said::Kept(record.clone())
    }

    pub(super) fn replay(&self, asked: &Candidate) -> Said {
        let record = self.holds(asked).and_then(|entry| entry.record.clone());
        record.map_or(Said::NoSignature, Said::Signature)
    }

    pub(super) fn amend(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Raise(raise) => {
                    let floor = place(raise.floor);
                    let none = Lane {
                        floor,
                        entries: BTreeMap::new(),
                    };
                    let lane = self.lanes.entry(raise.stream).or_insert(none);
                    lane.floor = lane.floor.max(floor);
                    lane.entries
                        .retain(|place, entry| *place > floor || entry.record.is_some());
                }
                Change::StopAt { account, level } => {
                    let stop = self.stops.entry(*account).or_insert(level.get());
                    *stop = level.get().min(*stop);
                }
                Change::Halt { account, halt } => {
                    self.halts
                        .entry(*account)
                        .or_insert_with(|| halt.reason.clone());
                }
                Change::Resume { account } => {
                    self.halts.remove(account);
                }
                Change::Seal => self.sealed = true,
            }
        }
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Whether `book` says the same, no more and no less.
    pub(super) fn is(&self, book: &Book) -> bool {
        let mut read = Self {
            sealed: book.sealed.is_some(),
            ..Self::default()
        };
        for (stream, state) in &book.streams {
            let entries = state.rows.iter().map(|(position, row)| {
                let record = row.record.clone();
                let (digest, scheme) = (row.digest, row.scheme);
                let entry = Entry {
                    digest,
                    scheme,
                    record,
                };
                (place(*position), entry)
            });
            let lane = Lane {
                floor: place(state.floor),
                entries: entries.collect(),
            };
            read.lanes.insert(*stream, lane);
        }
        for (account, state) in &book.accounts {
            if let Some(stop) = state.stop_at {
                read.stops.insert(*account, stop.get());
            }
            if let Some(halt) = &state.halt {
                read.halts.insert(*account, halt.reason.clone());
            }
        }
        read == *self
    }
}

impl Lane {
    fn take(&mut self, place: Place, asked: &Candidate) {
        let entry = Entry {
            digest: asked.digest,
            scheme: asked.scheme,
            record: None,
        };
        self.entries.insert(place, entry);
        self.floor = place;
        self.entries.retain(|(level, _), _| level + RING >= place.0);
        while self.entries.len() > MANY {
            self.entries.pop_first();
        }
    }
}
