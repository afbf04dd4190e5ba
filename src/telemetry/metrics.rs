//! All metrics of the process, in one registry that the admin port encodes.
//!
//! Label values are bounded: signers, paths and kinds come from the configuration and the protocol, keys
//! are few. Never a level, an address or a request id.

use std::fmt::Write as _;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

/// A gauge of seconds or other fractions.
pub type FloatGauge = Gauge<f64, AtomicU64>;

/// Label sets of the metrics; the field names are the label names.
pub mod label {
    use super::EncodeLabelSet;

    macro_rules! labels {
        ($(#[$doc:meta])* $name:ident { $($field:ident),* }) => {
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
            pub struct $name {
                $(
                    #[doc = concat!("Label `", stringify!($field), "`.")]
                    pub $field: String,
                )*
            }
        };
    }

    labels!(/// Of `sign_requests_total`.
        SignRequest { kind, outcome });
    labels!(/// By whose certificate it is.
        Certificate { certificate });
    labels!(/// By key.
        Key { key });
    labels!(/// By kind of payload.
        Kind { kind });
    labels!(/// By reason.
        Reason { reason });
    labels!(/// By store.
        Store { store });
    labels!(/// One stream.
        Stream { chain, key, kind });
    labels!(/// Of `attempts_total`.
        Attempt { signer, class });
    labels!(/// By signer.
        Signer { signer });
    labels!(/// By path.
        Path { signer, path });
    labels!(/// Of `state_changes_total`.
        StateChange { signer, to });
    labels!(/// By result.
        Result { result });
}

/// Buckets of sign durations and deadline margins, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct SignBuckets;

impl MetricConstructor<Histogram> for SignBuckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new([
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0,
            10.0, 30.0,
        ])
    }
}

/// Buckets of durable commits, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct CommitBuckets;

impl MetricConstructor<Histogram> for CommitBuckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new([
            0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
        ])
    }
}

type SignHistogram = Family<label::Kind, Histogram, SignBuckets>;

macro_rules! metrics {
    ($( $field:ident : $type:ty = $make:expr, $name:literal, $help:literal; )*) => {
        /// Every metric, cheap to clone by reference; names carry the prefix `signer_proxy_`.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $( #[doc = concat!("`", $name, "`: ", $help)] pub $field: $type, )*
        }

        impl Metrics {
            /// A fresh set in a registry of its own.
            #[must_use]
            pub fn new() -> Self {
                let mut registry = Registry::with_prefix("signer_proxy");
                let version = vec![("version", env!("CARGO_PKG_VERSION"))];
                registry.register("build", "Version of the running program", Info::new(version));
                $(
                    let $field: $type = $make;
                    registry.register($name, $help, $field.clone());
                )*
                Self { registry, $( $field, )* }
            }
        }
    };
}

