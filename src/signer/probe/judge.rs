//! What an answer to a probe says about a path and its signer.

use std::time::Duration;

use hyper::StatusCode;

use crate::tezos::{PublicKeyHash, wire};

use super::super::cause::Cause;
use super::super::client::{Answer, Gate, Outgoing, Question};
use super::super::health::Observation;
use super::super::roster::{Path, Served, Signer};
use super::{INSTANCE_HEADER, Prober, TIMEOUT_MOST};

/// A list may take longer than a sign of life.
const LIST_TIME: Duration = Duration::from_secs(2);

/// The end of one exchange.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) key: Option<PublicKeyHash>,
    /// Absent if it had to be asked twice.
    pub(super) round_trip: Option<Duration>,
    pub(super) answer: Result<Answer, Cause>,
}

/// What a probe saw.
#[derive(Debug)]
pub(super) struct Seen {
    /// Of the path; absent if it says nothing either way.
    pub(super) observation: Option<Observation>,
    /// Whether a key was proved by it.
    pub(super) proved: bool,
}

impl Seen {
    pub(super) const NOTHING: Self = Self {
        observation: None,
        proved: false,
    };

    pub(super) fn of(observation: Observation) -> Self {
        Self {
            observation: Some(observation),
            proved: false,
        }
    }

    pub(super) fn missed(cause: Cause) -> Self {
        Self::of(Observation::Miss(cause))
    }
}

impl Prober {
    pub(super) fn take_in(&self, signer: &Signer, path: &Path, reply: &Reply) -> Seen {
        match &reply.answer {
            Ok(answer) => {
                // What was held up for longer tells of an interruption and not of a distance.
                if let Some(round_trip) = reply.round_trip.filter(|it| *it <= TIMEOUT_MOST) {
                    path.add_round_trip(round_trip);
                }
                self.judge(signer, reply.key, answer)
            }
            Err(cause) => Seen::missed(cause.clone()),
        }
    }

    fn judge(&self, signer: &Signer, key: Option<PublicKeyHash>, answer: &Answer) -> Seen {
        if answer.headers.get(INSTANCE_HEADER) == Some(&self.instance) {
            return Seen::of(Observation::Eject(Cause::LeadsToItself));
        }
        let code = answer.status.as_u16();
        let Some(key) = key else {
            return match code {
                200 => Seen::of(Observation::Hit),
                _ => Seen::missed(status(answer)),
            };
        };
        match code {
            200 => self.judge_key(signer, key, answer),
            // The signer speaks; it just lacks this key, or does not know such keys.
            400..=499 if !matches!(code, 401 | 408 | 429) => {
                self.roster().served(signer, key, Served::Denied);
                Seen::of(Observation::Hit)
            }
            // Some answer this for a key they lack: those that have shown another are well.
            500 if self.has_other_key(signer, key) => {
                self.roster().served(signer, key, Served::Denied);
                Seen::of(Observation::Hit)
            }
            _ => Seen::missed(status(answer)),
        }
    }

    fn has_other_key(&self, signer: &Signer, key: PublicKeyHash) -> bool {
        let keys = self.sink().keys();
        signer.serves(key) != Served::Proved
            && keys
                .iter()
                .any(|other| signer.serves(*other) == Served::Proved)
    }

    fn judge_key(&self, signer: &Signer, key: PublicKeyHash, answer: &Answer) -> Seen {
        match wire::decode_public_key(&answer.body) {
            Ok(public_key) if public_key.hash() == key => {
                self.roster().served(signer, key, Served::Proved);
                self.sink().learned(key, public_key);
                Seen {
                    observation: Some(Observation::Hit),
                    proved: true,
                }
            }
            Ok(_) => Seen::of(Observation::Eject(Cause::WrongKey(key))),
            Err(error) => Seen::missed(Cause::Garbage(error.to_string())),
        }
    }

    /// Reads the list after a probe that was answered on the same path. It counts only if that probe has
    /// just proved a key; without any key to prove there is nothing to compare with.
    pub(super) async fn read_authorized_keys(
        &self,
        signer: &Signer,
        path: &Path,
        proved: bool,
    ) -> bool {
        if !proved && !self.sink().keys().is_empty() {
            return false;
        }
        let outgoing = Outgoing::ask(Question::AuthorizedKeys);
        let gate = Gate::open();
        let limit = self.timeout(path).max(LIST_TIME);
        // Only what the list says counts here; a failure is the next probe's to judge.
        let answer = tokio::time::timeout(limit, path.client().send(&outgoing, &gate)).await;
        let Ok(Ok(answer)) = answer else { return false };
        let list = match answer.status {
            StatusCode::OK => wire::decode_authorized_keys(&answer.body),
            // A signer without the endpoint cannot demand anything; one that had it is having trouble.
            StatusCode::NOT_FOUND if proved && !signer.has_spoken() => {
                Ok(wire::AuthorizedKeys::NotRequired)
            }
            _ => return false,
        };
        let Ok(list) = list else { return false };
        let demands = list != wire::AuthorizedKeys::NotRequired;
        self.sink().authorized_keys(signer, list);
        self.roster().spoken(signer, demands);
        true
    }
}

fn status(answer: &Answer) -> Cause {
    let words = wire::decode_error(&answer.body).unwrap_or_default();
    Cause::Status(answer.status.as_u16(), words)
}
