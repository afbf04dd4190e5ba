//! Builds the status from the states of signers, keys and store.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::guard::{Condition, StoreReport, StreamReport};
use crate::signer::{PathState, Served, Signer, SignerState};
use crate::tezos::PublicKeyHash;

use super::super::Admin;
use super::{
    AuthorizedKeysStatus, KeyStatus, LastSigned, PathStatus, SignerStatus, Status, StoreStatus,
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
    let (state, summary) = overall(&store, &keys, &signers);
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config_hash: admin.config_hash.clone(),
        uptime_seconds: now.duration_since(admin.started).as_secs_f64(),
        state: state.to_owned(),
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
        },
        warnings: admin.warnings.clone(),
    }
}

fn authorized_keys(admin: &Admin, now: Timestamp) -> AuthorizedKeysStatus {
    let authorized = admin.proxy.cache.authorized();
    let at = authorized.as_ref().and_then(|authorized| authorized.at);
    AuthorizedKeysStatus {
        age_seconds: at.map(|at| now.duration_since(at).as_secs_f64()),
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
            rtt_ms: path.round_trip().map(|rtt| rtt.as_secs_f64() * 1_000.0),
        }
    });
    SignerStatus {
        name: signer.name().to_owned(),
        priority: signer.settings().priority,
        state: signer.state().name().to_owned(),
        active,
        since: signer.entered(),
        cause: signer.cause().map(|(cause, _)| cause),
        paths: paths.collect(),
    }
}

fn key_status(
    admin: &Admin,
    key: PublicKeyHash,
    store: &StoreReport,
    streams: &[StreamReport],
) -> KeyStatus {
    let roster = &admin.proxy.roster;
    let able: Vec<&Arc<Signer>> = roster
        .signers()
        .iter()
        .filter(|signer| signer.serves(key) != Served::Denied)
        .collect();
    let serving: Vec<_> = able
        .iter()
        .filter(|signer| signer.serves(key) == Served::Proved)
        .collect();
    let usable = serving
        .iter()
        .filter(|signer| matches!(signer.state(), SignerState::Up | SignerState::Suspect))
        .count();
    let mine = || streams.iter().filter(|report| report.stream.key == key);
    let (state, cause) = if store.condition == Condition::Refusing {
        ("stopped", store.reason.clone())
    } else if mine().next().is_none() {
        (
            "stopped",
            Some("no watermark is set; run `signer-proxy watermark init`".to_owned()),
        )
    } else if usable == 0 {
        ("down", Some(roster.explain(Some(key)).join("; ")))
    } else if usable < able.len() {
        let cause = match usable {
            1 => "one signer left".to_owned(),
            _ => format!("{usable} of {} signers left", able.len()),
        };
        ("degraded", Some(cause))
    } else {
        ("ok", None)
    };
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
        state: state.to_owned(),
        cause,
        signers: serving
            .iter()
            .map(|signer| signer.name().to_owned())
            .collect(),
        last_signed: last_signed.collect(),
    }
}

/// The worst of everything in one word, and the first reason in one sentence.
fn overall(
    store: &StoreReport,
    keys: &[KeyStatus],
    signers: &[SignerStatus],
) -> (&'static str, String) {
    if store.condition == Condition::Refusing {
        return ("down", store.reason.clone().unwrap_or_default());
    }
    if let Some(key) = keys
        .iter()
        .find(|key| key.state == "down" || key.state == "stopped")
    {
        let cause = key.cause.clone().unwrap_or_default();
        return ("down", format!("{} cannot sign: {cause}", key.hash));
    }
    let up = PathState::Up.name();
    let words =
        |cause: &Option<String>, state: &str| cause.clone().unwrap_or_else(|| state.to_owned());
    let well = signers.iter().filter(|signer| signer.state == up).count();
    if let Some(signer) = signers.iter().find(|signer| signer.state != up) {
        let cause = words(&signer.cause, &signer.state);
        let state = if well == 0 { "down" } else { "degraded" };
        let all = signers.len();
        return (
            state,
            format!("{well} of {all} signers up: {} {cause}", signer.name),
        );
    }
    match signers
        .iter()
        .flat_map(|signer| &signer.paths)
        .find(|path| path.state != up)
    {
        Some(path) => {
            let cause = words(&path.cause, &path.state);
            (
                "degraded",
                format!("all signers up, but path {} {cause}", path.url),
            )
        }
        None => (
            "ok",
            format!(
                "all {} signers up, {} keys can sign",
                signers.len(),
                keys.len()
            ),
        ),
    }
}
