//! What the commands do. Those on watermarks also run without a proxy, on the store alone.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::guard::{Account, Condition, Raise, Stream, WatermarkStore};
use crate::proxy::Proxy;
use crate::signer::Roster;
use crate::tezos::{ChainId, ConsensusKind, Level, Position, PublicKeyHash};
use crate::time::now;
use crate::transfer::Halted;

use super::transfer::{export_watermarks, import_watermarks, is_only_sealed, resume_key, stop_key};
use super::{Command, Drains, KeyLimits, Reply, Watermark, Watermarks};

pub(super) async fn execute(command: Command, proxy: &Proxy, drains: &Drains) -> Reply {
    match command {
        Command::WatermarkShow => Reply::Watermarks(show_watermarks(proxy.guard.store())),
        Command::WatermarkInit { key, chain, level } => match configured(proxy, key, chain) {
            Ok(()) => init_watermark(proxy.guard.store(), key, chain, level).await,
            Err(reason) => Reply::Failed(reason),
        },
        Command::WatermarkExport { seal } => export_watermarks(proxy.guard.store(), seal).await,
        Command::WatermarkImport {
            source,
            request,
            dry_run,
        } => import_watermarks(proxy.guard.store(), &source, &request, dry_run).await,
        Command::WatermarkStopAt { key, chain, level } => {
            stop_key(proxy.guard.store(), Account { chain, key }, level).await
        }
        Command::WatermarkResume { key, chain, level } => {
            resume_key(proxy.guard.store(), Account { chain, key }, level).await
        }
        Command::Drain { signer } => {
            set_draining(&proxy.roster, drains, &signer, Some(now())).await
        }
        Command::Undrain { signer } => set_draining(&proxy.roster, drains, &signer, None).await,
    }
}

/// The running proxy may know another file than the one who asks.
fn configured(proxy: &Proxy, key: PublicKeyHash, chain: ChainId) -> Result<(), String> {
    if proxy.chains.iter().all(|listed| listed.id != chain) {
        return Err(format!(
            "chain {chain} is not a [[chain]] of the running proxy"
        ));
    }
    if !proxy.keys.is_empty() && proxy.keys.iter().all(|listed| listed.hash != key) {
        return Err(format!("{key} is not a [[key]] of the running proxy"));
    }
    Ok(())
}

/// All watermarks of a store.
#[must_use]
pub fn show_watermarks(store: &dyn WatermarkStore) -> Watermarks {
    let watermarks = store.streams().into_iter().map(|report| Watermark {
        chain: report.stream.chain,
        key: report.stream.key,
        kind: report.stream.kind,
        level: report.floor.level.get(),
        round: report.floor.round.get(),
        at: report.floor_at,
    });
    let keys = store.accounts().into_iter().map(|report| KeyLimits {
        chain: report.account.chain,
        key: report.account.key,
        stop_at: report.state.stop_at,
        halted: report.state.halt.map(Halted::from),
    });
    let report = store.report();
    // A seal is no ailment: it is shown, and what stands is what will be signed by, which is nothing.
    let refuses = report.condition == Condition::Refusing && !is_only_sealed(&report);
    Watermarks {
        lineage: report.lineage,
        refusing: report.reason.filter(|_| refuses),
        sealed: report.sealed,
        keys: keys.collect(),
        watermarks: watermarks.collect(),
    }
}

/// Sets the watermark of `key` for all kinds, creating the store where there is none. Never lowers.
pub async fn init_watermark(
    store: &dyn WatermarkStore,
    key: PublicKeyHash,
    chain: ChainId,
    level: Level,
) -> Reply {
    let report = store.report();
    if report.sealed.is_some() {
        let reason = report.reason.unwrap_or_default();
        return Reply::Failed(format!("{reason}; nothing was changed"));
    }
    let floor = Position::end_of_level(level);
    let streams = ConsensusKind::ALL.map(|kind| Stream { chain, key, kind });
    let before: Vec<_> = store
        .streams()
        .into_iter()
        .filter(|report| streams.contains(&report.stream))
        .collect();
    let all_there = streams
        .iter()
        .all(|stream| before.iter().any(|report| report.stream == *stream));
    let lowest = before.iter().map(|report| report.floor).min();
    if let (true, Some(lowest)) = (all_there, lowest)
        && lowest >= floor
    {
        let stands = lowest.level.get();
        return Reply::Failed(format!(
            "the watermark of {key} on {chain} is already at level {stands}; it is never lowered, \
             nothing was changed"
        ));
    }
    let raises = streams.map(|stream| Raise { stream, floor }).to_vec();
    if let Err(error) = store.raise(raises, now()).await {
        return Reply::Failed(error.to_string());
    }
    let lineage = store.report().lineage.unwrap_or_default();
    tracing::info!(%key, %chain, level = level.get(), "watermark set");
    Reply::Done(format!(
        "watermark of {key} on {chain} set: nothing at or below level {} will be signed\nlineage of the \
         store: {lineage}",
        level.get()
    ))
}

async fn set_draining(
    roster: &Roster,
    drains: &Drains,
    signer: &str,
    since: Option<Timestamp>,
) -> Reply {
    if let Err(error) = roster.set_draining(signer, since) {
        return Reply::Failed(error.to_string());
    }
    let kept: BTreeMap<_, _> = roster
        .signers()
        .iter()
        .filter_map(|signer| Some((signer.name().to_owned(), signer.draining()?)))
        .collect();
    let file = drains.file.clone();
    let written = tokio::task::spawn_blocking(move || {
        let text = serde_json::to_vec_pretty(&kept)?;
        crate::store::write_durably(&file, &text)
    });
    match written.await {
        Ok(Ok(())) => Reply::Done(match since {
            Some(since) => drained(roster, signer, since),
            None => format!("{signer} takes work again"),
        }),
        Ok(Err(error)) => Reply::Failed(format!(
            "done, but it will not survive a restart: cannot write {}: {error}",
            drains.file.display()
        )),
        Err(error) => Reply::Failed(error.to_string()),
    }
}

/// What the operator is told: what goes on at the signer, and who is left without it.
fn drained(roster: &Roster, name: &str, since: Timestamp) -> String {
    let mut lines = vec![format!(
        "{name} is drained since {since}, until undrained: it takes no new round"
    )];
    let Some(signer) = roster.signers().iter().find(|it| it.name() == name) else {
        return lines.concat();
    };
    match signer.under_way() {
        0 => {}
        1 => lines.push("1 signature is under way at it".to_owned()),
        more => lines.push(format!("{more} signatures are under way at it")),
    }
    let mut keys = signer.shown_keys();
    keys.sort();
    for key in keys {
        match roster.left_for(key).as_slice() {
            [] => lines.push(format!("no signer is left for {key}")),
            [left] => lines.push(format!("{} is the only one left for {key}", left.name())),
            [_, _, ..] => {}
        }
    }
    lines.join("\n")
}

/// Drains again what was drained in the run before. Blocking.
pub fn restore_drains(roster: &Roster, drains: &Drains) {
    let Ok(text) = std::fs::read(&drains.file) else {
        return;
    };
    let kept: BTreeMap<String, Timestamp> = match serde_json::from_slice(&text) {
        Ok(kept) => kept,
        Err(error) => {
            tracing::warn!(file = %drains.file.display(), %error, "drains of the last run ignored");
            return;
        }
    };
    for (signer, since) in kept {
        match roster.set_draining(&signer, Some(since)) {
            Ok(()) => tracing::info!(signer, %since, "signer is still drained"),
            Err(error) => tracing::warn!(%error, "drain of the last run ignored"),
        }
    }
}
