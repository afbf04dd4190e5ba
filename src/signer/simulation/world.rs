//! One world from its first event to its last: the real roster, prober, attempts and guard over a network and
//! signers in memory.

mod build;
mod end;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::fixture::second;
use crate::guard::{SigningGuard, Slot as GuardSlot};
use crate::task::Tasks;
use crate::telemetry::Metrics;
use crate::tezos::SecretKey;

use super::super::attempts::{Attempts, Lookout, Sighting};
use super::super::board::Board;
use super::super::health::SignerState;
use super::super::roster::{Roster, Signer};
use super::faults::{Fault, Trouble};
use super::network::Network;
use super::options::{BEGIN, Mistake, Options};
use super::trace::{Entry, Event, Reason, Trace};

/// After the last fault everything is well again within this time: the longest pause between two trials of a
/// blamed signer, and some levels with votes to try it with.
const RECOVERY: Duration = Duration::from_mins(1);
/// A world goes on for so long after everything is well.
const WELL: Duration = Duration::from_secs(6);
/// Between two looks at whether it is.
const LOOK: Duration = Duration::from_millis(250);

/// What all parts of a world share.
pub(super) struct World {
    pub(super) options: Arc<Options>,
    pub(super) trace: Arc<Trace>,
    pub(super) secrets: Arc<Vec<SecretKey>>,
    pub(super) roster: Arc<Roster>,
    pub(super) attempts: Attempts,
    guard: SigningGuard,
    /// Over a store of its own; see [`Mistake::TwoStores`].
    other_guard: SigningGuard,
    /// The requests of bakers.
    pub(super) requests: Tasks,
    asked: AtomicUsize,
    is_over: AtomicBool,
}

/// Tasks by what they are for: each sort ends at its own time.
#[derive(Default)]
struct AllTasks {
    bakers: Tasks,
    probes: Tasks,
    connections: Tasks,
    losers: Tasks,
    far: Tasks,
    states: Tasks,
}

/// Nobody else uses these keys.
#[derive(Debug)]
struct NobodyElse(Arc<Trace>);

impl Lookout for NobodyElse {
    fn may_be_ours(&self, _: &GuardSlot) -> bool {
        false
    }

    fn seen_late(&self, sighting: Sighting) {
        self.0.note(Event::Broken(sighting.to_string()));
    }
}

impl World {
    /// A number for the next request.
    pub(super) fn number(&self) -> usize {
        self.asked.fetch_add(1, Ordering::Relaxed)
    }

    /// The guard that is asked for a request.
    pub(super) fn guard_for(&self, reason: Reason) -> &SigningGuard {
        let is_twin = reason == Reason::Twin;
        if is_twin && self.options.mistake == Some(Mistake::TwoStores) {
            &self.other_guard
        } else {
            &self.guard
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Lets time pass until `at`.
    pub(super) async fn until(&self, at: Duration) {
        tokio::time::sleep_until(self.trace.instant(at)).await;
    }

    /// Waits until everything is well again, and a little longer.
    async fn settle(&self) {
        let last = self.options.quiet_from() + RECOVERY;
        while !self.is_well() {
            if self.trace.now() > last {
                let signers = self.roster.signers().iter();
                let causes: Vec<_> = signers.map(|it| (it.state(), it.cause())).collect();
                let broken = format!("not everything recovered: {causes:?}");
                self.trace.note(Event::Broken(broken));
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        tokio::time::sleep(WELL).await;
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn is_well(&self) -> bool {
        // Without a key it cannot show what it is.
        let is_up = |signer: &Arc<Signer>| {
            let keyless = self.options.signers[signer.index()].keys.is_empty();
            signer.state() == SignerState::Up && (signer.is_well() || keyless)
        };
        self.roster.signers().iter().all(is_up)
    }

    /// Makes the faults happen that are not looked up.
    async fn make_faults(&self, network: &Network, edges: &Board) {
        let faults = &self.options.faults;
        let mut times: Vec<_> = faults.iter().flat_map(|it| [it.from, it.to]).collect();
        times.sort();
        times.dedup();
        for time in times {
            self.until(time).await;
            for (fault, it) in faults.iter().enumerate() {
                let begins = it.from == time;
                if begins || it.to == time {
                    self.trace.note(Event::Fault { fault, begins });
                }
                if begins && it.trouble.ends_connections() {
                    network.end_connections(it.signer, it.path);
                }
                if it.trouble == Trouble::Drain && (begins || it.to == time) {
                    let drains = |other: &Fault| {
                        let mine = other.signer == it.signer && other.trouble == Trouble::Drain;
                        mine && other.from <= time && time < other.to
                    };
                    let since = faults.iter().any(drains).then(|| second(1_000));
                    if let Some(signer) = self.roster.signers().get(it.signer) {
                        self.roster.set_draining(signer.name(), since).unwrap();
                    }
                }
            }
            edges.tell();
        }
    }

    /// Notes each change of state.
    async fn watch_states(&self) {
        let mut board = self.roster.board();
        let mut known = Vec::new();
        loop {
            let mut seen = Vec::new();
            for (index, signer) in self.roster.signers().iter().enumerate() {
                let state = signer.state().name();
                seen.push(Event::Signer {
                    signer: index,
                    state,
                });
                for path in signer.paths() {
                    seen.push(Event::Path {
                        signer: index,
                        path: path.index(),
                        state: path.state().name(),
                    });
                }
            }
            for event in &seen {
                if !known.contains(event) {
                    self.trace.note(event.clone());
                }
            }
            known = seen;
            board.changed().await;
        }
    }
}

/// Lives through the world of `options`; what happened, in order.
pub(super) async fn live(options: Options) -> Vec<Entry> {
    let (tasks, metrics) = (AllTasks::default(), Arc::new(Metrics::new()));
    let (world, network, edges) = build::build(options, &tasks, &metrics).await;
    let (watching, shutdown) = (Arc::clone(&world), tasks.states.shutdown());
    tasks.states.spawn("states", async move {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = watching.watch_states() => {}
        }
    });
    if world.options.mistake == Some(Mistake::StopsProbes) {
        world.until(BEGIN).await;
        tasks.probes.begin_shutdown();
    }
    world.make_faults(&network, &edges).await;
    world.settle().await;
    end::end(&world, &tasks, &metrics).await;
    world.trace.take()
}
