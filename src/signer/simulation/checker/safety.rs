//! What must never happen, whatever goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::faults::Trouble;
use super::super::options::Options;
use super::super::trace::{End, Outcome, Reason};
use super::history::{Ask, History, Job};

/// Timers of the runtime are this coarse.
pub(super) const TICK: Duration = Duration::from_millis(2);
/// Requests of one slot before its signature exists.
const MOST_SENT: usize = 6;
/// The least patience with a signer before what it was asked counts as abandoned.
const LEAST_PATIENCE: Duration = Duration::from_secs(2);

/// Holds the history against the rules.
pub(super) fn check(options: &Options, history: &History, broken: &mut Vec<String>) {
    one_payload_for_a_slot(history, broken);
    nothing_leaves_after_its_deadline(history, broken);
    positions_never_fall(options, history, broken);
    devices_are_not_overrun(options, history, broken);
    few_requests_for_a_slot(history, broken);
    drained_signers_begin_no_round(options, history, broken);
    for ask in &history.asks {
        if let Some(what) = wrong_answer(history, ask) {
            broken.push(format!("{what}: {ask:?}"));
        }
    }
}

fn one_payload_for_a_slot(history: &History, broken: &mut Vec<String>) {
    let mut first = BTreeMap::new();
    for job in &history.jobs {
        let known = first.entry(job.slot).or_insert(job.digest);
        if *known != job.digest {
            broken.push(format!("a second payload for a slot: {job:?}"));
        }
    }
}

fn nothing_leaves_after_its_deadline(history: &History, broken: &mut Vec<String>) {
    for job in &history.jobs {
        let asks = history.asks_for(job.digest, job.left);
        let deadline = asks.map(|ask| ask.deadline).max();
        if deadline.is_none_or(|deadline| job.left > deadline) {
            broken.push(format!("left after its deadline {deadline:?}: {job:?}"));
        }
    }
}

/// As sent, key by key, at devices with one position over all kinds. What was refused moved nothing.
fn positions_never_fall(options: &Options, history: &History, broken: &mut Vec<String>) {
    for (nth, job) in history.jobs.iter().enumerate() {
        if !options.signers[job.signer].shared_watermark {
            continue;
        }
        let before = history.jobs[..nth].iter().find(|before| {
            (before.signer, before.slot.key) == (job.signer, job.slot.key)
                && !before.was_refused(job.left)
                && before.slot.mark() > job.slot.mark()
        });
        if let Some(before) = before {
            broken.push(format!("a position fell: {job:?} after {before:?}"));
        }
    }
}

/// At most as many payloads under way as the device has room for. Abandoned ones do not keep all others away:
/// when they have taken all turns, one at a time is tried still (ADR 0009).
fn devices_are_not_overrun(options: &Options, history: &History, broken: &mut Vec<String>) {
    for (nth, job) in history.jobs.iter().enumerate() {
        let under_way: Vec<_> = history.jobs[..nth]
            .iter()
            .filter(|other| other.signer == job.signer && other.digest != job.digest)
            .filter(|other| other.is_open(job.left) && !is_done(history, other, job.left))
            .collect();
        let payloads: BTreeSet<_> = under_way.iter().map(|other| other.digest).collect();
        let capacity = options.signers[job.signer].capacity;
        let is_abandoned = |other: &&Job| is_abandoned(history, other, job.left);
        if payloads.len() >= capacity && !under_way.iter().all(is_abandoned) {
            let many = payloads.len();
            let what = format!("{many} under way at a device for {capacity}");
            broken.push(format!("{what}: {job:?}, {under_way:?}"));
        }
    }
}

/// Whether the signer has answered for these bytes over another path: then its device is known to be free.
fn is_done(history: &History, job: &Job, at: Duration) -> bool {
    history.jobs.iter().any(|other| {
        let is_end = |end| matches!(end, End::Signed | End::Refused);
        (other.signer, other.digest) == (job.signer, job.digest)
            && other
                .ended
                .is_some_and(|(ended, end)| ended <= at && is_end(end))
    })
}

/// Whether nobody waits for it any more: its request has ended in vain, or long ago enough for the patience
/// with one that lost.
fn is_abandoned(history: &History, job: &Job, at: Duration) -> bool {
    history.asks_for(job.digest, job.left).all(|ask| {
        ask.answered.is_some_and(|(answered, outcome)| {
            let signed = matches!(outcome, Outcome::Signed { .. });
            answered <= at && (!signed || ask.at + LEAST_PATIENCE <= at)
        })
    })
}

fn few_requests_for_a_slot(history: &History, broken: &mut Vec<String>) {
    let mut sent: BTreeMap<_, Vec<&Job>> = BTreeMap::new();
    for job in &history.jobs {
        let signed = history.signed_at(job.digest);
        if signed.is_some_and(|signed| signed <= job.left) {
            // Copies do not count (ADR 0009).
            continue;
        }
        let sent = sent.entry(job.digest).or_default();
        sent.push(job);
        // Who asks again when all is spent gets one more, over a path that has come back (ADR 0009).
        let asks = history.asks_for(job.digest, job.left);
        let again = asks.filter(|ask| ask.reason == Reason::Again).count();
        let refused = |other: &&&Job| other.was_refused(job.left);
        let count = sent.len() - sent.iter().filter(refused).count();
        if count > MOST_SENT + again {
            broken.push(format!("number {count} for its slot: {job:?}"));
        }
    }
}

/// A drained signer is asked only for what was asked before, and for the rest of a round that it has begun.
fn drained_signers_begin_no_round(options: &Options, history: &History, broken: &mut Vec<String>) {
    let drains = options
        .faults
        .iter()
        .filter(|it| it.trouble == Trouble::Drain);
    for fault in drains {
        let asked = history.jobs.iter().filter(|job| {
            job.signer == fault.signer && fault.from < job.left && job.left < fault.to
        });
        for job in asked {
            let mut asks = history.asks_for(job.digest, job.left);
            let is_older = asks.any(|ask| ask.at <= fault.from);
            let begun = history.jobs.iter().any(|other| {
                let round = |job: &Job| (job.signer, job.slot.key, job.slot.position);
                round(other) == round(job)
                    && matches!(other.ended, Some((at, End::Signed)) if at <= job.left)
            });
            if !is_older && !begun {
                broken.push(format!("asked though it was drained: {job:?}"));
            }
        }
    }
}

/// What is wrong with how a request ended, if anything is.
fn wrong_answer(history: &History, ask: &Ask) -> Option<&'static str> {
    let Some((at, outcome)) = ask.answered else {
        return Some("never answered");
    };
    if at > ask.deadline + TICK {
        return Some("answered after its deadline");
    }
    match outcome {
        Outcome::Signed { verifies: false } => Some("a signature that does not verify"),
        Outcome::Signed { verifies: true } => {
            let signed = history.signed_at(ask.digest);
            let unknown = signed.is_none_or(|signed| signed > at);
            unknown.then_some("a signature that no signer gave")
        }
        Outcome::Unclaimed if ask.reason != Reason::Twin => Some("no claim"),
        _ if ask.reason == Reason::Twin && outcome != Outcome::Unclaimed => {
            Some("other bytes were claimed")
        }
        Outcome::Superseded | Outcome::Dropped if !ask.hung_up => Some("given up"),
        Outcome::Wrong(what) => Some(what),
        Outcome::Unclaimed | Outcome::NoSigner | Outcome::Superseded | Outcome::Dropped => None,
    }
}
