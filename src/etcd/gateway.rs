//! Calls to etcd, member after member.
//!
//! A transaction that may have been made is made again, at the next member: each is a comparison of contents and
//! revisions, so the second one finds what the first has written. A member that does not answer soon is not waited for
//! alone: a frozen one says nothing for as long as one would wait. Whoever gets no answer learns that the outcome is
//! unknown, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::guard::StoreError;
use crate::settings::{EtcdSettings, Path as PathSettings};
use crate::signer::client::Client;
use crate::signer::{Gate, Outgoing, Question};
use crate::task::Tasks;
use crate::tezos::decode_error;

use super::wire::{Outcome, Txn, leader, outcome};

/// The largest answer: all rows of all streams of some hundred keys.
const ANSWER_BYTES: usize = 16 << 20;
/// Connections to one member.
const CONNECTIONS: usize = 16;
/// More of them, for questions about its leader: all others may be held by a member that says nothing.
const STATUS_CONNECTIONS: usize = 2;
/// A member that has not answered for this long gets company: far above what a healthy cluster takes, far below what a
/// request for a vote has.
const COMPANY: Duration = Duration::from_millis(250);
/// What a member is given to say whether there is a leader.
const STATUS: Duration = Duration::from_millis(250);

/// The last question was answered.
const IN_REACH: u8 = 0;
/// No member answered a question, or none knew a leader.
const LOST: u8 = 1;
/// A leader was seen since, and those who wait were told; no question was answered yet.
const TOLD: u8 = 2;

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

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unknown(words) => Self::Unknown(words),
            CallError::Refused(words) => Self::Unavailable(words),
        }
    }
}

/// User and password.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: zeroize::Zeroizing<String>,
}

/// The members of one cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Gateway(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    members: Vec<Member>,
    /// The one that answered last.
    preferred: AtomicUsize,
    limit: Duration,
    login: Option<Login>,
    token: ArcSwapOption<HeaderValue>,
    /// The highest term of a leader that any answer had.
    term: AtomicU64,
    /// Whether a leader is in reach: [`IN_REACH`], [`LOST`], or [`TOLD`].
    reach: AtomicU8,
    /// How often a leader came, or came into reach, while somebody waited for one.
    leaders: watch::Sender<u64>,
}

#[derive(Debug)]
struct Member {
    url: String,
    client: Client,
    /// For questions that must not queue behind what waits.
    status: Client,
}

impl Gateway {
    pub(super) fn new(settings: &EtcdSettings, login: Option<Login>, tasks: &Tasks) -> Self {
        let members = settings.endpoints.iter().map(|url| {
            let client = |max_connections| {
                let path = PathSettings {
                    name: "etcd".to_owned(),
                    url: url.clone(),
                    prefix: String::new(),
                    max_connections,
                    tls: settings.tls.clone(),
                };
                Client::new(&path, tasks.clone()).with_answer_bytes(ANSWER_BYTES)
            };
            Member {
                url: url.to_string(),
                client: client(CONNECTIONS),
                status: client(STATUS_CONNECTIONS),
            }
        });
        Self(Arc::new(Inner {
            members: members.collect(),
            preferred: AtomicUsize::new(0),
            limit: settings.timeout,
            login,
            token: ArcSwapOption::empty(),
            term: AtomicU64::new(0),
            reach: AtomicU8::new(IN_REACH),
            leaders: watch::Sender::new(0),
        }))
    }

    /// The clients of all members, for whoever looks after certificates.
    pub(super) fn clients(&self) -> impl Iterator<Item = &Client> {
        let members = self.0.members.iter();
        members.flat_map(|member| [&member.client, &member.status])
    }

    /// Changes when a leader was elected while somebody waited: what is under way at a member then was dropped by it, and
    /// is better asked again than waited for.
    pub(super) fn leaders(&self) -> watch::Receiver<u64> {
        self.0.leaders.subscribe()
    }

    /// Makes a transaction. Asks every member once, the one that answered last first.
    ///
    /// # Errors
    /// [`CallError`]. Cancel-safe: whoever stops waiting does not know the outcome.
    pub(super) async fn transact(&self, txn: &Txn) -> Result<Outcome, CallError> {
        let (body, asked) = self.call("/v3/kv/txn", txn.body()).await?;
        let outcome = outcome(&body, asked).map_err(CallError::Unknown)?;
        self.0.term.fetch_max(outcome.term, Ordering::Relaxed);
        Ok(outcome)
    }

