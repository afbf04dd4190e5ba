//! What bakers were told, by anybody who asked, in any life of the proxy.
//!
//! Every answer is held against all the earlier ones. It knows nothing of the proxy; what is expected
//! follows from the promise alone: one payload and one signature for a slot, and neither is ever forgotten
//! while repeats are answered.

use std::collections::{HashMap, HashSet, VecDeque};

use signer_proxy::tezos::{Curve, Scheme, Signature};

use crate::harness::payload::Slot;

/// Levels below the highest one asked within which a repeat must be answered; the proxy keeps 64.
const RING: u32 = 56;

/// Signed slots that are remembered by age before those that are kept no longer are let go.
const MANY: usize = 8_192;

/// Bytes for a slot of a key, and the scheme that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) curve: Curve,
    pub(super) slot: Slot,
    pub(super) fill: u8,
    pub(super) scheme: Scheme,
}

impl Question {
    const fn place(&self) -> (Curve, Slot) {
        (self.curve, self.slot)
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// A signature that was verified over the bytes asked for.
    Signature(Signature),
    /// 409 with this sentence.
    Refused(String),
    /// An error that says nothing about the slot: no signer answered in time, or nobody was asked.
    NoSigner,
    /// No whole answer, because the proxy was killed.
    Nothing,
    /// An answer that must not be.
    Wrong(String),
}

/// How often each was said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) signatures: usize,
    pub(super) repeats: usize,
    pub(super) refusals: usize,
    pub(super) no_signer: usize,
    pub(super) nothing: usize,
}

/// Everything said so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    signed: HashMap<(Curve, Slot), (Question, Signature)>,
    refused: HashSet<Question>,
    /// Signed slots, oldest first.
    order: Vec<Question>,
    /// Signatures that nobody has asked for again since they came.
    unaudited: VecDeque<Question>,
    highest: u32,
    pub(super) counts: Counts,
    pub(super) violations: Vec<String>,
}

impl Told {
    /// To be called before a question goes out: it may raise a floor from then on.
    pub(super) fn asking(&mut self, question: &Question) {
        self.highest = self.highest.max(question.slot.level);
    }

    /// Whether a repeat for the slot must be answered now.
    pub(super) fn is_kept(&self, slot: Slot) -> bool {
        slot.level + RING >= self.highest
    }

    /// Takes down an answer and holds it against the earlier ones.
    pub(super) fn hear(&mut self, question: Question, said: &Said) {
        let first = self.signed.get(&question.place());
        match said {
            Said::Signature(signature) => {
                match first {
                    None => {
                        self.signed
                            .insert(question.place(), (question, signature.clone()));
                        self.remember(question);
                        self.unaudited.push_back(question);
                        self.counts.signatures += 1;
                    }
                    Some(first) if *first == (question, signature.clone()) => {
                        self.counts.repeats += 1;
                    }
                    Some(first) => {
                        let found = format!("{question:?} gave {signature:?} after {first:?}");
                        self.violations.push(found);
                    }
                }
                if self.refused.contains(&question) {
                    let found = format!("{question:?} was refused and is signed");
                    self.violations.push(found);
                }
            }
            Said::Refused(sentence) => {
                self.counts.refusals += 1;
                if self.is_kept(question.slot) {
                    self.refused.insert(question);
                    if first.is_some_and(|(signed, _)| *signed == question) {
                        let found = format!("{question:?} was signed and is refused: {sentence}");
                        self.violations.push(found);
                    }
                }
            }
            Said::NoSigner => self.counts.no_signer += 1,
            Said::Nothing => self.counts.nothing += 1,
            Said::Wrong(answer) => self.violations.push(format!("{question:?}: {answer}")),
        }
    }

    fn remember(&mut self, question: Question) {
        if self.order.len() >= MANY {
            let from = self.highest.saturating_sub(RING);
            self.order.retain(|one| one.slot.level >= from);
        }
        self.order.push(question);
    }

    /// A signature that has not been asked for again since it came, if its slot is still kept.
    pub(super) fn audit(&mut self) -> Option<Question> {
        while let Some(question) = self.unaudited.pop_front() {
            if self.is_kept(question.slot) {
                return Some(question);
            }
        }
        None
    }

    /// Puts back a question whose answer did not come.
    pub(super) fn audit_later(&mut self, question: Question) {
        self.unaudited.push_front(question);
    }

    /// All signatures whose slots are kept.
    pub(super) fn kept(&self) -> Vec<Question> {
        let kept = self.order.iter().filter(|one| self.is_kept(one.slot));
        kept.copied().collect()
    }

    /// The signature that was given for a question.
    pub(super) fn signature(&self, question: &Question) -> Option<&Signature> {
        let (signed, signature) = self.signed.get(&question.place())?;
        (signed == question).then_some(signature)
    }
}
