//! The real guard over the real store, on a disk in memory that fails when told to or on files, held against
//! what the worlds expect.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::Poll;

use proptest_state_machine::StateMachineTest;

use crate::fixture::second;
use crate::guard::{
    Claim, ClaimError, Permit, Record, Refusal, Scope, SigningGuard, Slot, StoreError,
};
use crate::settings::Chain;
use crate::tezos::{ChainId, Digest, Scheme, Signature};

use super::super::device::{Fault, after_cut};
use super::super::power::luck;
use super::super::*;
use super::asks::{Ask, first_changes};
use super::model::{GAP, Said};
use super::worlds::{Health as Wellness, Reference, Transition, Trouble, World, Worlds};

/// What the store lies on.
#[derive(Clone, Debug)]
enum Ground {
    Memory(Arc<Mutex<Device>>),
    Files,
}

/// The system under test.
#[derive(Debug)]
pub(super) struct System<const TROUBLE: bool> {
    folder: Arc<tempfile::TempDir>,
    ground: Ground,
    running: Option<(Arc<EmbeddedStore>, SigningGuard)>,
    permits: Vec<(Candidate, Permit)>,
    /// Which worlds are still possible.
    possible: Vec<bool>,
    ledger: Ledger,
    runtime: tokio::runtime::Runtime,
}

/// All that anybody was ever told, whatever the worlds say.
#[derive(Debug, Default)]
struct Ledger {
    permitted: HashMap<Slot, (Digest, Scheme)>,
    released: HashMap<Slot, Signature>,
    refused: HashSet<Candidate>,
}

impl Ledger {
    /// At most one payload, at most one signature, and no is no.
    fn note(&mut self, candidate: &Candidate, said: &Said) {
        let bytes = (candidate.digest, candidate.scheme);
        match said {
            Said::Permit { .. } | Said::Signature(_) | Said::Kept(_) => {
                let first = *self.permitted.entry(candidate.slot).or_insert(bytes);
                assert_eq!(first, bytes, "two payloads for {:?}", candidate.slot);
                let refused = self.refused.contains(candidate);
                assert!(!refused, "refused, now {said:?}: {candidate:?}");
            }
            // These end, by the operator's word or by another claim.
            Said::Refused("halted" | "no-watermark" | "too-far")
            | Said::All(_)
            | Said::Done
            | Said::Failed
            | Said::Homeless
            | Said::NoSignature
            | Said::Withheld => {}
            Said::Refused(_) => {
                self.refused.insert(*candidate);
            }
        }
        if let Said::Signature(record) | Said::Kept(record) = said {
            let slot = candidate.slot;
            let first = self
                .released
                .entry(slot)
                .or_insert(record.signature.clone());
            assert_eq!(*first, record.signature, "two signatures for {slot:?}");
        }
    }
}

/// A disk with a store that has the first floors.
static WITH_FLOORS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let device = device_with_store();
    let folder = crate::fixture::folder();
    block_on(async {
        let store = open_over(&folder, database_on(&device).unwrap());
        store.amend(first_changes(), second(1_000)).await.unwrap();
    });
    device.bytes()
});

thread_local! {
    /// Where the lock is; made once, because making folders is slow.
    static FOLDER: Arc<tempfile::TempDir> = Arc::new(crate::fixture::folder());
}

