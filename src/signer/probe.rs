//! Health probes: a full round trip that shows a public key, one key a tick in turn.
//!
//! Never a signature and never a call that touches the device. A connect alone proves nothing: sshd
//! accepts for a client that is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::settings::Probe as Settings;
use crate::task::Tasks;
use crate::tezos::{PublicKey, PublicKeyHash, wire};

use super::cause::Cause;
use super::client::{Answer, Outgoing, Sent};
use super::health::Observation;
use super::roster::{Path, Roster, Served, Signer};

/// Carries the instance that sent a probe; a proxy that gets its own back is asked through itself.
pub const INSTANCE_HEADER: HeaderName = HeaderName::from_static("x-signer-proxy-instance");

/// Between two probes when nothing is up: recovery must be seen at once.
const HURRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(250));
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

/// What a probe's answer says about a path.
struct Seen {
    observation: Observation,
    proved: bool,
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

    /// Starts a task for each path; they end at shutdown.
    pub fn start(self: &Arc<Self>, tasks: &Tasks) {
        for (signer, path) in self.roster.paths() {
            let (prober, signer, path) = (Arc::clone(self), Arc::clone(signer), Arc::clone(path));
            let shutdown = tasks.shutdown();
            tasks.spawn("probe", async move {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = prober.run(&signer, &path) => {}
                }
            });
        }
    }

    async fn run(&self, signer: &Signer, path: &Path) {
        let mut turn: usize = 0;
        let mut list_read: Option<(Instant, u64)> = None;
        let mut board = self.roster.board();
        loop {
            let mut answered = false;
            if let Some(seen) = self.probe(signer, path, turn).await {
                answered = matches!(seen.observation, Observation::Hit);
                // A busy device may be slow to answer anything: that is no miss.
                let busy = signer.is_signing() && matches!(seen.observation, Observation::Miss(_));
                if busy {
                    path.note_miss();
                } else {
                    self.roster.observe(signer, path, seen.observation);
                }
                let generation = self.list_generation.load(Ordering::Acquire);
                let due = list_read.is_none_or(|(at, read)| {
                    at.elapsed() >= AUTHORIZED_KEYS_PERIOD || read != generation
                });
                // A list counts only from a path that has just proved a key; without any key to
                // prove there is nothing to compare with.
                let trusted = seen.proved || self.sink.keys().is_empty();
                if trusted && due && self.read_authorized_keys(signer, path).await {
                    list_read = Some((Instant::now(), generation));
                }
            }
            turn = turn.wrapping_add(1);
            if !(answered && self.is_curious(signer)) {
                self.pause(&mut board).await;
            }
        }
    }

    /// Waits for the next tick; when everything goes down meanwhile, the tick comes sooner.
    async fn pause(&self, board: &mut tokio::sync::watch::Receiver<u64>) {
        let begun = Instant::now();
        loop {
            let pause = if self.roster.all_down() {
                between(HURRY.0, HURRY.1)
            } else {
                let tenth = self.settings.period.checked_div(10).unwrap_or_default();
                between(
                    self.settings.period.saturating_sub(tenth),
                    self.settings.period.saturating_add(tenth),
                )
            };
            let until = begun.checked_add(pause).unwrap_or(begun);
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                changed = board.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn timeout(&self, path: &Path) -> Duration {
        let by_round_trip = path.round_trip().unwrap_or_default().saturating_mul(4);
        self.settings.timeout.max(by_round_trip)
    }

    /// Keys that this signer was never asked for come first; then all in turn.
    fn key_in_turn(&self, signer: &Signer, turn: usize) -> Option<PublicKeyHash> {
        let all = self.sink.keys();
        if let Some(key) = all
            .iter()
            .find(|key| signer.serves(**key) == Served::Unknown)
        {
            return Some(*key);
        }
        let proved: Vec<_> = all
            .iter()
            .copied()
            .filter(|key| signer.serves(*key) == Served::Proved)
            .collect();
        // Now and then a denied key is asked again: keys are added to signers.
        let keys = if proved.is_empty() || turn.is_multiple_of(16) {
            all
        } else {
            proved
        };
        let index = turn.checked_rem(keys.len())?;
        keys.get(index).copied()
    }

    /// Whether the next probe has something to find out that requests may wait for.
    fn is_curious(&self, signer: &Signer) -> bool {
        self.sink
            .keys()
            .iter()
            .any(|key| signer.serves(*key) == Served::Unknown)
    }

    async fn probe(&self, signer: &Signer, path: &Path, turn: usize) -> Option<Seen> {
        if path.client().saturated() {
            // Traffic shows the path's health, and the probe would only wait behind it.
            return None;
        }
        let key = self.key_in_turn(signer, turn);
        let target = match key {
            Some(key) => format!("/keys/{key}"),
            None => "/authorized_keys".to_owned(),
        };
        let header = Some((INSTANCE_HEADER, self.instance.clone()));
        let outgoing = Outgoing {
            header,
            ..Outgoing::get(target)
        };
        let begun = Instant::now();
        let sent = Sent::default();
        let answer = tokio::time::timeout(self.timeout(path), path.client().send(&outgoing, &sent));
        let miss = |cause| {
            Some(Seen {
                observation: Observation::Miss(cause),
                proved: false,
            })
        };
        match answer.await {
            Err(_) => miss(Cause::Silent),
            Ok(Err(error)) => miss(error.cause),
            Ok(Ok(answer)) => {
                path.add_round_trip(begun.elapsed());
                Some(self.judge(signer, key, &answer))
            }
        }
    }

    fn judge(&self, signer: &Signer, key: Option<PublicKeyHash>, answer: &Answer) -> Seen {
        let seen = |observation, proved| Seen {
            observation,
            proved,
        };
        if answer.headers.get(INSTANCE_HEADER) == Some(&self.instance) {
            return seen(Observation::Eject(Cause::LeadsToItself), false);
        }
        let Some(key) = key else {
            return seen(judge_plain(answer), false);
        };
        if answer.status == StatusCode::NOT_FOUND || answer.status == StatusCode::FORBIDDEN {
            // The signer speaks; it just lacks this key.
            self.roster.served(signer, key, Served::Denied);
            return seen(Observation::Hit, false);
        }
        if answer.status != StatusCode::OK {
            return seen(judge_plain(answer), false);
        }
        match wire::decode_public_key(&answer.body) {
            Ok(public_key) if public_key.hash() == key => {
                self.roster.served(signer, key, Served::Proved);
                self.sink.learned(key, public_key);
                seen(Observation::Hit, true)
            }
            Ok(_) => seen(Observation::Eject(Cause::WrongKey(key)), false),
            Err(error) => seen(Observation::Miss(Cause::Garbage(error.to_string())), false),
        }
    }

    async fn read_authorized_keys(&self, signer: &Signer, path: &Path) -> bool {
        let outgoing = Outgoing::get("/authorized_keys".to_owned());
        let sent = Sent::default();
        let answer = tokio::time::timeout(self.timeout(path), path.client().send(&outgoing, &sent));
        // Only what the list says counts here; a failure is the next probe's to judge.
        let Ok(Ok(answer)) = answer.await else {
            return false;
        };
        let list = match answer.status {
            StatusCode::OK => wire::decode_authorized_keys(&answer.body),
            // A server without the endpoint cannot demand anything.
            StatusCode::NOT_FOUND => Ok(wire::AuthorizedKeys::NotRequired),
            _ => return false,
        };
        let Ok(list) = list else { return false };
        self.sink.authorized_keys(signer, list);
        self.roster.spoken(signer);
        true
    }
}

fn judge_plain(answer: &Answer) -> Observation {
    if answer.status == StatusCode::OK {
        return Observation::Hit;
    }
    let words = wire::decode_error(&answer.body).unwrap_or_default();
    Observation::Miss(Cause::Status(answer.status.as_u16(), words))
}

/// A random length between the two, so that probes do not march in step.
fn between(least: Duration, most: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    // Without randomness the middle will do.
    let share = if getrandom::fill(&mut byte).is_ok() {
        byte[0]
    } else {
        128
    };
    let spread = most.saturating_sub(least);
    least.saturating_add(
        spread
            .saturating_mul(u32::from(share))
            .checked_div(255)
            .unwrap_or_default(),
    )
}