metrics! {
    sign_requests: Family<label::SignRequest, Counter> = Family::default(),
        "sign_requests", "Sign requests answered, by kind and outcome";
    sign_duration: SignHistogram = Family::new_with_constructor(SignBuckets),
        "sign_duration_seconds", "Time from a sign request to its answer";
    deadline_margin: SignHistogram = Family::new_with_constructor(SignBuckets),
        "deadline_margin_seconds", "Time left before the deadline when a signature was there; 0 for one that never came";
    watermark_refusals: Family<label::Reason, Counter> = Family::default(),
        "watermark_refusals", "Sign requests refused by the guard, by reason";
    store_commit_duration: Family<label::Store, Histogram, CommitBuckets> =
        Family::new_with_constructor(CommitBuckets),
        "store_commit_duration_seconds", "Length of durable commits";
    watermark_level: Family<label::Stream, Gauge> = Family::default(),
        "watermark_level", "Level of the highest claimed position";
    last_signature_timestamp: Family<label::Stream, FloatGauge> = Family::default(),
        "last_signature_timestamp_seconds", "Unix time of the last released signature";
    attempts: Family<label::Attempt, Counter> = Family::default(),
        "attempts", "Attempts at signers, by class of their outcome";
    signer_up: Family<label::Signer, Gauge> = Family::default(),
        "signer_up", "1 when the signer answers and does not fail at signing, else 0";
    key_signers: Family<label::Key, Gauge> = Family::default(),
        "key_signers", "Signers that have shown the key and are well";
    path_up: Family<label::Path, Gauge> = Family::default(),
        "path_up", "1 when the path takes work, else 0";
    deep_probe_up: Family<label::Signer, Gauge> = Family::default(),
        "deep_probe_up", "1 when the last deep probe of the signer was well, else 0; absent without one";
    state_changes: Family<label::StateChange, Counter> = Family::default(),
        "state_changes", "Changes of a signer's state, by the new state";
    decision_log_dropped: Counter = Counter::default(),
        "decision_log_dropped", "Entries that the decision log had no room for and only counted";
    decision_log_failures: Counter = Counter::default(),
        "decision_log_failures", "Failed tries to write or sync the decision log";
    failovers: Counter = Counter::default(),
        "failovers", "Changes of the active signer of a key";
    hedges: Counter = Counter::default(),
        "hedges", "Attempts started beside a living one";
    held_requests: Gauge = Gauge::default(),
        "held_requests", "Sign requests that wait for a path";
    cache_requests: Family<label::Result, Counter> = Family::default(),
        "cache_requests", "Metadata requests, by how they were answered";
    certificate_expiry: Family<label::Certificate, Gauge> = Family::default(),
        "certificate_expiry_timestamp_seconds", "Unix time at which a certificate ends";
    state_free_bytes: Gauge = Gauge::default(),
        "state_free_bytes", "Free space on the volume of the state directory";
    witness_up: Gauge = Gauge::default(),
        "witness_up", "1 when the witness follows the watermarks, 0 when it cannot be written or there is none";
    foreign_signatures: Counter = Counter::default(),
        "foreign_signatures", "Slots for which a signer had signed bytes that this proxy never sent";
    evidence_halts: Counter = Counter::default(),
        "evidence_halts", "Keys halted because the chain shows signatures that the store never knew";
    unreleased_signatures: Counter = Counter::default(),
        "unreleased_signatures", "Signatures that a signer may have made and that were never released";
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// The registry in the `OpenMetrics` text format.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            // Writing to a string fails only if a label does; say so where the reader looks.
            text.clear();
            if writeln!(text, "# encoding failed: {error}").is_err() {
                text.clear();
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_name_is_exported() {
        let metrics = Metrics::new();
        let stream = label::Stream {
            chain: "c".into(),
            key: "k".into(),
            kind: "block".into(),
        };
        metrics.watermark_level.get_or_create(&stream).set(5);
        metrics
            .last_signature_timestamp
            .get_or_create(&stream)
            .set(1.5);
        let kind = label::Kind {
            kind: "block".into(),
        };
        metrics.sign_duration.get_or_create(&kind).observe(0.1);
        let text = metrics.encode();
        for name in [
            "signer_proxy_build_info{version=",
            "signer_proxy_evidence_halts_total 0",
            "signer_proxy_failovers_total 0",
            "signer_proxy_foreign_signatures_total 0",
            "signer_proxy_hedges_total 0",
            "signer_proxy_held_requests 0",
            "signer_proxy_last_signature_timestamp_seconds{chain=\"c\",key=\"k\",kind=\"block\"} 1.5",
            "signer_proxy_sign_duration_seconds_count{kind=\"block\"} 1",
            "signer_proxy_unreleased_signatures_total 0",
            "signer_proxy_watermark_level{chain=\"c\",key=\"k\",kind=\"block\"} 5",
        ] {
            assert!(text.contains(name), "{name} is missing in:\n{text}");
        }
    }
}