    /// Gives the first answer, and how many members were asked.
    async fn call(&self, path: &'static str, body: Value) -> Result<(Bytes, usize), CallError> {
        let count = self.0.members.len();
        let first = self.0.preferred.load(Ordering::Relaxed);
        let body = Arc::new(body);
        let mut troubles = Vec::new();
        let mut asked = JoinSet::new();
        let mut started = 0_usize;
        loop {
            if started < count {
                let index = first.saturating_add(started);
                let index = index.checked_rem(count).unwrap_or(0);
                started = started.saturating_add(1);
                let (inner, body) = (Arc::clone(&self.0), Arc::clone(&body));
                asked.spawn(async move {
                    let Some(member) = inner.members.get(index) else {
                        return (index, Err(CallError::Unknown("is not there".to_owned())));
                    };
                    (
                        index,
                        inner.ask_logged_in(&member.client, path, &body).await,
                    )
                });
            }
            let answered = tokio::select! {
                answered = asked.join_next() => answered,
                // A pause that is over brings the next one in.
                () = sleep(COMPANY), if started < count => continue,
            };
            let Some(answered) = answered else {
                // One that was told of, and does not help, is not told of at every failure.
                self.0.moves_on(IN_REACH, LOST);
                return Err(CallError::Unknown(format!(
                    "no member of etcd answers: {}",
                    troubles.join("; ")
                )));
            };
            let Ok((index, answered)) = answered else {
                troubles.push("a question to a member came to an end".to_owned());
                continue;
            };
            let url = self.0.members.get(index).map_or("", |member| &member.url);
            match answered {
                Ok(answer) => {
                    self.0.preferred.store(index, Ordering::Relaxed);
                    self.0.reach.store(IN_REACH, Ordering::Relaxed);
                    return Ok((answer, started));
                }
                // A member that was asked as well may have done it all the same.
                Err(CallError::Refused(words)) if started == 1 => {
                    return Err(CallError::Refused(format!("etcd {url} refuses: {words}")));
                }
                Err(CallError::Refused(words)) => troubles.push(format!("{url} refuses: {words}")),
                Err(CallError::Unknown(words)) => troubles.push(format!("{url} {words}")),
            }
        }
    }

    /// Asks all members whether there is a leader of a later term than the last one that was heard of, or one at all after
    /// none was in reach, and tells those who wait.
    pub(super) async fn look_for_leader(&self) {
        let mut asked = JoinSet::new();
        for index in 0..self.0.members.len() {
            let inner = Arc::clone(&self.0);
            asked.spawn(async move {
                let nothing = json!({});
                let member = inner.members.get(index)?;
                let client = &member.status;
                let question = inner.ask_logged_in(client, "/v3/maintenance/status", &nothing);
                let answer = timeout(STATUS, question).await.ok()?.ok()?;
                Some((index, leader(&answer).ok().flatten()?))
            });
        }
        let mut is_any = false;
        while let Some(answered) = asked.join_next().await {
            let Ok(Some((index, leader))) = answered else {
                continue;
            };
            is_any = true;
            let is_new = leader.term > self.0.term.fetch_max(leader.term, Ordering::Relaxed);
            let is_back = self.0.moves_on(LOST, TOLD);
            if is_new || is_back {
                self.0.preferred.store(index, Ordering::Relaxed);
                self.0
                    .leaders
                    .send_modify(|count| *count = count.wrapping_add(1));
                return;
            }
        }
        if !is_any {
            self.0.reach.store(LOST, Ordering::Relaxed);
        }
    }
}

impl Inner {
    /// Whether a leader was as much in reach as `from` says, and is as `to` says now.
    fn moves_on(&self, from: u8, to: u8) -> bool {
        let relaxed = Ordering::Relaxed;
        let moved = self.reach.compare_exchange(from, to, relaxed, relaxed);
        moved.is_ok()
    }

    /// Asks one member, and once more with a new token if the old one is not valid any more.
    async fn ask_logged_in(
        &self,
        client: &Client,
        path: &str,
        body: &Value,
    ) -> Result<Bytes, CallError> {
        let Some(login) = &self.login else {
            return self.ask(client, path, body, None).await;
        };
        if let Some(token) = self.token.load_full() {
            match self.ask(client, path, body, Some((*token).clone())).await {
                Err(CallError::Refused(words)) if is_about_tokens(&words) => {}
                other => return other,
            }
        }
        let token = self.log_in(client, login).await?;
        self.token.store(Some(Arc::new(token.clone())));
        self.ask(client, path, body, Some(token)).await
    }

    async fn log_in(&self, client: &Client, login: &Login) -> Result<HeaderValue, CallError> {
        let body = json!({"name": login.user, "password": *login.password});
        let answer = self
            .ask(client, "/v3/auth/authenticate", &body, None)
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
        client: &Client,
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
        let answer = timeout(self.limit, client.send(&outgoing, &gate)).await;
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
