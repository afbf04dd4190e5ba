//! Look-ups of metadata that nobody has shown yet: all signers are asked at once, until a point in time.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::tezos::{PublicKey, PublicKeyHash, Signature, wire};

use super::client::{Client, Gate, Outgoing, Question};
use super::health::PathState;
use super::health::SignerState;
use super::probe::Prober;
use super::roster::{Path, Served, Signer};

/// Pause between two rounds of asking, unless a state changes first.
const PAUSE: Duration = Duration::from_millis(200);

/// How a look-up ended.
#[derive(Clone, Debug)]
pub enum Seek {
    /// Every signer says that it has no such key, or every one that can be reached at the end of the
    /// time; one that cannot may still have it.
    Denied {
        /// Whether every configured signer said so.
        by_all: bool,
    },
    /// A public key that hashes to the key asked.
    Found(PublicKey),
    /// Nobody who might know answered in time.
    Unanswered,
}

/// What one signer said.
enum Said {
    Denies,
    Nothing,
    Shows(PublicKey),
}

impl Prober {
    /// Asks every signer for the public key of `key` until one shows it, all deny it, or `until`.
    /// Cancel-safe.
    pub async fn seek(&self, key: PublicKeyHash, until: Instant) -> Seek {
        let mut board = self.roster().board();
        loop {
            board.catch_up();
            let mut asking = JoinSet::new();
            for signer in self.roster().signers() {
                let signer = Arc::clone(signer);
                asking.spawn(async move {
                    let said = ask(&signer, key).await;
                    (signer, said)
                });
            }
            let everybody = asking.len();
            let mut denied = 0_usize;
            while let Ok(Some(Ok((signer, said)))) =
                tokio::time::timeout_at(until, asking.join_next()).await
            {
                match said {
                    Said::Shows(public_key) => {
                        self.roster().served(&signer, key, Served::Proved);
                        self.sink().learned(key, public_key.clone());
                        return Seek::Found(public_key);
                    }
                    Said::Denies => {
                        self.roster().served(&signer, key, Served::Denied);
                        denied = denied.saturating_add(1);
                    }
                    Said::Nothing => {}
                }
            }
            if denied == everybody {
                return Seek::Denied { by_all: true };
            }
            let next = Instant::now()
                .checked_add(PAUSE)
                .map_or(until, |next| next.min(until));
            tokio::select! {
                biased;
                () = board.changed() => {}
                () = tokio::time::sleep_until(next) => {}
            }
            if Instant::now() >= until {
                return self.verdict(key, denied);
            }
        }
    }

    /// Who is down cannot deny; who is up and did not answer may still know.
    fn verdict(&self, key: PublicKeyHash, denied: usize) -> Seek {
        let may_know = self.roster().signers().iter().any(|signer| {
            signer.serves(key) != Served::Denied
                && matches!(signer.state(), SignerState::Up | SignerState::Suspect)
        });
        if denied > 0 && !may_know {
            Seek::Denied { by_all: false }
        } else {
            Seek::Unanswered
        }
    }

    /// Asks signers, best first, for a proof of possession that `check` accepts.
    ///
    /// # Errors
    /// What each signer said instead, in one sentence. Cancel-safe.
    pub async fn seek_proof(
        &self,
        key: PublicKeyHash,
        subject: Option<&PublicKey>,
        check: impl Fn(&Signature) -> bool,
        until: Instant,
    ) -> Result<Signature, String> {
        let outgoing = Outgoing::ask(Question::ProvePossession {
            key,
            subject: subject.cloned(),
        });
        let mut causes = Vec::new();
        for signer in self.roster().candidates(key, None) {
            let Some(path) = best_path(&signer) else {
                continue;
            };
            let gate = Gate::open();
            let answer = tokio::time::timeout_at(until, path.client().send(&outgoing, &gate)).await;
            let words = match answer {
                Err(_) => "accepts but does not answer".to_owned(),
                Ok(Err(error)) => error.cause.to_string(),
                Ok(Ok(answer)) if answer.status == StatusCode::OK => {
                    match wire::decode_possession(&answer.body) {
                        Ok(proof) if check(&proof) => return Ok(proof),
                        Ok(_) => "gave a proof that does not verify".to_owned(),
                        Err(error) => error.to_string(),
                    }
                }
                Ok(Ok(answer)) => {
                    let words = wire::decode_error(&answer.body).unwrap_or_default();
                    format!("answers status {}: {words}", answer.status.as_u16())
                }
            };
            causes.push(format!("{} ({}) {words}", signer.name(), path.url()));
        }
        if causes.is_empty() {
            causes = self.roster().explain(Some(key));
        }
        Err(causes.join("; "))
    }
}

/// Asks one signer over its paths, best first.
async fn ask(signer: &Signer, key: PublicKeyHash) -> Said {
    let outgoing = Outgoing::ask(Question::PublicKey(key));
    for path in signer.paths_in_order() {
        if path.is_left_alone() || !has_room(path.client()) {
            continue;
        }
        // A silent path must not hide the next one; the caller bounds the whole.
        let gate = Gate::open();
        let answer = tokio::time::timeout(
            Duration::from_millis(700),
            path.client().send(&outgoing, &gate),
        );
        let Ok(Ok(answer)) = answer.await else {
            continue;
        };
        match answer.status {
            StatusCode::OK => match wire::decode_public_key(&answer.body) {
                Ok(public_key) if public_key.hash() == key => return Said::Shows(public_key),
                Ok(_) | Err(_) => {}
            },
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => return Said::Denies,
            _ => {}
        }
    }
    Said::Nothing
}

/// Whether a look-up may use a connection: never the last free one, which is for signatures. A path that
/// is allowed one connection only is left to the probes, which ask for wanted keys as well.
fn has_room(client: &Client) -> bool {
    let first = client.spare();
    first.is_some() && client.spare().is_some()
}

fn best_path(signer: &Signer) -> Option<&Arc<Path>> {
    let usable = *signer.paths_in_order().first()?;
    (usable.state() != PathState::Down).then_some(usable)
}

#[cfg(test)]
mod tests {
    use crate::settings::{Path as Settings, SignerUrl};
    use crate::task::Tasks;

    use super::*;

    #[test]
    fn a_look_up_never_takes_the_last_free_connection() {
        let client = Client::new(
            &Settings {
                name: "1".to_owned(),
                url: SignerUrl::Http {
                    host: "127.0.0.1".to_owned(),
                    port: 1,
                },
                prefix: String::new(),
                max_connections: 2,
                tls: crate::settings::PathTls::default(),
            },
            Tasks::new(),
        );
        assert!(has_room(&client));
        let used = client.spare();
        assert!(!has_room(&client));
        let all = client.spare();
        assert!(!has_room(&client));
        drop((used, all));
        assert!(has_room(&client));
    }
}
