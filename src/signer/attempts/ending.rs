//! The end of an operation: the sentence for the baker, and what becomes of attempts still alive.

use std::sync::Arc;

use crate::telemetry::metrics::label;

use super::super::cause::Cause;
use super::super::health::Observation;
use super::super::roster::Signer;
use super::AttemptError;
use super::operation::Operation;
use super::running::Running;

impl Operation<'_> {
    /// Why there is no signature: what was seen on every path that could have given one.
    pub(super) fn failure(&self) -> AttemptError {
        let mut parts = self.tally.sentences();
        if self.tally.is_unauthenticated() && self.is_final() {
            return AttemptError::Unauthenticated {
                causes: parts.join("; "),
            };
        }
        let now = crate::time::now();
        for running in self.alive.values() {
            let Running {
                signer,
                path,
                sent,
                begun,
                ..
            } = running;
            let ago = jiff::SignedDuration::try_from(begun.elapsed()).unwrap_or_default();
            let started = now.checked_sub(ago).unwrap_or(now);
            parts.push(if sent.get() {
                path.sentence(signer, &Cause::Silent, started)
            } else {
                format!(
                    "{} ({}) is busy with other signatures",
                    signer.name(),
                    path.url()
                )
            });
        }
        let known: Vec<_> = self.attempts.roster.explain(Some(self.key));
        for sentence in known {
            let about = sentence
                .split_once(')')
                .map_or(sentence.as_str(), |(about, _)| about);
            if !parts.iter().any(|part| part.starts_with(about)) {
                parts.push(sentence);
            }
        }
        parts.sort();
        AttemptError::NoSigner {
            waited: self.begun.elapsed(),
            causes: parts.join("; "),
        }
    }

    /// Ends what is still alive. Each loser was too slow: that is a miss of its path.
    pub(super) fn settle(&mut self, signed: bool) {
        let roster = Arc::clone(&self.attempts.roster);
        for (_, running) in self.alive.drain() {
            if !running.sent.get() {
                continue;
            }
            self.attempts.metrics.unreleased_signatures.inc();
            let labels = label::Attempt {
                signer: running.signer.name().to_owned(),
                class: "abandoned".to_owned(),
            };
            self.attempts.metrics.attempts.get_or_create(&labels).inc();
            if running.begun.elapsed() >= running.signer.usual_latency() || !signed {
                roster.observe(
                    &running.signer,
                    &running.path,
                    Observation::Miss(Cause::Silent),
                );
                roster.abandoned(&running.signer);
            }
        }
        self.running.abort_all();
        self.tickets.clear();
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
