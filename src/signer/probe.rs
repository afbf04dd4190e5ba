//! Health probes: a full round trip that shows a public key, one key a tick in turn.
//!
//! Never a signature and never a call that touches the device. A connect alone proves nothing: sshd
//! accepts for a client that is gone.

mod deep;
mod judge;
#[cfg(test)]
pub(in crate::signer) mod listed;
mod vigil;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::settings::Probe as Settings;
use crate::task::Tasks;
use crate::tezos::{PublicKey, PublicKeyHash, wire};

use super::board::Reader;
use super::cause::Cause;
use super::chance::Chance;
use super::client::{Gate, Outgoing, Question};
use super::health::{Observation, PathState};
use judge::{Reply, Seen};

use super::roster::{Path, Roster, Served, Signer};
use vigil::{Late, Quiet};

/// Carries the instance that sent a probe; a proxy that gets its own back is asked through itself.
pub const INSTANCE_HEADER: HeaderName = HeaderName::from_static("x-signer-proxy-instance");

/// What a probe of our own is told where it arrives.
pub const LOOPED: &str = "this probe was sent by this very proxy: a path leads back to it";

/// The key that stands for the instance of a proxy where no header can say it: nobody has it, and a proxy that is
/// asked for its own knows that it is asked through itself.
#[must_use]
pub fn instance_key(instance: &HeaderValue) -> Option<PublicKeyHash> {
    // A tz1 tag, and as much of the name as fits.
    let mut tagged = [0; PublicKeyHash::TAGGED_LEN];
    let (_, hash) = tagged.split_first_mut()?;
    for (byte, letter) in hash.iter_mut().zip(instance.as_bytes()) {
        *byte = *letter;
    }
    PublicKeyHash::from_tagged(&tagged).ok()
}

/// Between two probes when nothing is up: recovery must be seen at once.
const HURRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(250));
/// The longest time that a probe is given before it counts as missed.
const TIMEOUT_MOST: Duration = Duration::from_secs(2);
/// In so many ticks a key that the signer denied is asked again.
const DENIED_EVERY: usize = 8;
/// In so many ticks a socket that is up is asked whether it leads back to us.
const LOOP_EVERY: usize = 20;
/// How often `/authorized_keys` of a signer is read anew.
const AUTHORIZED_KEYS_PERIOD: Duration = Duration::from_secs(10);

/// Where probes learn what to ask and leave what they learn.
pub trait MetadataSink: std::fmt::Debug + Send + Sync {
    /// Keys to probe with.
    fn keys(&self) -> Vec<PublicKeyHash>;
    /// A public key that hashes to `key` was shown by a signer.
    fn learned(&self, key: PublicKeyHash, public_key: PublicKey);
    /// A signer that has just proved a key answered `/authorized_keys`.
    fn authorized_keys(&self, signer: &Signer, answer: wire::AuthorizedKeys);
}

/// Probes all paths, each by a task of its own.
#[derive(Debug)]
pub struct Prober {
    roster: Arc<Roster>,
    sink: Arc<dyn MetadataSink>,
    settings: Settings,
    instance: HeaderValue,
    /// Raised when lists of authorized keys must be read anew at once.
    list_generation: AtomicU64,
}

impl Prober {
    /// A prober that marks its probes with `instance`.
    #[must_use]
    pub fn new(
        roster: Arc<Roster>,
        sink: Arc<dyn MetadataSink>,
        settings: Settings,
        instance: HeaderValue,
    ) -> Self {
        Self {
            roster,
            sink,
            settings,
            instance,
            list_generation: AtomicU64::new(0),
        }
    }

