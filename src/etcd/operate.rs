//! The operations: decide on what is known, make it by one transaction, and decide anew where that failed.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout};

use crate::guard::{Answer, Candidate, Record, Refusal, StoreError, Touched};

use super::belief::believed;
use super::gateway::CallError;
use super::known::Known;
use super::wire::{Range, Txn};
use super::{EtcdStore, State};

/// Decisions anew before others are let through: each means that another replica was faster.
pub(super) const TRIES: usize = 32;
/// A claim of these bytes that another replica made is waited on for this long, for the signature that comes of it.
const OTHERS_TIME: Duration = Duration::from_millis(300);
/// A claim that is older is nobody's any more.
const RECENT_SECONDS: i64 = 10;
/// Between two looks for it.
const LOOK: Duration = Duration::from_millis(20);
/// A replica that has read nothing for this long reads everything before it claims: it looks every second.
const OLD: Duration = Duration::from_secs(3);
/// Between two questions that nobody answers, at most. The longer nobody answers, the longer is waited.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// What a pause is of the time that nobody has answered for.
const PAUSE_PART: u32 = 8;

/// Whether a refusal can never become anything else, so that it may be answered from memory.
fn is_final(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::BelowFloor { .. } | Refusal::Conflict { .. } | Refusal::Scheme { .. } => true,
        // An operator may have changed these at another replica.
        Refusal::Halted { .. } | Refusal::NoWatermark { .. } | Refusal::Stopped { .. } => false,
    }
}

/// What came of a transaction.
#[derive(Clone, Copy, Debug)]
struct Made {
    /// Whether its comparisons held, so that it was made.
    held: bool,
    /// How many members were asked for it.
    asked: usize,
}

impl EtcdStore {
    pub(super) async fn claim_slot(
        &self,
        candidate: Candidate,
        now: Timestamp,
    ) -> Result<Answer, StoreError> {
        let (stream, account) = ([candidate.slot.stream], [candidate.slot.stream.into()]);
        self.catch_up().await?;
        // The guard asks again with the very same time, so a claim of then is the one whose answer was lost.
        let mut is_own = self.unsure.has(&candidate, now);
        let mut waited = false;
        for _ in 0..TRIES {
            let (answer, txn) = {
                let state = self.state();
                believed(state.doubt.as_ref())?;
                let mut part = state.known.part(&stream, &account);
                let mut touched = Touched::default();
                let answer = part.claim(&candidate, now, &mut touched);
                match &answer {
                    Ok(Answer::Recorded(_)) => return answer,
                    Ok(Answer::Refused(refusal)) if is_final(refusal) => return answer,
                    Ok(Answer::Permit | Answer::InFlight { .. } | Answer::Refused(_)) | Err(_) => {}
                }
                let txn = state.known.claim(
                    &self.layout,
                    &candidate,
                    (&part, &touched),
                    self.sign_of_life(now),
                );
                (answer, txn)
            };
            let made = self.make_counted(&txn).await;
            if let Err(StoreError::Unknown(_)) = &made {
                self.unsure.note(&candidate, now);
            }
            let made = made?;
            // Two members were asked, and the second found what the first had done.
            is_own |= made.asked > 1 && !made.held;
            if !made.held {
                continue;
            }
            let is_ours = |since| is_own && is_of(since, now);
            match answer {
                Ok(Answer::InFlight { since })
                    if !waited && !is_ours(since) && is_recent(since, now) =>
                {
                    // Whatever came meanwhile decides.
                    self.wait_for_others(&candidate).await?;
                    waited = true;
                }
                answer => {
                    self.unsure.forget(&candidate, now);
                    return answer;
                }
            }
        }
        Err(too_busy().await)
    }

    /// Another replica, or an earlier life of this one, may be at these bytes: its signature is worth a short wait.
    async fn wait_for_others(&self, candidate: &Candidate) -> Result<(), StoreError> {
        let Some(until) = Instant::now().checked_add(OTHERS_TIME) else {
            return Ok(());
        };
        while Instant::now() < until {
            sleep(LOOK).await;
            let reads = Known::reads_of(&self.layout, &candidate.slot);
            self.make(&self.look_at(reads)).await?;
            let state = self.state();
            let row = state.known.book.row(&candidate.slot);
            if row.is_none_or(|row| row.record.is_some()) {
                break;
            }
        }
        Ok(())
    }

    pub(super) async fn record_signature(
        &self,
        candidate: Candidate,
        record: Record,
    ) -> Result<Record, StoreError> {
        let (stream, account) = ([candidate.slot.stream], [candidate.slot.stream.into()]);
        self.catch_up().await?;
        let mut is_fresh = false;
        for _ in 0..TRIES {
            let (recorded, txn) = {
                let state = self.state();
                believed(state.doubt.as_ref())?;
                let mut part = state.known.part(&stream, &account);
                let mut touched = Touched::default();
                let recorded = part.record(&candidate, record.clone(), &mut touched);
                if touched.is_empty() && (recorded.is_ok() || is_fresh) {
                    // It was recorded before, or may not be.
                    return recorded;
                }
                let txn = if touched.is_empty() {
                    self.look_at(Known::reads_of(&self.layout, &candidate.slot))
                } else {
                    state
                        .known
                        .record(&self.layout, &candidate, (&part, &touched))
                };
                (recorded, txn)
            };
            let made = self.make(&txn).await?;
            if made && recorded.is_ok() {
                return recorded;
            }
            // What refused it was looked at again.
            is_fresh = true;
        }
        Err(too_busy().await)
    }

