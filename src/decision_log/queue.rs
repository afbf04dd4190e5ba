//! What waits to be written. Putting something in never waits for a disk and never fails: what does not
//! fit is counted in its place, and so is what comes too often.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use super::entry::{Entry, Event};

/// Entries that may wait.
pub(super) const CAPACITY: usize = 4_096;
/// Requests that were refused before a slot was asked for anybody can send: of each code this many are
/// listed in each [`WINDOW`], or they would push the claims out of the log. The others are counted.
pub(super) const LISTED: u64 = 30;
/// See [`LISTED`].
pub(super) const WINDOW: Duration = Duration::from_mins(1);

/// What came of one code in the present window.
#[derive(Clone, Copy, Debug)]
struct Window {
    begun: Instant,
    listed: u64,
    counted: u64,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    windows: BTreeMap<&'static str, Window>,
    closing: bool,
}

/// What the writer gets.
#[derive(Debug)]
pub(super) struct Taken {
    /// In the order in which they came; none if the writer wanted none.
    pub(super) entries: VecDeque<Entry>,
    /// Whether this is the end.
    pub(super) closing: bool,
}

/// The queue between those who decide and the one who writes.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    dropped: Counter,
}

impl Queue {
    /// An empty queue; `dropped` counts what did not fit.
    pub(super) fn new(dropped: Counter) -> Self {
        Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            dropped,
        }
    }

    /// Puts an entry in, or counts it in the gap at the end of a full queue.
    pub(super) fn push(&self, entry: Entry) {
        let mut state = self.lock();
        self.put(&mut state, entry);
        drop(state);
        self.wake.notify_one();
    }

    /// The same for what anybody can cause, at most [`LISTED`] of a code in a [`WINDOW`].
    pub(super) fn push_limited(&self, code: &'static str, entry: Entry) {
        let mut state = self.lock();
        let window = self.window(&mut state, code);
        if window.listed < LISTED {
            window.listed = window.listed.saturating_add(1);
            self.put(&mut state, entry);
        } else {
            window.counted = window.counted.saturating_add(1);
        }
        drop(state);
        // Also for a count: the writer may sleep without end until the first of a window.
        self.wake.notify_one();
    }

    /// Counts what is never listed one by one.
    pub(super) fn count(&self, code: &'static str) {
        let mut state = self.lock();
        let window = self.window(&mut state, code);
        window.counted = window.counted.saturating_add(1);
        drop(state);
        self.wake.notify_one();
    }

    /// Ends the queue: the next [`Self::take`] is the last.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    /// Waits until there is something, or until `until`, or the end. Without `wanted` entries stay where
    /// they are. Blocking.
    pub(super) fn take(&self, until: Option<Instant>, wanted: bool) -> Taken {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let closing = state.closing;
            let count_due = self.say_counts(&mut state, |window| {
                closing || now.saturating_duration_since(window.begun) >= WINDOW
            });
            if closing || (wanted && !state.entries.is_empty()) {
                let entries = if wanted || closing {
                    std::mem::take(&mut state.entries)
                } else {
                    VecDeque::new()
                };
                return Taken { entries, closing };
            }
            let due = [until, count_due].into_iter().flatten().min();
            match due.map(|due| due.saturating_duration_since(now)) {
                Some(Duration::ZERO) => {
                    return Taken {
                        entries: VecDeque::new(),
                        closing: false,
                    };
                }
                Some(wait) => {
                    let woken = self.wake.wait_timeout(state, wait);
                    state = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => {
                    let woken = self.wake.wait(state);
                    state = woken.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn put(&self, state: &mut State, entry: Entry) {
        if state.entries.len() < CAPACITY {
            state.entries.push_back(entry);
            return;
        }
        self.dropped.inc();
        // Only the gap itself may stand beyond the capacity.
        let gap = state
            .entries
            .back_mut()
            .filter(|last| last.event == Event::Gap && state_is_over(last));
        match gap {
            Some(gap) => gap.count = gap.count.map(|count| count.saturating_add(1)),
            None => state.entries.push_back(Entry::gap(Some(1), OVERFLOW)),
        }
    }

    /// The window of `code`, a new one if the last is over.
    fn window<'s>(&self, state: &'s mut State, code: &'static str) -> &'s mut Window {
        let now = Instant::now();
        self.say_counts(state, |window| {
            now.saturating_duration_since(window.begun) >= WINDOW
        });
        state.windows.entry(code).or_insert(Window {
            begun: now,
            listed: 0,
            counted: 0,
        })
    }

    /// Ends the windows that are over, with an entry for those that counted something; gives when the
    /// next such one is over.
    fn say_counts(&self, state: &mut State, is_over: impl Fn(&Window) -> bool) -> Option<Instant> {
        let mut over = Vec::new();
        let mut due: Option<Instant> = None;
        state.windows.retain(|code, window| {
            if is_over(window) {
                over.push((*code, window.counted));
                return false;
            }
            if window.counted > 0 {
                let end = window.begun.checked_add(WINDOW);
                due = [due, end].into_iter().flatten().min();
            }
            true
        });
        for (code, counted) in over.into_iter().filter(|(_, counted)| *counted > 0) {
            self.put(state, Entry::gap(Some(counted), COUNTED).coded(code));
        }
        due
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why entries are missing when the writer does not keep up.
pub(super) const OVERFLOW: &str = "the log was not written as fast as entries came";
/// Why entries are missing when somebody asks for nonsense without end.
pub(super) const COUNTED: &str =
    "requests refused before a slot was asked for, beyond those listed or without a key";

fn state_is_over(last: &Entry) -> bool {
    last.reason.as_deref() == Some(OVERFLOW)
}
