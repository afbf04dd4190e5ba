//! What is printed of a run, and of a slot that must not have been lost: all that a reader needs to find out why.

use std::ops::Range;
use std::time::Duration;

use signer_proxy::tezos::PublicKeyHash;

use crate::harness::payload::Slot;
use crate::harness::timeline::{gaps, length};

use super::field::Field;
use super::history::{Answer, Ask, Finding, LIMIT, Verdict};

/// What came before a request and may explain it.
const BEFORE: Duration = Duration::from_secs(8);

impl Field {
    /// The longest time within `window` in which no baker got a signature.
    pub(super) fn longest_gap(&self, window: &Range<Duration>) -> Duration {
        let history = self.history();
        let signed = history
            .iter()
            .filter(|ask| matches!(ask.answer, Answer::Signed(_)));
        let moments = signed.map(|ask| ask.ended).filter(|at| window.contains(at));
        let gaps = gaps(moments.map(|at| at..at).collect(), window);
        gaps.into_iter().max().unwrap_or_default()
    }

    /// One line about all, and more about each finding.
    pub(super) fn tell(&self, verdict: &Verdict, storm: &Range<Duration>) {
        let lost = |finding: &&Finding| matches!(finding, Finding::Lost(_, _, _));
        let without = verdict.findings.iter().filter(lost).count();
        println!(
            "{} slots, {} of them asked for with different bytes, {} signed, {} signatures released and {} made; \
             faults {:?} within {:.0?}, {} at the leader; lost or late {without} without excuse and {} with (well for \
             {:.1?} at most); longest time without any signature {:.1?}; {} conflicts",
            verdict.slots,
            verdict.contested,
            verdict.signed,
            verdict.released,
            verdict.made,
            self.timeline().applied(),
            length(storm),
            self.leaders(),
            verdict.excused.len(),
            verdict
                .excused
                .iter()
                .map(|(_, _, well)| *well)
                .max()
                .unwrap_or_default(),
            self.longest_gap(storm),
            verdict.findings.len() - without,
        );
        for (key, slot, well) in &verdict.excused {
            let (first, asks) = self.about(*key, *slot);
            let answers: Vec<_> = asks.iter().map(|ask| &ask.answer).collect();
            println!("excused, well for {well:.1?}: {slot:?} of {key} at {first:.1?}: {answers:?}");
        }
        for finding in &verdict.findings {
            println!("{finding:?}");
            if let Finding::Lost(key, slot, _) = finding {
                self.explain(*key, *slot);
            }
        }
    }

    /// When a slot was asked for first, and what was answered.
    fn about(&self, key: PublicKeyHash, slot: Slot) -> (Duration, Vec<Ask>) {
        let history = self.history();
        let about = history.iter().filter(|ask| ask.is_about(key, slot));
        let about: Vec<_> = about.cloned().collect();
        let first = about.iter().map(|ask| ask.asked).min();
        (first.unwrap_or_default(), about)
    }

    /// What was asked, and what was wrong then.
    fn explain(&self, key: PublicKeyHash, slot: Slot) {
        let (begun, asks) = self.about(key, slot);
        for ask in asks {
            println!(
                "  {} asked {:.3?} and got {:?} at {:.3?}, sent again {} times",
                ask.baker, ask.asked, ask.answer, ask.ended, ask.again
            );
        }
        for span in self
            .timeline()
            .during(&(begun.saturating_sub(BEFORE)..begun + LIMIT))
        {
            let end = span.to.map_or("on".to_owned(), |to| format!("{to:.3?}"));
            println!(
                "  {:.3?} to {end} {:?} {:?}",
                span.from, span.place, span.fault
            );
        }
    }
}