    /// Makes a transaction and takes in what came of it; true if it was made.
    pub(super) async fn make(&self, txn: &Txn) -> Result<bool, StoreError> {
        Ok(self.make_counted(txn).await?.held)
    }

    async fn make_counted(&self, txn: &Txn) -> Result<Made, StoreError> {
        // What is written in doubt would cover what the doubt is about.
        believed(self.state().doubt.as_ref())?;
        let begun = Instant::now();
        // Whatever is answered to what is asked from now on is not older than this.
        let before = self.state().known.revision;
        let _waits = self.waiting.begin();
        let mut leaders = self.gateway.leaders();
        let outcome = tokio::select! {
            biased;
            outcome = self.gateway.transact(txn) => outcome,
            _ = leaders.changed() => {
                return Err(StoreError::Unknown("another leader of etcd was elected meanwhile".to_owned()));
            }
        };
        let pause = {
            let mut state = self.state();
            state.slowest = state.slowest.max(begun.elapsed());
            state.trouble = match &outcome {
                Ok(_) => None,
                Err(CallError::Unknown(words) | CallError::Refused(words)) => Some(words.clone()),
            };
            state.pause(matches!(outcome, Err(CallError::Unknown(_))), begun)
        };
        match outcome {
            Ok(outcome) => {
                self.state().answered = Some(Instant::now());
                if let Err(error) = self.take_in(txn, &outcome, (before, begun)) {
                    // A doubt that may not show any more after a restart.
                    self.keep_witness().await;
                    return Err(error);
                }
                Ok(Made {
                    held: outcome.succeeded,
                    asked: outcome.asked,
                })
            }
            Err(error) => {
                if !pause.is_zero() {
                    // Whoever asks again at once would only ask the more, unless there is a leader again.
                    drop(timeout(pause, leaders.changed()).await);
                }
                Err(error.into())
            }
        }
    }

    /// Reads everything, unless that was done.
    pub(super) async fn read_once(&self) -> Result<(), StoreError> {
        if self.state().known.is_read {
            return Ok(());
        }
        self.read_all().await
    }

    /// Reads everything if this replica has heard nothing for a while: it stood still, or was cut off. What it missed could
    /// have been taken back since, and all that it knows is held against the store first.
    async fn catch_up(&self) -> Result<(), StoreError> {
        if !self.is_behind() {
            return Ok(());
        }
        let came = Instant::now();
        // One reads for all who wait, and what comes of it is for all: they would ask the same one after the other.
        let mut last = self.catching_up.lock().await;
        if !self.is_behind() {
            return Ok(());
        }
        if let Some((begun, words)) = &*last
            && *begun >= came
        {
            return Err(StoreError::Unknown(words.clone()));
        }
        let begun = Instant::now();
        let read = self.read_all().await;
        *last = match &read {
            Err(StoreError::Unknown(words)) => Some((begun, words.clone())),
            Ok(()) | Err(_) => None,
        };
        read
    }

    /// Whether what is known is old.
    pub(super) fn is_behind(&self) -> bool {
        let looked = self.state().looked;
        looked.is_none_or(|at| at.elapsed() > OLD)
    }

    /// Reads what other replicas have written up to now.
    pub(super) async fn read_anew(&self) -> Result<(), StoreError> {
        if self.state().known.is_read {
            self.read_news().await
        } else {
            self.read_all().await
        }
    }

    /// Reads everything, through the cluster's log.
    pub(super) async fn read_all(&self) -> Result<(), StoreError> {
        self.make(&self.look_at_all()).await.map(|_| ())
    }

    /// Reads what was written since the last look.
    pub(super) async fn read_news(&self) -> Result<(), StoreError> {
        let since = self.state().known.read_until;
        let news = vec![Range::Since(self.layout.all(), since)];
        self.make(&self.look_at(news)).await.map(|_| ())
    }

    /// The transaction that reads, through the cluster's log because it writes.
    fn look_at(&self, read: Vec<Range>) -> Txn {
        Txn {
            put: vec![self.sign_of_life(crate::time::now())],
            read,
            ..Txn::default()
        }
    }

    /// The one that reads everything.
    pub(super) fn look_at_all(&self) -> Txn {
        self.look_at(vec![Range::Prefix(self.layout.all())])
    }

    /// What a transaction writes that has nothing else to write: that this replica lives.
    pub(super) fn sign_of_life(&self, now: Timestamp) -> (String, Vec<u8>) {
        let key = self.layout.instance(&self.instance);
        (key, now.to_string().into_bytes())
    }
}

impl State {
    /// How long to wait before the next question, after one that was asked at `begun` and had no answer.
    fn pause(&mut self, is_silent: bool, begun: Instant) -> Duration {
        if !is_silent {
            self.silent_since = None;
            return Duration::ZERO;
        }
        let since = *self.silent_since.get_or_insert(begun);
        let part = since.elapsed().checked_div(PAUSE_PART);
        part.unwrap_or(LOOK).clamp(LOOK, LONGEST_PAUSE)
    }
}

/// Whether a claim is of that moment, as precisely as it is stored.
fn is_of(since: Timestamp, now: Timestamp) -> bool {
    since.as_millisecond() == now.as_millisecond()
}

/// Whether somebody may still be at what was claimed then.
fn is_recent(since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since).as_secs() < RECENT_SECONDS
}

/// After so many tries; a pause lets others through.
pub(super) async fn too_busy() -> StoreError {
    sleep(LOOK).await;
    StoreError::Unknown("other replicas change the same at every try".to_owned())
}
