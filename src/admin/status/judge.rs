//! What the words `ok`, `degraded`, `down` and `stopped` mean: pure, from facts that others gather.
//!
//! A key is `stopped` when something that an operator must do stands in the way, `down` when no signer
//! takes work for it, `degraded` when fewer signers are well than could serve it (the cause says how many are
//! left, which a suspect one is not), else `ok`. The whole is
//! `down` when no key can sign, `degraded` when some cannot or anything that could help is not well. A key
//! that this version can never sign with says so and counts for nothing else.

use crate::guard::{Condition, StoreReport};
use crate::signer::SignerState;

use super::{KeyStatus, SignerStatus};

/// The state of a key or of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everything that could sign is well.
    Ok,
    /// It signs, with less behind it than there could be.
    Degraded,
    /// It does not sign now.
    Down,
    /// It does not sign until an operator acts.
    Stopped,
}

impl Verdict {
    /// The word of the status.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Stopped => "stopped",
        }
    }
}

/// A signer that may have a key.
#[derive(Clone, Debug)]
pub(super) struct Able {
    pub(super) name: String,
    pub(super) state: SignerState,
    /// What is wrong with it.
    pub(super) cause: Option<String>,
    /// Whether it has shown the key.
    pub(super) proved: bool,
    /// Whether it has ever said if it demands authentication; until then it is not asked.
    pub(super) spoken: bool,
    /// Whether it could take over: a single missed probe makes no difference.
    pub(super) left: bool,
}

impl Able {
    /// Whether it is asked at all. A suspect one is when no other is left.
    fn takes_work(&self) -> bool {
        let answers = matches!(self.state, SignerState::Up | SignerState::Suspect);
        self.proved && self.spoken && answers
    }

    fn is_well(&self) -> bool {
        self.takes_work() && self.state == SignerState::Up
    }

    fn trouble(&self) -> String {
        match &self.cause {
            Some(cause) => format!("{} is {}: {cause}", self.name, self.state.name()),
            None if self.state == SignerState::Up && !self.proved => {
                format!("{} has not shown this key", self.name)
            }
            None if self.state == SignerState::Up => {
                format!("{} has not answered /authorized_keys", self.name)
            }
            None => format!("{} is {}", self.name, self.state.name()),
        }
    }
}

/// What is known of a key.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Whether this version can check its signatures.
    pub(super) verifiable: bool,
    pub(super) has_watermark: bool,
    /// Why signing with it was stopped, by evidence or by the operator.
    pub(super) stopped: Option<String>,
    /// A signer whose demand for authentication the proxy cannot meet.
    pub(super) unmet_demand: Option<String>,
    /// Signers that have not denied it.
    pub(super) able: Vec<Able>,
    /// What is wrong with each path.
    pub(super) trouble: Vec<String>,
}

/// The state of a key and what is wrong.
pub(super) fn key(facts: &Facts, store: &StoreReport) -> (Verdict, Option<String>) {
    let stopped = |cause: String| (Verdict::Stopped, Some(cause));
    if !facts.verifiable {
        return stopped(
            "this version cannot check signatures of tz5 keys and releases none".into(),
        );
    }
    if let Some(reason) = not_ready(store) {
        return stopped(reason);
    }
    if !facts.has_watermark {
        return stopped("no watermark is set; run `signer-proxy watermark init`".into());
    }
    if let Some(reason) = &facts.stopped {
        return stopped(reason.clone());
    }
    if let Some(signer) = &facts.unmet_demand {
        return stopped(format!(
            "signer {signer} demands authentication and this proxy has no [auth] authorized-keys to \
             verify it with; list the bakers' public keys there"
        ));
    }
    let all = facts.able.len();
    let left = facts.able.iter().filter(|able| able.left).count();
    // Who is not left comes first: that one is missing, others merely missed a probe.
    let missing = facts.able.iter().find(|able| !able.left);
    let unwell = missing.or(facts.able.iter().find(|able| !able.is_well()));
    if !facts.able.iter().any(Able::takes_work) {
        return (Verdict::Down, Some(facts.trouble.join("; ")));
    }
    let Some(unwell) = unwell else {
        return (Verdict::Ok, None);
    };
    let trouble = unwell.trouble();
    let cause = match left {
        _ if left == all || all == 1 => trouble,
        0 => format!("no signer of {all} is well: {trouble}"),
        1 => format!("one signer left of {all}: {trouble}"),
        _ => format!("{left} of {all} signers left: {trouble}"),
    };
    (Verdict::Degraded, Some(cause))
}

/// The whole in one word, and the first reason in one sentence.
pub(super) fn overall(
    store: &StoreReport,
    keys: &[KeyStatus],
    signers: &[SignerStatus],
) -> (Verdict, String) {
    if let Some(reason) = not_ready(store) {
        return (Verdict::Down, reason);
    }
    let words =
        |cause: &Option<String>, state: &str| cause.clone().unwrap_or_else(|| state.to_owned());
    let up = SignerState::Up.name();
    let sick = signers.iter().find(|signer| signer.state != up);
    let well = signers.iter().filter(|signer| signer.state == up).count();
    let sickness = sick.map(|signer| {
        let (all, cause) = (signers.len(), words(&signer.cause, &signer.state));
        format!("{well} of {all} signers up: {} {cause}", signer.name)
    });
    let possible: Vec<_> = keys
        .iter()
        .filter(|key| key.hash.curve().is_verifiable())
        .collect();
    let signs = |key: &&&KeyStatus| {
        key.state == Verdict::Ok.name() || key.state == Verdict::Degraded.name()
    };
    let signing = possible.iter().filter(signs).count();
    let Some(first) = possible.iter().find(|key| !signs(key)) else {
        if signing == 0 {
            let why = sickness.unwrap_or_else(|| "no signer has shown a key yet".to_owned());
            return (Verdict::Down, format!("no key can sign: {why}"));
        }
        if let Some(sickness) = sickness {
            return (Verdict::Degraded, sickness);
        }
        if let Some(key) = possible
            .iter()
            .find(|key| key.state == Verdict::Degraded.name())
        {
            let cause = words(&key.cause, &key.state);
            return (Verdict::Degraded, format!("{}: {cause}", key.hash));
        }
        let mut paths = signers.iter().flat_map(|signer| &signer.paths);
        return match paths.find(|path| path.state != up) {
            Some(path) => {
                let cause = words(&path.cause, &path.state);
                let summary = format!("all signers up, but path {} {cause}", path.url);
                (Verdict::Degraded, summary)
            }
            None => (Verdict::Ok, all_well(signers.len(), signing)),
        };
    };
    let cause = words(&first.cause, &first.state);
    if signing == 0 {
        let summary = format!("no key can sign: {}: {cause}", first.hash);
        return (Verdict::Down, summary);
    }
    let summary = format!(
        "{signing} of {} keys can sign; {} cannot: {cause}",
        possible.len(),
        first.hash
    );
    (Verdict::Degraded, summary)
}

fn not_ready(store: &StoreReport) -> Option<String> {
    match store.condition {
        Condition::Ready => None,
        Condition::Absent | Condition::Refusing => Some(
            store
                .reason
                .clone()
                .unwrap_or_else(|| format!("the {} store is {}", store.kind, store.condition)),
        ),
    }
}

fn all_well(signers: usize, keys: usize) -> String {
    let signers = match signers {
        1 => "the signer is up".to_owned(),
        _ => format!("all {signers} signers up"),
    };
    let keys = match keys {
        1 => "1 key can sign".to_owned(),
        _ => format!("{keys} keys can sign"),
    };
    format!("{signers}, {keys}")
}

#[cfg(test)]
mod tests;
