//! A leader that comes while requests wait for one.
//!
//! A member without a leader drops what it is asked and says nothing for seconds; a frozen one says nothing at all. So
//! while some request waits for longer than a healthy cluster takes, all members are asked whether there is a new
//! leader, which each answers from memory, and when there is, everything that waits is asked again at once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::EtcdStore;

/// A request that waits for longer has lost its member or its leader: elections take longer, transactions do not.
const LONG: Duration = Duration::from_millis(150);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Requests that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Since>);

#[derive(Debug, Default)]
struct Since {
    next: u64,
    begun: BTreeMap<u64, Instant>,
}

/// One of them; ends when dropped.
#[derive(Debug)]
pub(super) struct Wait<'w> {
    all: &'w Waiting,
    number: u64,
}

impl Waiting {
    pub(super) fn begin(&self) -> Wait<'_> {
        let mut since = self.lock();
        let number = since.next;
        since.next = number.wrapping_add(1);
        since.begun.insert(number, Instant::now());
        Wait { all: self, number }
    }

    /// For how long the oldest of them waits.
    pub(super) fn longest(&self) -> Option<Duration> {
        let since = self.lock();
        let oldest = since.begun.first_key_value();
        oldest.map(|(_, begun)| begun.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Since> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.all.lock().begun.remove(&self.number);
    }
}

impl EtcdStore {
    /// Looks for leaders for ever.
    pub(super) async fn watch_leaders(&self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if self.waiting.longest().is_some_and(|time| time > LONG) {
                self.gateway.look_for_leader().await;
            }
        }
    }
}
