//! The end of an operation: the sentence for the baker, and what becomes of attempts still alive.

use std::sync::Arc;

use crate::telemetry::metrics::label;

use super::super::cause::Cause;
use super::super::roster::Signer;
use super::AttemptError;
use super::losers::Losers;
use super::operation::Operation;
use super::running::Running;

impl Operation<'_> {
    /// Why there is no signature: what was seen on every path that could have given one.
    pub(super) fn failure(&self) -> AttemptError {
        if self.alive.is_empty() && self.is_shed() {
            return AttemptError::Shed;
        }
        let mut parts = self.tally.sentences();
        if self.tally.is_unauthenticated() && self.is_final() {
            return AttemptError::Unauthenticated {
                causes: parts.join("; "),
            };
        }
        let now = crate::time::now();
        let mut alive: Vec<_> = self.alive.values().collect();
        alive.sort_by_key(|running| running.begun);
        for running in alive {
            let Running {
                signer,
                path,
                gate,
                begun,
                ..
            } = running;
            let ago = jiff::SignedDuration::try_from(begun.elapsed()).unwrap_or_default();
            let started = now.checked_sub(ago).unwrap_or(now);
            let sentence = if gate.is_sent() {
                path.sentence(signer, &Cause::Silent, started)
            } else {
                format!(
                    "{} ({}) is busy with other signatures",
                    signer.name(),
                    path.url()
                )
            };
            add(&mut parts, sentence);
        }
        for sentence in self.attempts.roster.explain(Some(self.key)) {
            add(&mut parts, sentence);
        }
        parts.sort();
        AttemptError::NoSigner {
            waited: self.begun.elapsed(),
            causes: parts.join("; "),
        }
    }

    /// Ends what is still alive. What has not left never does. What has left runs on for a while, unseen, whether
    /// there is a signature or not: how it ends tells a slow signer from a dead one, and the device is at work.
    pub(super) fn settle(&mut self) {
        self.alive.retain(|_, running| !running.close());
        // Nothing leaves any more, so this counts all.
        if let Some((slot, winner)) = self.slot.map(|slot| (slot, self.winner))
            && winner.is_none()
        {
            self.attempts.spent.add(slot, self.own_sends());
        }
        let turns = std::mem::take(&mut self.turns);
        if let Some(winner) = self.winner {
            self.known.note(winner);
            // It has shown that it is free, although another of its paths may still be silent.
            if let Some(turn) = turns.get(&winner) {
                turn.free();
            }
            self.copy();
        } else {
            // The devices may be at work still, or hang: others try them one at a time.
            for running in self.alive.values() {
                running.turn.abandon();
            }
        }
        drop(turns);
        if self.alive.is_empty() {
            return;
        }
        let losers = Losers {
            board: self.attempts.roster.board(),
            roster: Arc::clone(&self.attempts.roster),
            metrics: Arc::clone(&self.attempts.metrics),
            key: self.key,
            running: std::mem::take(&mut self.running),
            alive: std::mem::take(&mut self.alive),
            known: self.known.clone(),
            winner: self.winner,
            tripwire: self.tripwire.clone(),
        };
        let shutdown = self.attempts.tasks.shutdown();
        self.attempts.tasks.spawn("losers", losers.watch(shutdown));
    }

    /// Counts an attempt that has ended.
    pub(super) fn count(&self, signer: &Signer, class: &str) {
        let labels = label::Attempt {
            signer: signer.name().to_owned(),
            class: class.to_owned(),
        };
        self.attempts.metrics.attempts.get_or_create(&labels).inc();
    }
}

/// Adds what is known of a path, unless something was said of it already.
fn add(parts: &mut Vec<String>, sentence: String) {
    let about = sentence
        .split_once(')')
        .map_or(sentence.as_str(), |(about, _)| about);
    if !parts.iter().any(|part| part.starts_with(about)) {
        parts.push(sentence);
    }
}
