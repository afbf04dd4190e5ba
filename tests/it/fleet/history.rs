//! What was asked of a fleet and what came of it, held against the signers' own logs and against what was well when.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use signer_proxy::dev_signer::log::{Conflict, Entry, check};
use signer_proxy::tezos::PublicKeyHash;

use crate::harness::payload::Slot;
use crate::harness::timeline::length;

use super::timeline::{Timeline, Well, longest_well};

/// How long a proxy holds a request, and how long an answer is of use: a block of the main network.
pub(super) const LIMIT: Duration = Duration::from_secs(6);

/// Where a quorum, a proxy and a tunnel were well for so long within the life of a slot, it must have been signed.
///
/// The longest way there: the baker's request has claimed the slot through a proxy that is cut off then. It says that the
/// store is silent after 2 s, and HAProxy, which looks every 500 ms, believes the second word: 3 s until the request is
/// cut off and sent again, to another; 2 s where the proxy stands still. There a silent member costs `store.timeout`,
/// 0.5 s, and the signature of the first is waited for, 0.3 s. If the leader was lost as well, 0.5 to 1 s go by
/// meanwhile until another is elected. What is left is for a busy machine.
pub(super) const ENOUGH: Duration = Duration::from_secs(4);

/// What a baker was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// BLAKE2b-256 of a valid signature, in hexadecimal as the signers log it.
    Signed(String),
    /// Other bytes were first.
    Refused(String),
    Failed(String),
}

/// One question of a baker, repeats after a 502 included.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) baker: &'static str,
    pub(super) key: PublicKeyHash,
    pub(super) slot: Slot,
    /// Of the bytes asked for, as the signers log it.
    pub(super) digest: String,
    pub(super) asked: Duration,
    pub(super) ended: Duration,
    pub(super) answer: Answer,
    /// How often it was sent again.
    pub(super) again: usize,
}

impl Ask {
    pub(super) fn is_about(&self, key: PublicKeyHash, slot: Slot) -> bool {
        self.key == key && self.slot == slot
    }
}

/// What must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Two payloads for one slot at signers.
    AtSigners(Conflict),
    /// Signatures over different bytes were released for one slot.
    TwoPayloads(PublicKeyHash, Slot),
    /// Different signatures over the same bytes were released.
    TwoSignatures(PublicKeyHash, Slot),
    /// A signature was released that no signer has made.
    NotMade(PublicKeyHash, Slot),
    /// No signature in time, although all that it takes was well for long enough.
    Lost(PublicKeyHash, Slot, Well),
}

/// What came of all slots.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    pub(super) findings: Vec<Finding>,
    pub(super) slots: usize,
    /// Those that were asked for with different bytes.
    pub(super) contested: usize,
    /// Slots with a signature.
    pub(super) signed: usize,
    /// Signatures that bakers got, repeats included.
    pub(super) released: usize,
    /// Signatures that signers made.
    pub(super) made: usize,
    /// Slots without a signature in time, where what it takes was not well for long enough; and for how long it was.
    pub(super) excused: Vec<(PublicKeyHash, Slot, Duration)>,
}

/// Judges all of it. What was asked has been answered.
pub(super) fn judge(logs: &[PathBuf], asks: &[Ask], timeline: &Timeline) -> Verdict {
    let mut verdict = Verdict::default();
    match check(logs) {
        Ok(summary) => verdict.made = summary.signed,
        Err(conflicts) => {
            let conflicts = conflicts.into_iter().map(Finding::AtSigners);
            verdict.findings.extend(conflicts);
        }
    }
    let made: HashSet<_> = logs.iter().flat_map(|log| signatures(log)).collect();
    let mut slots: HashMap<_, Vec<&Ask>> = HashMap::new();
    for ask in asks {
        slots.entry((ask.key, ask.slot)).or_default().push(ask);
    }
    verdict.slots = slots.len();
    for ((key, slot), asks) in slots {
        let is_contested = asks.iter().any(|ask| ask.digest != asks[0].digest);
        verdict.contested += usize::from(is_contested);
        let released: Vec<_> = asks.iter().filter_map(|ask| released(ask)).collect();
        verdict.released += released.len();
        verdict.signed += usize::from(!released.is_empty());
        let mut found = Vec::new();
        if let Some((first, others)) = released.split_first() {
            if others.iter().any(|(digest, _)| *digest != first.0) {
                found.push(Finding::TwoPayloads(key, slot));
            } else if others.iter().any(|(_, signature)| *signature != first.1) {
                found.push(Finding::TwoSignatures(key, slot));
            }
        }
        if released
            .iter()
            .any(|(_, signature)| !made.contains(*signature))
        {
            found.push(Finding::NotMade(key, slot));
        }
        match lost(&asks, timeline) {
            InTime::Signed => {}
            InTime::Excused(well) => verdict.excused.push((key, slot, well)),
            InTime::Lost(well) => found.push(Finding::Lost(key, slot, well)),
        }
        verdict.findings.extend(found);
    }
    verdict
}

enum InTime {
    Signed,
    Excused(Duration),
    Lost(Well),
}

fn lost(asks: &[&Ask], timeline: &Timeline) -> InTime {
    let begun = asks.iter().map(|ask| ask.asked).min().unwrap_or_default();
    let window = begun..begun + LIMIT;
    if asks
        .iter()
        .any(|ask| released(ask).is_some() && ask.ended <= window.end)
    {
        return InTime::Signed;
    }
    let Some(well) = longest_well(timeline, &window) else {
        return InTime::Excused(Duration::ZERO);
    };
    let time = length(&well.time);
    if time < ENOUGH {
        InTime::Excused(time)
    } else {
        InTime::Lost(well)
    }
}

/// Digests of the bytes and of the signature that was given for them.
fn released(ask: &Ask) -> Option<(&str, &str)> {
    match &ask.answer {
        Answer::Signed(signature) => Some((&ask.digest, signature)),
        Answer::Refused(_) | Answer::Failed(_) => None,
    }
}

/// Digests of the signatures in a log; what cannot be read is found by `check`.
fn signatures(log: &Path) -> Vec<String> {
    let Ok(file) = std::fs::File::open(log) else {
        return Vec::new();
    };
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    lines
        .filter_map(|line| serde_json::from_str::<Entry>(&line).ok()?.signature_digest)
        .collect()
}

#[cfg(test)]
mod tests;
