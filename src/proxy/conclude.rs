//! What is kept of an operation that has ended: one log line, and its numbers.

use std::time::Duration;

use tokio::time::Instant;

use crate::guard::Record;
use crate::signer::AttemptError;
use crate::telemetry::metrics::label;
use crate::tezos::Payload;

use super::error::ProxyError;
use super::refused::is_for_the_operator;
use super::sign::Work;
use super::{Proxy, respond};

/// The reason of a slot that belongs to other bytes.
const CONFLICT: &str = "conflict";

/// One log line and the numbers of an operation's end.
pub(super) fn conclude(proxy: &Proxy, work: &Work, result: &Result<Record, ProxyError>) {
    let kind = work.kind();
    let key = work.request.key;
    let digest = work.digest.short();
    let (level, round) = match &work.payload {
        Payload::Consensus(payload) => (payload.position.level.get(), payload.position.round.get()),
        Payload::Other { .. } => (0, 0),
    };
    let elapsed = work.begun.elapsed();
    let seconds = elapsed.as_secs_f64();
    match result {
        Ok(record) => {
            let margin = work.deadline.saturating_duration_since(Instant::now());
            observe_margin(proxy, kind, margin);
            note_position(proxy, work, record);
            let signer = record.signer.as_str();
            tracing::info!(%key, kind, level, round, digest, signer, seconds, "signed");
        }
        Err(error) => {
            if is_lost(error) {
                observe_margin(proxy, kind, Duration::ZERO);
            }
            if let Some(reason) = respond::refusal_reason(error) {
                let labels = label::Reason {
                    reason: reason.to_owned(),
                };
                proxy
                    .metrics
                    .watermark_refusals
                    .get_or_create(&labels)
                    .inc();
                if proxy.two_bakers && reason == CONFLICT {
                    tracing::info!(%key, kind, level, round, digest, %error, "the other baker was first");
                } else {
                    tracing::error!(%key, kind, level, round, digest, %error, "watermark refusal");
                }
            } else if is_for_the_operator(error) {
                // The log of refused requests says it, for each answer.
                tracing::debug!(%key, kind, level, round, digest, seconds, %error, "not signed");
            } else {
                tracing::warn!(%key, kind, level, round, digest, seconds, %error, "not signed");
            }
        }
    }
}

fn observe_margin(proxy: &Proxy, kind: &str, margin: Duration) {
    let by_kind = label::Kind {
        kind: kind.to_owned(),
    };
    let margins = &proxy.metrics.deadline_margin;
    margins
        .get_or_create(&by_kind)
        .observe(margin.as_secs_f64());
}

/// Whether a slot was lost because no signature came in time.
fn is_lost(error: &ProxyError) -> bool {
    match error {
        ProxyError::Attempts(AttemptError::NoSigner { .. } | AttemptError::Superseded { .. }) => {
            true
        }
        ProxyError::Attempts(
            AttemptError::Dropped
            | AttemptError::Foreign(_)
            | AttemptError::Shed
            | AttemptError::Unauthenticated { .. },
        )
        | ProxyError::AuthenticationInvalid(_)
        | ProxyError::AuthenticationMissing(_)
        | ProxyError::AuthenticationUnconfigured(_)
        | ProxyError::BodyTooLarge { .. }
        | ProxyError::Claim { .. }
        | ProxyError::Malformed(_)
        | ProxyError::MethodNotAllowed { .. }
        | ProxyError::NoAnswer(_)
        | ProxyError::NotFound
        | ProxyError::ClientUnknown(_)
        | ProxyError::Overload
        | ProxyError::Policy(_)
        | ProxyError::Record(_)
        | ProxyError::TooMuch(_)
        | ProxyError::UnknownKey { .. } => false,
    }
}

fn note_position(proxy: &Proxy, work: &Work, record: &Record) {
    let Payload::Consensus(payload) = &work.payload else {
        return;
    };
    let labels = label::Stream {
        chain: payload.chain.to_string(),
        key: work.request.key.to_string(),
        kind: payload.kind.name().to_owned(),
    };
    let level = i64::from(payload.position.level.get());
    let gauge = proxy.metrics.watermark_level.get_or_create(&labels).clone();
    gauge.set(gauge.get().max(level));
    let at = Duration::try_from(record.at.as_duration()).unwrap_or_default();
    proxy
        .metrics
        .last_signature_timestamp
        .get_or_create(&labels)
        .set(at.as_secs_f64());
}