    /// Makes every probe read `/authorized_keys` at its next tick: a signer has begun to demand it.
    pub fn refresh_authorized_keys(&self) {
        self.list_generation.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn roster(&self) -> &Roster {
        &self.roster
    }

    pub(super) fn sink(&self) -> &dyn MetadataSink {
        &*self.sink
    }

    /// Starts a task for each path, and for each signer with a deep probe; they end at shutdown.
    pub fn start(self: &Arc<Self>, tasks: &Tasks) {
        for (signer, path) in self.roster.paths() {
            let (prober, signer, path) = (Arc::clone(self), Arc::clone(signer), Arc::clone(path));
            let shutdown = tasks.shutdown();
            tasks.spawn("probe", async move {
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => {}
                    () = prober.run(&signer, &path) => {}
                }
            });
        }
        for signer in self.roster.signers() {
            let Some(settings) = signer.settings().deep_probe.clone() else {
                continue;
            };
            let (prober, signer) = (Arc::clone(self), Arc::clone(signer));
            let shutdown = tasks.shutdown();
            tasks.spawn("deep probe", async move {
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => {}
                    () = prober.look_deep(&signer, &settings) => {}
                }
            });
        }
    }

    async fn run(&self, signer: &Arc<Signer>, path: &Arc<Path>) {
        let mut turn: usize = 0;
        let mut list_read: Option<(Instant, u64)> = None;
        let mut board = self.roster.board();
        let mut late = Late::default();
        let mut quiet = Quiet::default();
        loop {
            let begun = Instant::now();
            let seen = self.probe(signer, path, turn, &mut late).await;
            let answered = matches!(seen.observation, Some(Observation::Hit));
            let said = seen.observation.is_some();
            let is_silent = matches!(seen.observation, Some(Observation::Miss(Cause::Silent)));
            self.observe(signer, path, begun, seen.observation);
            let generation = self.list_generation.load(Ordering::Acquire);
            let due = list_read.is_none_or(|(at, read)| {
                at.elapsed() >= AUTHORIZED_KEYS_PERIOD || read != generation
            });
            if answered && due && self.read_authorized_keys(signer, path, seen.proved).await {
                list_read = Some((Instant::now(), generation));
            }
            turn = turn.wrapping_add(1);
            if is_silent && vigil::is_due(path) && late.is_accepted() {
                self.keep_vigil(signer, path, &mut late, &mut quiet).await;
                continue;
            }
            if said && !is_silent {
                quiet = Quiet::default();
            }
            // It would keep the next probe and signatures from their connection.
            if path.client().saturated() {
                late.give_up();
            }
            if !(answered && self.is_curious(signer)) {
                let late = (begun, &mut late);
                self.pause(signer, path, &mut board, late).await;
            }
        }
    }

    /// Takes in what a probe that began at `begun` saw.
    fn observe(
        &self,
        signer: &Signer,
        path: &Path,
        begun: Instant,
        observation: Option<Observation>,
    ) {
        match observation {
            None => {}
            // A busy device may be slow to answer anything: that is no miss. It does not close ports.
            Some(Observation::Miss(Cause::Silent))
                if signer.is_signing() || signer.signed_since(begun) =>
            {
                path.note_miss();
            }
            Some(observation) => self.roster.probed(signer, path, observation),
        }
    }

    /// Waits for the next tick after the one that began at `begun`; when everything goes down meanwhile, the
    /// tick comes sooner. The answer to a probe that was given up as missed is taken in when it comes: the
    /// path is slow, not dead.
    async fn pause(
        &self,
        signer: &Signer,
        path: &Path,
        board: &mut Reader,
        (begun, late): (Instant, &mut Late),
    ) {
        let chance = self.roster.chance();
        loop {
            let pause = if self.roster.is_urgent(signer) {
                between(chance, HURRY.0, HURRY.1)
            } else {
                let tenth = self.settings.period.checked_div(10).unwrap_or_default();
                between(
                    chance,
                    self.settings.period.saturating_sub(tenth),
                    self.settings.period.saturating_add(tenth),
                )
            };
            let until = begun.checked_add(pause).unwrap_or(begun);
            tokio::select! {
                biased;
                reply = late.next() => self.take_in_late(signer, path, reply.as_ref()),
                () = board.changed() => {}
                () = tokio::time::sleep_until(until) => return,
            }
        }
    }

    /// An answer to a probe that has counted as missed; that it failed says nothing more.
    fn take_in_late(&self, signer: &Signer, path: &Path, reply: Option<&Reply>) {
        let Some(reply) = reply else { return };
        match self.take_in(signer, path, reply).observation {
            Some(Observation::Miss(_)) | None => {}
            Some(seen @ (Observation::Hit | Observation::Eject(_))) => {
                self.roster.probed(signer, path, seen);
            }
        }
    }

    /// Four smoothed round trips, within bounds: far is not dead.
    fn timeout(&self, path: &Path) -> Duration {
        let by_round_trip = path.round_trip().unwrap_or_default().saturating_mul(4);
        self.settings.timeout.max(by_round_trip.min(TIMEOUT_MOST))
    }

    /// Keys that this signer was never asked for come first; then all it has, in turn. Now and then one
    /// that it denied: keys are added to signers.
    fn key_in_turn(&self, signer: &Signer, turn: usize) -> Option<PublicKeyHash> {
        let all = self.sink.keys();
        let nth = |served: Served, n: usize| {
            let keys: Vec<_> = all
                .iter()
                .filter(|key| signer.serves(**key) == served)
                .collect();
            n.checked_rem(keys.len())
                .and_then(|index| keys.get(index).map(|key| **key))
        };
        let again = turn.checked_div(DENIED_EVERY).unwrap_or_default();
        let denied = nth(Served::Denied, again);
        nth(Served::Unknown, turn)
            .or(denied.filter(|_| turn.is_multiple_of(DENIED_EVERY)))
            .or_else(|| nth(Served::Proved, turn))
            .or(denied)
    }

    /// Whether the next probe has something to find out that requests may wait for.
    fn is_curious(&self, signer: &Signer) -> bool {
        self.sink
            .keys()
            .iter()
            .any(|key| signer.serves(*key) == Served::Unknown)
    }

    /// Whether a path ends at this very proxy. Over HTTP a header of the probe itself shows it; on a socket one
    /// question more does, for a key that only we know of: before the path takes work, and now and then while it does, for
    /// a socket's name may come to mean another. Nothing when it stays open.
    async fn leads_back(&self, path: &Path, turn: usize) -> Option<bool> {
        let is_due = path.state() != PathState::Up || turn.is_multiple_of(LOOP_EVERY);
        if path.url().is_http() || !is_due {
            return Some(false);
        }
        let Some(key) = instance_key(&self.instance) else {
            return Some(false);
        };
        let (outgoing, gate) = (Outgoing::ask(Question::PublicKey(key)), Gate::open());
        let asked = tokio::time::timeout(self.timeout(path), path.client().send(&outgoing, &gate));
        let Ok(Ok(answer)) = asked.await else {
            // That it fails is the next question's to find, which also takes in what comes late from far away.
            return Some(false);
        };
        let words = wire::decode_error(&answer.body).unwrap_or_default();
        // A proxy that has no time may be this one.
        (!words.contains("[overload]")).then(|| words.contains(LOOPED))
    }

    async fn probe(
        &self,
        signer: &Arc<Signer>,
        path: &Arc<Path>,
        turn: usize,
        late: &mut Late,
    ) -> Seen {
        if let Some(hung) = path.client().hung_for() {
            // Traffic shows the path's health, and the probe would only wait behind it. The signer may be
            // what hangs: no probe has found the path dead.
            if hung > self.timeout(path).max(signer.excuse()) {
                let silent = Observation::Miss(Cause::Silent);
                self.roster.observe(signer, path, silent);
            }
            return Seen::NOTHING;
        }
        match self.leads_back(path, turn).await {
            Some(true) => return Seen::of(Observation::Eject(Cause::LeadsToItself)),
            Some(false) => {}
            None => return Seen::NOTHING,
        }
        let key = self.key_in_turn(signer, turn);
        let (begun, gate) = (Instant::now(), Gate::open());
        let mut exchange = JoinSet::new();
        let asking = ask(Arc::clone(path), key, self.instance.clone(), gate.clone());
        exchange.spawn(asking);
        let asked = async {
            loop {
                tokio::select! {
                    biased;
                    reply = late.next() => self.take_in_late(signer, path, reply.as_ref()),
                    answer = exchange.join_next() => return answer,
                }
            }
        };
        match tokio::time::timeout(self.timeout(path), asked).await {
            Ok(Some(Ok(reply))) => self.take_in(signer, path, &reply),
            Ok(Some(Err(_)) | None) => Seen::NOTHING,
            Err(_) => {
                late.keep(exchange, begun, gate);
                Seen::missed(Cause::Silent)
            }
        }
    }
}

/// One exchange of a probe, without a limit of its own.
async fn ask(
    path: Arc<Path>,
    key: Option<PublicKeyHash>,
    instance: HeaderValue,
    gate: Gate,
) -> Reply {
    let question = key.map_or(Question::AuthorizedKeys, Question::PublicKey);
    let header = Some((INSTANCE_HEADER, instance));
    let outgoing = Outgoing {
        header,
        ..Outgoing::ask(question)
    };
    let begun = Instant::now();
    let answer = path.client().send(&outgoing, &gate).await;
    Reply {
        key,
        // What a dead connection took is no distance.
        round_trip: (gate.sends() <= 1).then(|| begun.elapsed()),
        answer: answer.map_err(|error| error.cause),
    }
}

/// A random length between the two, so that probes do not march in step.
fn between(chance: &dyn Chance, least: Duration, most: Duration) -> Duration {
    let spread = most.saturating_sub(least);
    least.saturating_add(
        spread
            .saturating_mul(u32::from(chance.byte()))
            .checked_div(255)
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests;
