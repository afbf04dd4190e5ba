//! Builds the status from the states of signers, keys and store.

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::guard::{Account, AccountReport, StoreReport, StreamReport};
use crate::node::{Outlook, Verdict};
use crate::signer::{Served, Signer, SignerState};
use crate::tezos::PublicKeyHash;

use super::super::Admin;
use super::judge::{self, Able, Facts};
use super::{
    AuthorizedKeysStatus, CertificateStatus, DeepProbeStatus, EvidenceStatus, KeyStatus,
    LastSigned, PathStatus, SignerStatus, Status, StoreStatus,
};

pub(in crate::admin) fn status(admin: &Admin) -> Status {
    let now = crate::time::now();
    let proxy = &admin.proxy;
    let store = proxy.guard.report();
    let streams = proxy.guard.streams();
    let keys: Vec<_> = proxy
        .cache
        .served_keys()
        .into_iter()
        .map(|key| key_status(admin, key, &store, &streams))
        .collect();
    let signers: Vec<_> = proxy
        .roster
        .signers()
        .iter()
        .map(|signer| signer_status(admin, signer, &keys))
        .collect();
    let (verdict, summary) = judge::overall(&store, &keys, &signers);
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config_hash: admin.config_hash.clone(),
        uptime_seconds: rounded(now.duration_since(admin.started).as_secs_f64()),
        state: verdict.name().to_owned(),
        summary,
        draining: admin.draining.load(Ordering::Acquire),
        signers,
        keys,
        authorized_keys: authorized_keys(admin, now),
        store: StoreStatus {
            kind: store.kind.to_owned(),
            state: store.condition.to_string(),
            cause: store.reason,
            lineage: store.lineage,
            evidence: evidence(admin),
        },
        certificates: certificates(admin, now),
        warnings: warnings(admin),
    }
}

fn certificates(admin: &Admin, now: Timestamp) -> Vec<CertificateStatus> {
    let views = admin.certificates.views().into_iter();
    views
        .map(|view| {
            let expires = view
                .not_after
                .and_then(|at| Timestamp::from_second(at).ok());
            let state = match (&view.trouble, expires) {
                (_, Some(expires)) if expires <= now => "expired",
                (Some(_), _) => "broken",
                (None, Some(_)) if view.ends_soon(now) => "ends-soon",
                (None, _) => "ok",
            };
            CertificateStatus {
                name: view.what,
                file: view.file,
                state: state.to_owned(),
                expires,
                cause: view.trouble,
            }
        })
        .collect()
}

/// Those of the configuration, and what does not keep anybody from signing.
fn warnings(admin: &Admin) -> Vec<String> {
    let mut warnings = admin.warnings.clone();
    if let Some(trouble) = admin.proxy.decisions.trouble() {
        warnings.push(format!("the decision log is not written: {trouble}"));
    }
    warnings
}

fn evidence(admin: &Admin) -> Option<EvidenceStatus> {
    let Outlook { at: since, verdict } = admin.evidence.as_ref()?.borrow().clone();
    let (state, cause, levels) = match verdict {
        Verdict::Waiting => ("waiting", None, None),
        Verdict::Checked { head, lowest } => ("checked", None, Some([head.get(), lowest.get()])),
        Verdict::NotChecked(cause) => ("not-checked", Some(cause), None),
    };
    Some(EvidenceStatus {
        state: state.to_owned(),
        since,
        cause,
        levels,
    })
}

fn authorized_keys(admin: &Admin, now: Timestamp) -> AuthorizedKeysStatus {
    let authorized = admin.proxy.cache.authorized();
    let at = authorized.as_ref().and_then(|authorized| authorized.at);
    AuthorizedKeysStatus {
        age_seconds: at.map(|at| rounded(now.duration_since(at).as_secs_f64())),
        required: authorized
            .as_ref()
            .map(|authorized| authorized.keys.is_some()),
        source: authorized.map(|authorized| authorized.source),
    }
}

