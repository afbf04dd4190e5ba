//! All that a store holds, and what each operation does to it: pure, total, without clock or I/O.
//!
//! A store applies operations to a copy, writes what they [`Touched`], and shows the copy only once that
//! is durable. Two stores that apply the same operations in the same order hold the same.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::tezos::{ChainId, PublicKeyHash};

use super::account::{Account, AccountState};
use super::horizon::Head;
use super::store::{AccountReport, Answer, Change, Raise, StoreError, StreamReport};
use super::watermark::{
    Candidate, Raised, Record, Row, Slot, SlotText, Stream, StreamState, Verdict, decide,
};

/// The contents of a store, or the part of them that some operations need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// Floors and claimed slots.
    pub streams: HashMap<Stream, StreamState>,
    /// Stops and halts; a key without either has no entry.
    pub accounts: HashMap<Account, AccountState>,
    /// Since when nothing is claimed any more, for ever.
    pub sealed: Option<Timestamp>,
}

/// What operations changed, and a store has to write. An entry may stand more than once.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    /// Streams whose floors rose.
    pub floors: Vec<Stream>,
    /// Slots that were claimed or recorded.
    pub rows: Vec<Slot>,
    /// Slots whose rows are gone; the floor refuses them.
    pub gone: Vec<Slot>,
    /// Keys whose stop or halt changed.
    pub accounts: Vec<Account>,
    /// The store was sealed.
    pub sealed: bool,
}

impl Touched {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.floors.is_empty()
            && self.rows.is_empty()
            && self.gone.is_empty()
            && self.accounts.is_empty()
            && !self.sealed
    }
}

impl Book {
    /// The sentence that refuses every claim of a sealed store.
    #[must_use]
    pub fn seal_sentence(&self) -> Option<String> {
        let at = self.sealed?;
        Some(format!(
            "this watermark store was sealed at {at} because its keys moved elsewhere; it never signs \
             again"
        ))
    }

    /// Whether `other` holds all that this one holds: every floor at least as high, every row that `other`
    /// does not refuse by its floor alone, every stop, halt and seal.
    #[must_use]
    pub fn is_kept_by(&self, other: &Self) -> bool {
        let streams = self.streams.iter().all(|(stream, state)| {
            let Some(theirs) = other.streams.get(stream) else {
                return false;
            };
            let row_kept = |position, row: &Row| match theirs.rows.get(position) {
                Some(there) => {
                    let same = (there.digest, there.scheme) == (row.digest, row.scheme);
                    same && (row.record.is_none() || there.record == row.record)
                }
                // Pruned, or ended by a raise: the floor refuses it.
                None => row.record.is_none() || theirs.floor > state.floor,
            };
            theirs.floor >= state.floor
                && state
                    .rows
                    .iter()
                    .all(|(position, row)| row_kept(position, row))
        });
        let accounts = self.accounts.iter().all(|(account, state)| {
            let none = AccountState::default();
            let theirs = other.accounts.get(account).unwrap_or(&none);
            let stop_kept = state
                .stop_at
                .is_none_or(|stop| theirs.stop_at.is_some_and(|there| there <= stop));
            stop_kept && (state.halt.is_none() || state.halt == theirs.halt)
        });
        streams && accounts && (self.sealed.is_none() || self.sealed == other.sealed)
    }

    /// The row of a slot.
    #[must_use]
    pub fn row(&self, slot: &Slot) -> Option<&Row> {
        self.streams.get(&slot.stream)?.rows.get(&slot.position)
    }

    /// The highest claim of a key over all kinds.
    #[must_use]
    pub fn head(&self, chain: ChainId, key: PublicKeyHash) -> Option<Head> {
        let of_key = || {
            let streams = self.streams.iter();
            streams
                .filter(|(stream, _)| stream.chain == chain && stream.key == key)
                .map(|(_, state)| state)
        };
        Some(Head {
            level: of_key().map(|state| state.floor.level).max()?,
            at: of_key().map(|state| state.floor_at).max()?,
        })
    }

    /// All streams in words, sorted.
    #[must_use]
    pub fn stream_reports(&self) -> Vec<StreamReport> {
        let streams = self.streams.iter();
        let mut reports: Vec<_> = streams
            .map(|(stream, state)| StreamReport {
                stream: *stream,
                floor: state.floor,
                floor_at: state.floor_at,
                last_signed: state
                    .rows
                    .iter()
                    .rev()
                    .find_map(|(position, row)| Some((*position, row.record.as_ref()?.at))),
            })
            .collect();
        reports.sort_by_key(|report| report.stream);
        reports
    }

    /// What stands about a key.
    #[must_use]
    pub fn account(&self, account: Account) -> AccountState {
        self.accounts.get(&account).cloned().unwrap_or_default()
    }

