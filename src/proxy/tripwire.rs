//! Halts a key when a signer shows that somebody else signs with it.
//!
//! One sighting is enough: the other bytes may be on the chain already, and one more signature of ours
//! beside them can cost the stake. Only an operator resumes the key. A halt that the store cannot make durable
//! now is kept in memory and tried again; nothing is claimed or recorded for the key until it is durable.
//! Invariant: what was seen is in memory before whoever saw it goes on, and leaves it only for the store. It is
//! bounded by the keys and kinds that there are.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, Notify};

use crate::guard::{Account, Slot, StoreError, Stream, WatermarkStore};
use crate::signer::{Lookout, Sighting};
use crate::task::Tasks;
use crate::tezos::Position;

use super::Proxy;

/// How often a halt that could not be made durable is tried again by itself; each claim tries too.
const RETRY: Duration = Duration::from_secs(1);
/// One try is given this long; it goes on in the store, and the next one finds what became of it.
const TRY: Duration = Duration::from_secs(5);

/// Halts that are not durable yet.
#[derive(Debug)]
pub struct DueHalts {
    store: Arc<dyn WatermarkStore>,
    due: Mutex<HashMap<Account, Due>>,
    /// Somebody saw something.
    woken: Notify,
    /// One at a time is made durable, so that each is noted once.
    turn: Turn<()>,
}

/// What was seen of one key.
#[derive(Clone, Debug)]
struct Due {
    first: Sighting,
    /// The highest slot of each kind: the claims up to it end.
    seen: BTreeMap<Stream, Position>,
    /// Whether the key was halted before.
    was_halted: bool,
    /// Whether the log has it that it is not durable.
    told: bool,
}

impl Due {
    fn slots(&self) -> Vec<Slot> {
        let seen = self.seen.iter();
        seen.map(|(stream, position)| Slot {
            stream: *stream,
            position: *position,
        })
        .collect()
    }
}

impl DueHalts {
    /// None yet. `store` knows what was claimed.
    #[must_use]
    pub fn new(store: Arc<dyn WatermarkStore>) -> Self {
        Self {
            store,
            due: Mutex::default(),
            woken: Notify::new(),
            turn: Turn::default(),
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<Account, Due>) -> T) -> T {
        change(&mut self.due.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn of(&self, account: Account) -> Option<Due> {
        self.with(|due| due.get(&account).cloned())
    }

    fn accounts(&self) -> Vec<Account> {
        self.with(|due| due.keys().copied().collect())
    }

    fn keep(&self, sighting: Sighting) {
        let Slot { stream, position } = sighting.slot;
        let was_halted = self.store.account(stream.into()).halt.is_some();
        self.with(|due| {
            let due = due.entry(stream.into()).or_insert_with(|| Due {
                first: sighting,
                seen: BTreeMap::new(),
                was_halted,
                told: false,
            });
            let highest = due.seen.entry(stream).or_insert(position);
            *highest = position.max(*highest);
        });
        self.woken.notify_one();
    }

    /// `made` is durable; what was seen since stays due.
    fn settled(&self, account: Account, made: &Due) {
        self.with(|due| {
            if due.get(&account).is_some_and(|now| now.seen == made.seen) {
                due.remove(&account);
            }
        });
    }

    /// Whether this is the first failure for `account`.
    fn first_failure(&self, account: Account) -> bool {
        let told = |due: &mut Due| std::mem::replace(&mut due.told, true);
        self.with(|due| due.get_mut(&account).is_some_and(|due| !told(due)))
    }
}

impl Lookout for DueHalts {
    fn may_be_ours(&self, slot: &Slot) -> bool {
        self.store.has_sibling(slot)
    }

    fn seen_late(&self, sighting: Sighting) {
        self.keep(sighting);
    }
}

/// Makes a halt of `account` durable that could not be before. Nothing may be claimed or recorded for it on an
/// error. Cancel-safe.
pub(super) async fn settle(proxy: &Proxy, account: Account) -> Result<(), StoreError> {
    let Some(due) = proxy.due_halts.of(account) else {
        return Ok(());
    };
    make(proxy, account).await.map_err(|error| {
        let sighting = due.first;
        StoreError::Unavailable(format!(
            "somebody else signs with this key, and that cannot be made durable ({error}): {sighting}"
        ))
    })
}

/// Halts the key of `sighting` and says so. From now on nothing is claimed for it, whether the store can be
/// written or not.
pub(super) async fn halt(proxy: &Proxy, sighting: &Sighting) {
    proxy.due_halts.keep(sighting.clone());
    // It stays due: nothing is claimed for the key, and it is tried again.
    drop(make(proxy, sighting.slot.stream.into()).await);
}

async fn make(proxy: &Proxy, account: Account) -> Result<(), StoreError> {
    let _turn = proxy.due_halts.turn.lock().await;
    let Some(due) = proxy.due_halts.of(account) else {
        return Ok(());
    };
    let Account { chain, key } = account;
    let sighting = &due.first;
    let (slots, reason) = (due.slots(), sighting.to_string());
    let made = proxy.guard.halt(account, &slots, reason, sighting.at).await;
    match &made {
        Ok(()) => {
            proxy.due_halts.settled(account, &due);
            // Whoever asked for it may be gone, and a try that was cut may have made it.
            if !due.was_halted {
                tracing::error!(%key, %chain, signer = sighting.signer, reason = %sighting, "key halted, somebody else signs with it");
            }
        }
        Err(error) => {
            if proxy.due_halts.first_failure(account) {
                tracing::error!(%key, %chain, reason = %sighting, %error, "somebody else signs with this key, and the halt is not durable yet");
            }
        }
    }
    made
}

/// Makes durable what was seen, as soon as the store can. Until shutdown, then once more.
pub async fn watch(proxy: Arc<Proxy>, tasks: Tasks) {
    let shutdown = tasks.shutdown();
    loop {
        let waiting = !proxy.due_halts.accounts().is_empty();
        let is_last = tokio::select! {
            () = shutdown.cancelled() => true,
            () = proxy.due_halts.woken.notified() => false,
            () = tokio::time::sleep(RETRY), if waiting => false,
        };
        for account in proxy.due_halts.accounts() {
            // An error is told once, and it is tried again.
            drop(tokio::time::timeout(TRY, make(&proxy, account)).await);
        }
        if is_last {
            return;
        }
    }
}