impl<const TROUBLE: bool> System<TROUBLE> {
    fn new() -> Self {
        let device = || Device::holding(WITH_FLOORS.clone());
        let (folder, ground) = if TROUBLE {
            let ground = Ground::Memory(Arc::new(Mutex::new(device())));
            (FOLDER.with(Arc::clone), ground)
        } else {
            let folder = Arc::new(crate::fixture::folder());
            std::fs::write(folder.path().join(STORE_FILE), &*WITH_FLOORS).unwrap();
            (folder, Ground::Files)
        };
        let mut system = Self {
            folder,
            ground,
            running: None,
            permits: Vec::new(),
            possible: vec![true],
            ledger: Ledger::default(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
        };
        system.start();
        system
    }

    fn start(&mut self) {
        let store = Arc::new(open(&self.folder));
        if let Ground::Memory(device) = &self.ground {
            let again = Arc::clone(device);
            let reopen = move || reopened(&again);
            begin(&store, reopen().unwrap(), reopen);
        }
        let chain = Chain {
            id: ChainId::MAINNET,
            block_time: Duration::from_secs(6),
            round_increment: Duration::from_secs(3),
        };
        let (_, node) = tokio::sync::watch::channel(None);
        let shared: Arc<EmbeddedStore> = Arc::clone(&store);
        let guard = SigningGuard::new(shared, vec![chain], GAP, node);
        self.running = Some((store, guard));
    }

    /// Ends the process: its permits and its memory go.
    fn stop(&mut self) {
        self.permits.clear();
        self.running = None;
    }

    fn parts(&self) -> (&EmbeddedStore, &SigningGuard) {
        let (store, guard) = self.running.as_ref().unwrap();
        (store, guard)
    }

    fn set_fault(&self, fault: Fault) {
        if let Ground::Memory(device) = &self.ground {
            device.lock().unwrap().set_fault(fault);
        }
    }

    /// What is on the disk after a power cut now.
    fn cut(&self, seed: u64) {
        if let Ground::Memory(device) = &self.ground {
            let mut device = device.lock().unwrap();
            let (origin, journal) = device.history();
            *device = Device::holding(after_cut(&origin, &journal, luck(seed)));
        }
    }

    fn perform(&mut self, ask: &Ask, trouble: Trouble) -> Said {
        self.set_fault(match trouble {
            Trouble::Nothing => Fault::Nothing,
            Trouble::Sync(good) => Fault::Sync(good),
            Trouble::SpaceAtSync(good) => Fault::FullSync(good),
            Trouble::Space(good) | Trouble::Kill(good) => Fault::Write(good),
        });
        let said = self.ask(ask);
        if let Trouble::Kill(_) = trouble {
            self.stop();
            self.set_fault(Fault::Nothing);
            self.start();
        }
        self.set_fault(Fault::Nothing);
        said
    }

    fn ask(&mut self, ask: &Ask) -> Said {
        match ask {
            Ask::Claim(candidate) => self.claims(std::slice::from_ref(candidate)).remove(0),
            Ask::Claims(candidates) => Said::All(self.claims(candidates)),
            Ask::Record(candidate, record) => {
                let said = self.record(*candidate, record);
                self.ledger.note(candidate, &said);
                said
            }
            Ask::Replay(candidate) => {
                let replayed = self.parts().1.replay(candidate);
                let said = replayed.map_or(Said::NoSignature, Said::Signature);
                self.ledger.note(candidate, &said);
                said
            }
            Ask::Amend(changes) => {
                let amended = self.parts().0.amend(changes.clone(), second(1_000));
                match self.runtime.block_on(amended) {
                    Ok(()) => Said::Done,
                    Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => Said::Failed,
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
    }

    /// Asks the guard for all of them before it waits for the first answer.
    fn claims(&mut self, candidates: &[Candidate]) -> Vec<Said> {
        let guard = self.parts().1;
        let claims = candidates
            .iter()
            .map(|candidate| guard.claim(*candidate, second(1_000)));
        let answers = self.runtime.block_on(together(claims.collect()));
        let mut said = Vec::new();
        for (candidate, answer) in candidates.iter().zip(answers) {
            let (heard, permit) = heard(candidate, answer);
            self.ledger.note(candidate, &heard);
            self.permits
                .extend(permit.map(|permit| (*candidate, permit)));
            said.push(heard);
        }
        said
    }

    /// With the permit for it if there is one, as the proxy does.
    fn record(&mut self, candidate: Candidate, record: &Record) -> Said {
        let mut permits = self.permits.iter();
        let index = permits.position(|(permitted, _)| *permitted == candidate);
        let permit = index.map(|index| self.permits.swap_remove(index).1);
        let (store, guard) = self.parts();
        let kept = self.runtime.block_on(async {
            match permit {
                Some(permit) => {
                    let (signature, signer) = (record.signature.clone(), &record.signer);
                    guard.record(permit, signature, signer, record.at).await
                }
                None => store.record(candidate, record.clone()).await,
            }
        });
        match kept {
            Ok(record) => Said::Kept(record),
            Err(StoreError::Homeless) => Said::Homeless,
            Err(StoreError::Withheld(_)) => Said::Withheld,
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => Said::Failed,
        }
    }

    /// Lets the committer look for space, and waits until it has.
    fn look_for_space(&self) {
        let store = self.parts().0;
        store.try_recover();
        // The committer does one thing after the other; this one does nothing.
        drop(
            self.runtime
                .block_on(store.amend(Vec::new(), second(1_000))),
        );
        let queue = read(&store.shared.queue).clone().unwrap();
        let (reply, answer) = oneshot::channel();
        self.runtime.block_on(async {
            let nothing = Operation::Amend(Vec::new(), second(1_000), reply);
            queue.send(nothing).await.ok().unwrap();
            drop(answer.await);
        });
    }

    /// What `world` expects, and whether memory is as it says.
    fn against(&self, world: &World) -> String {
        let memory = world.memory.is(&read(&self.parts().0.shared.memory).book);
        let World { said, health, .. } = world;
        format!("{said:?}, {health:?}; memory is the same: {memory}")
    }

    /// Whether what is seen from outside is what `world` expects.
    fn is(&self, world: &World, said: &Said) -> bool {
        let store = self.parts().0;
        let condition = if world.health == Wellness::Well && !world.memory.is_sealed() {
            Condition::Ready
        } else {
            Condition::Refusing
        };
        world.said == *said
            && world.memory.is(&read(&store.shared.memory).book)
            && store.report().condition == condition
    }
}

/// The disk as the next reader finds it: copied and synced, so all that is seen is safe.
fn reopened(device: &Mutex<Device>) -> Result<Loaded, Ailment> {
    let mut device = device.lock().unwrap();
    *device = Device::holding(device.bytes());
    let database = database_on(&device).map_err(|error| error.to_string())?;
    read_database(database, |_, _| Ok(()))
}

/// What the guard said, and the permit if it gave one.
fn heard(candidate: &Candidate, answer: Result<Claim, ClaimError>) -> (Said, Option<Permit>) {
    let said = match answer {
        Ok(Claim::Permitted(permit)) => {
            assert_eq!(*permit.scope(), Scope::Slot(*candidate));
            let again = permit.claimed_before().is_some();
            return (Said::Permit { again }, Some(permit));
        }
        Ok(Claim::Recorded(record)) => Said::Signature(record),
        Err(ClaimError::TooFar(_)) => Said::Refused("too-far"),
        Err(ClaimError::Refused(refusal)) => Said::Refused(Refusal::reason(&refusal)),
        Err(ClaimError::Store(StoreError::Unavailable(_))) => Said::Failed,
        Err(ClaimError::Store(error)) => panic!("{error:?}"),
    };
    (said, None)
}

/// Polls all in order, so that they are asked in order, until the last is done.
async fn together<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<Pin<Box<_>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().any(Option::is_none) {
            return Poll::Pending;
        }
        Poll::Ready(done.iter_mut().map(|done| done.take().unwrap()).collect())
    })
    .await
}

impl<const TROUBLE: bool> StateMachineTest for System<TROUBLE> {
    type SystemUnderTest = Self;
    type Reference = Reference<TROUBLE>;

    fn init_test(_: &Worlds) -> Self {
        Self::new()
    }

    fn apply(mut system: Self, worlds: &Worlds, transition: Transition) -> Self {
        let said = match &transition {
            Transition::Do(ask, trouble) => system.perform(ask, *trouble),
            Transition::PowerCut(seed) => {
                system.stop();
                system.cut(*seed);
                system.start();
                Said::Done
            }
            Transition::Restart => {
                system.stop();
                system.start();
                Said::Done
            }
            Transition::Space => {
                system.look_for_space();
                Said::Done
            }
        };
        let before = std::mem::take(&mut system.possible);
        let possible = |world: &World| before[world.parent] && system.is(world, &said);
        let possible: Vec<bool> = worlds.all.iter().map(possible).collect();
        if !possible.contains(&true) {
            let left = worlds.all.iter().filter(|world| before[world.parent]);
            let expected: Vec<_> = left.map(|world| system.against(world)).collect();
            let condition = system.parts().0.report().condition;
            panic!("{transition:?} gave {said:?}, {condition}; expected {expected:#?}");
        }
        system.possible = possible;
        system
    }
}