fn signer_status(admin: &Admin, signer: &Signer, keys: &[KeyStatus]) -> SignerStatus {
    let roster = &admin.proxy.roster;
    let active = keys.iter().any(|key| {
        // Before the first signature: the one that would be asked.
        let chosen = roster
            .active(key.hash)
            .cloned()
            .or_else(|| roster.candidates(key.hash, None).into_iter().next());
        chosen.is_some_and(|chosen| {
            chosen.index() == signer.index() && chosen.state() == SignerState::Up
        })
    });
    let paths = signer.paths().iter().map(|path| {
        let health = path.health();
        PathStatus {
            name: path.name().to_owned(),
            url: path.url().to_string(),
            state: health.state().name().to_owned(),
            since: health.entered(),
            cause: health.trouble().map(|(cause, _)| cause.to_string()),
            rtt_ms: path
                .round_trip()
                .map(|rtt| rounded(rtt.as_secs_f64() * 1_000.0)),
        }
    });
    SignerStatus {
        name: signer.name().to_owned(),
        priority: signer.settings().priority,
        state: signer.state().name().to_owned(),
        active,
        since: signer.entered(),
        last_signed: signer.last_signed(),
        cause: signer.cause().map(|(cause, _)| cause),
        deep_probe: signer.deep_view().map(|view| DeepProbeStatus {
            state: if view.cause.is_none() { "up" } else { "down" }.to_owned(),
            since: view.since,
            cause: view.cause.map(|cause| cause.to_string()),
        }),
        paths: paths.collect(),
    }
}

fn key_status(
    admin: &Admin,
    key: PublicKeyHash,
    store: &StoreReport,
    streams: &[StreamReport],
) -> KeyStatus {
    let proxy = &admin.proxy;
    let able: Vec<_> = proxy
        .roster
        .signers()
        .iter()
        .filter(|signer| signer.serves(key) != Served::Denied)
        .map(|signer| Able {
            name: signer.name().to_owned(),
            state: signer.state(),
            cause: signer.cause().map(|(cause, _)| cause),
            proved: signer.serves(key) == Served::Proved,
            spoken: signer.has_spoken(),
            left: signer.is_well() && signer.serves(key) == Served::Proved,
        })
        .collect();
    let serving = able.iter().filter(|able| able.proved);
    let signers = serving.map(|able| able.name.clone()).collect();
    let mine = || streams.iter().filter(|report| report.stream.key == key);
    let demand = || proxy.cache.demanding_signer();
    let facts = Facts {
        verifiable: key.curve().is_verifiable(),
        has_watermark: mine().next().is_some(),
        stopped: proxy
            .guard
            .store()
            .accounts()
            .iter()
            .filter(|report| report.account.key == key)
            .find_map(|report| stopped(report, streams)),
        unmet_demand: proxy.auth.authorized_keys.is_empty().then(demand).flatten(),
        able,
        trouble: proxy.roster.explain(Some(key)),
    };
    let (verdict, cause) = judge::key(&facts, store);
    let last_signed = mine().filter_map(|report| {
        let (position, at) = report.last_signed?;
        let (chain, kind) = (report.stream.chain, report.stream.kind);
        let (level, round) = (position.level.get(), position.round.get());
        Some(LastSigned {
            chain,
            kind,
            level,
            round,
            at,
        })
    });
    KeyStatus {
        hash: key,
        state: verdict.name().to_owned(),
        cause,
        signers,
        last_signed: last_signed.collect(),
    }
}

/// Why nothing more is signed with a key: it is halted, or at its last level.
fn stopped(report: &AccountReport, streams: &[StreamReport]) -> Option<String> {
    let AccountReport { account, state } = report;
    if let Some(halt) = &state.halt {
        // What the chain showed is told together with the command and the level.
        let remedy = if halt.reason.contains("signer-proxy watermark resume") {
            ""
        } else {
            "; find out who else signs with this key and stop it, then run `signer-proxy watermark resume`"
        };
        return Some(format!("halted since {}: {}{remedy}", halt.at, halt.reason));
    }
    let stop = state.stop_at?;
    let reached = streams
        .iter()
        .filter(|report| Account::from(report.stream) == *account)
        .any(|report| report.floor.level >= stop);
    reached.then(|| format!("it stops at level {stop}, which is reached: it was moved elsewhere"))
}

/// Three decimals: more is noise to whoever reads it.
fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_decimals_at_most() {
        for (exact, shown) in [
            (0.123_456_789, "0.123"),
            (1.999_96, "2.0"),
            (86_400.000_4, "86400.0"),
            (0.0, "0.0"),
        ] {
            assert_eq!(serde_json::to_string(&rounded(exact)).unwrap(), shown);
        }
    }
}