    /// All keys that are stopped or halted, sorted.
    #[must_use]
    pub fn account_reports(&self) -> Vec<AccountReport> {
        let accounts = self.accounts.iter();
        let mut reports: Vec<_> = accounts
            .filter(|(_, state)| **state != AccountState::default())
            .map(|(account, state)| AccountReport {
                account: *account,
                state: state.clone(),
            })
            .collect();
        reports.sort_by_key(|report| report.account);
        reports
    }

    /// Claims a slot.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] once sealed; recorded signatures are still given then.
    pub fn claim(
        &mut self,
        candidate: &Candidate,
        now: Timestamp,
        touched: &mut Touched,
    ) -> Result<Answer, StoreError> {
        let stream = candidate.slot.stream;
        let account = self.accounts.get(&stream.into());
        let verdict = decide(account, self.streams.get(&stream), candidate);
        if let Some(sentence) = self.seal_sentence()
            && matches!(verdict, Verdict::Again { .. } | Verdict::Fresh)
        {
            return Err(StoreError::Unavailable(sentence));
        }
        Ok(match verdict {
            Verdict::Again { since } => Answer::InFlight { since },
            Verdict::Recorded(record) => Answer::Recorded(record),
            Verdict::Refused(refusal) => Answer::Refused(refusal),
            Verdict::Fresh => {
                if let Some(state) = self.streams.get_mut(&stream) {
                    let gone = state.enter(candidate, now).into_iter();
                    let gone = gone.map(|position| Slot { stream, position });
                    touched.gone.extend(gone);
                    touched.floors.push(stream);
                    touched.rows.push(candidate.slot);
                }
                Answer::Permit
            }
        })
    }

    /// Records the signature of a claimed slot, and gives the one that stands.
    ///
    /// # Errors
    /// [`StoreError::Withheld`] if the key was halted or stopped meanwhile, [`StoreError::Homeless`] without the claim.
    /// A seal does not matter here: whoever takes over starts above every claim.
    pub fn record(
        &mut self,
        candidate: &Candidate,
        record: Record,
        touched: &mut Touched,
    ) -> Result<Record, StoreError> {
        let stream = candidate.slot.stream;
        let account = self.accounts.get(&stream.into());
        let forbidden = account.and_then(|account| account.forbids(SlotText(candidate.slot)));
        let row = self
            .streams
            .get_mut(&stream)
            .and_then(|state| state.rows.get_mut(&candidate.slot.position))
            .filter(|row| row.digest == candidate.digest && row.scheme == candidate.scheme);
        let Some(row) = row else {
            // A halt ends the claim that it is about; then the halt is the reason.
            return Err(forbidden.map_or(StoreError::Homeless, StoreError::Withheld));
        };
        if let Some(first) = &row.record {
            return Ok(first.clone());
        }
        if let Some(refusal) = forbidden {
            return Err(StoreError::Withheld(refusal));
        }
        row.record = Some(record.clone());
        touched.rows.push(candidate.slot);
        Ok(record)
    }

    /// Makes one change of an operator, or of evidence. What stands is never weakened, but for
    /// [`Change::Resume`].
    pub fn amend(&mut self, change: Change, now: Timestamp, touched: &mut Touched) {
        match change {
            Change::Raise(raise) => self.raise(raise, now, touched),
            Change::StopAt { account, level } => {
                let state = self.accounts.entry(account).or_default();
                if state.stop_at.is_none_or(|stop| level < stop) {
                    state.stop_at = Some(level);
                    touched.accounts.push(account);
                }
            }
            Change::Halt { account, halt } => {
                let state = self.accounts.entry(account).or_default();
                if state.halt.is_none() {
                    state.halt = Some(halt);
                    touched.accounts.push(account);
                }
            }
            Change::Resume { account } => {
                if let Some(state) = self.accounts.get_mut(&account)
                    && state.halt.take().is_some()
                {
                    touched.accounts.push(account);
                }
            }
            Change::Seal => {
                if self.sealed.is_none() {
                    self.sealed = Some(now);
                    touched.sealed = true;
                }
            }
        }
    }

    fn raise(&mut self, Raise { stream, floor }: Raise, now: Timestamp, touched: &mut Touched) {
        let Raised { rose, ended } = if let Some(state) = self.streams.get_mut(&stream) {
            state.raise(floor, now)
        } else {
            let state = StreamState::with_floor(floor, now);
            self.streams.insert(stream, state);
            Raised {
                rose: true,
                ended: Vec::new(),
            }
        };
        if rose {
            touched.floors.push(stream);
        }
        let ended = ended.into_iter().map(|position| Slot { stream, position });
        touched.gone.extend(ended);
    }
}
