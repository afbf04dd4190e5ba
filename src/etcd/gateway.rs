//! Calls to etcd, member after member.
//!
//! A transaction that may have been made is made again, at the next member: each is a comparison of contents and
//! revisions, so the second one finds what the first has written. Whoever gets no answer learns that the outcome is
//! unknown, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::settings::{EtcdSettings, Path as PathSettings};
use crate::signer::client::Client;
use crate::signer::{Gate, Outgoing, Question};
use crate::task::Tasks;
use crate::tezos::decode_error;

use super::wire::{Outcome, Txn, outcome};

/// The largest answer: all rows of all streams of some hundred keys.
const ANSWER_BYTES: usize = 16 << 20;
/// Connections to one member.
const CONNECTIONS: usize = 16;

/// What etcd says of a request that it has not applied and never will: it was held against limits, form and rights
/// first. Everything else, whatever its status, may come of a request that stands, or may be over in a moment.
const BEFORE_APPLY: [&str; 9] = [
    "too many operations in txn request",
    "duplicate key given in txn request",
    "request is too large",
    "key is not provided",
    "permission denied",
    "authentication failed",
    "invalid auth token",
    "user name is empty",
    "revision of auth store is old",
];

/// Why a call was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallError {
    /// Nothing is known of its outcome.
    Unknown(String),
    /// etcd answered that it will not; nothing was done.
    Refused(String),
}

/// User and password.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: zeroize::Zeroizing<String>,
}

/// The members of one cluster.
#[derive(Debug)]
pub(super) struct Gateway {
    members: Vec<Member>,
    /// The one that answered last.
    preferred: AtomicUsize,
    limit: Duration,
    login: Option<Login>,
    token: ArcSwapOption<HeaderValue>,
}

#[derive(Debug)]
struct Member {
    url: String,
    client: Client,
}

impl Gateway {
    pub(super) fn new(settings: &EtcdSettings, login: Option<Login>, tasks: &Tasks) -> Self {
        let members = settings.endpoints.iter().map(|url| {
            let path = PathSettings {
                name: "etcd".to_owned(),
                url: url.clone(),
                prefix: String::new(),
                max_connections: CONNECTIONS,
                tls: settings.tls.clone(),
            };
            Member {
                url: url.to_string(),
                client: Client::new(&path, tasks.clone()).with_answer_bytes(ANSWER_BYTES),
            }
        });
        Self {
            members: members.collect(),
            preferred: AtomicUsize::new(0),
            limit: settings.timeout,
            login,
            token: ArcSwapOption::empty(),
        }
    }

    /// The clients of all members, for whoever looks after certificates.
    pub(super) fn clients(&self) -> impl Iterator<Item = &Client> {
        self.members.iter().map(|member| &member.client)
    }

    /// Makes a transaction. Asks every member once, the one that answered last first.
    ///
    /// # Errors
    /// [`CallError`]. Cancel-safe: whoever stops waiting does not know the outcome.
    pub(super) async fn transact(&self, txn: &Txn) -> Result<Outcome, CallError> {
        let body = self.call("/v3/kv/txn", &txn.body()).await?;
        outcome(&body).map_err(CallError::Unknown)
    }

    async fn call(&self, path: &str, body: &Value) -> Result<Bytes, CallError> {
        let count = self.members.len();
        let first = self.preferred.load(Ordering::Relaxed);
        let mut troubles = Vec::new();
        for step in 0..count {
            let index = first.saturating_add(step).checked_rem(count).unwrap_or(0);
            let Some(member) = self.members.get(index) else {
                continue;
            };
            match self.ask_logged_in(member, path, body).await {
                Ok(answer) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                // A member that was asked before may have done it all the same.
                Err(CallError::Refused(words)) if troubles.is_empty() => {
                    return Err(CallError::Refused(format!(
                        "etcd {} refuses: {words}",
                        member.url
                    )));
                }
                Err(CallError::Refused(words)) => {
                    troubles.push(format!("{} refuses: {words}", member.url));
                }
                Err(CallError::Unknown(words)) => troubles.push(format!("{} {words}", member.url)),
            }
        }
        Err(CallError::Unknown(format!(
            "no member of etcd answers: {}",
            troubles.join("; ")
        )))
    }

    /// Asks one member, and once more with a new token if the old one is not valid any more.
    async fn ask_logged_in(
        &self,
        member: &Member,
        path: &str,
        body: &Value,
    ) -> Result<Bytes, CallError> {
        let Some(login) = &self.login else {
            return self.ask(member, path, body, None).await;
        };
        if let Some(token) = self.token.load_full() {
            match self.ask(member, path, body, Some((*token).clone())).await {
                Err(CallError::Refused(words)) if is_about_tokens(&words) => {}
                other => return other,
            }
        }
        let token = self.log_in(member, login).await?;
        self.token.store(Some(Arc::new(token.clone())));
        self.ask(member, path, body, Some(token)).await
    }

    async fn log_in(&self, member: &Member, login: &Login) -> Result<HeaderValue, CallError> {
        let body = json!({"name": login.user, "password": *login.password});
        let answer = self
            .ask(member, "/v3/auth/authenticate", &body, None)
            .await?;
        let answer: Value = serde_json::from_slice(&answer)
            .map_err(|error| CallError::Unknown(format!("answers no token: {error}")))?;
        let token = answer.get("token").and_then(Value::as_str);
        let token = token.unwrap_or_default();
        let mut token = HeaderValue::from_str(token)
            .map_err(|_| CallError::Unknown("answers a token that no header takes".to_owned()))?;
        token.set_sensitive(true);
        Ok(token)
    }

    async fn ask(
        &self,
        member: &Member,
        path: &str,
        body: &Value,
        token: Option<HeaderValue>,
    ) -> Result<Bytes, CallError> {
        let outgoing = Outgoing {
            // What is sent twice finds what the first has done.
            again: true,
            header: token.map(|token| (AUTHORIZATION, token)),
            question: Question::Post(path.to_owned(), Bytes::from(body.to_string())),
        };
        let gate = Gate::open();
        let answer = timeout(self.limit, member.client.send(&outgoing, &gate)).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(CallError::Unknown(error.cause.to_string())),
            Err(_) => {
                let limit = self.limit;
                return Err(CallError::Unknown(format!(
                    "does not answer within {limit:?}"
                )));
            }
        };
        if answer.status == StatusCode::OK {
            return Ok(answer.body);
        }
        let words = decode_error(&answer.body).unwrap_or_default();
        let words = format!("status {}: {words}", answer.status.as_u16());
        // What the member cannot do now another may, or it itself a moment later.
        Err(if is_refusal(answer.status, &words) {
            CallError::Refused(words)
        } else {
            CallError::Unknown(words)
        })
    }
}

/// Whether nothing was done, and nothing would be at another member. A member that stops answers 408 to what may be
/// committed, and one without space 429 to what was.
fn is_refusal(status: StatusCode, words: &str) -> bool {
    let by_status = matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    );
    by_status && BEFORE_APPLY.iter().any(|known| words.contains(known))
}

fn is_about_tokens(words: &str) -> bool {
    let about = [
        "invalid auth token",
        "user name is empty",
        "revision of auth store is old",
    ];
    about.iter().any(|known| words.contains(known))
}

#[cfg(test)]
mod tests;
