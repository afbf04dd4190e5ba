//! Watermarks that move: export with its seal, import, stop levels, and the end of a halt.
//!
//! All of it works on a store, whether a proxy runs on it or not. What is answered as done is durable.

use crate::guard::{
    Account, Book, Change, Condition, Raise, StoreReport, Stream, StreamState, WatermarkStore,
};
use crate::tezos::{ConsensusKind, Level, Position};
use crate::time::now;
use crate::transfer::{Document, Plan, Present, Request, Source, words};

use super::Reply;

/// Why nothing may be changed or taken from a store: there is none, it was sealed, or it is in doubt.
fn unwilling(report: &StoreReport) -> Option<String> {
    match report.condition {
        Condition::Ready => None,
        Condition::Absent | Condition::Refusing => Some(report.reason.clone().unwrap_or_default()),
    }
}

/// Whether the seal is all that keeps the store from signing.
pub(super) fn is_only_sealed(report: &StoreReport) -> bool {
    let sealed = Book {
        sealed: report.sealed,
        ..Book::default()
    };
    report.sealed.is_some() && report.reason == sealed.seal_sentence()
}

/// The watermarks as a document, as JSON text. With `seal` the store never signs again, durably, before any of
/// them is read; sealing again is the same as exporting again. What other replicas have signed is in it: floors that
/// are too low would let the next store sign the same slots again.
pub async fn export_watermarks(store: &dyn WatermarkStore, seal: bool) -> Reply {
    let report = store.report();
    // Floors of a store in doubt may be too low, and whoever imports them would believe them.
    if let Some(reason) = unwilling(&report)
        && !is_only_sealed(&report)
    {
        return Reply::Failed(reason);
    }
    if seal && report.sealed.is_none() {
        if let Err(error) = store.amend(vec![Change::Seal], now()).await {
            return Reply::Failed(format!("the store is not known to be sealed: {error}"));
        }
        tracing::warn!("store sealed, it never signs again");
    }
    if let Err(error) = store.refresh().await {
        let sealed = if seal { ", which is sealed," } else { "" };
        return Reply::Failed(format!(
            "the watermarks of the store{sealed} cannot be read as they are now, and older ones may be too low; \
             export again: {error}"
        ));
    }
    Reply::Document(document(store).to_text())
}

fn document(store: &dyn WatermarkStore) -> Document {
    let report = store.report();
    let streams = store.streams().into_iter().map(|report| {
        let state = StreamState::with_floor(report.floor, report.floor_at);
        (report.stream, state)
    });
    let accounts = store.accounts().into_iter();
    let book = Book {
        streams: streams.collect(),
        accounts: accounts
            .map(|report| (report.account, report.state))
            .collect(),
        sealed: report.sealed,
    };
    Document::of_book(&report.lineage.unwrap_or_default(), &book, now())
}

/// What `source` would change, as lines; and, unless `dry_run`, changes it, all or nothing. Creates the store
/// where there is none.
pub async fn import_watermarks(
    store: &dyn WatermarkStore,
    source: &Source,
    request: &Request,
    dry_run: bool,
) -> Reply {
    let report = store.report();
    if report.condition != Condition::Absent
        && let Some(reason) = unwilling(&report)
    {
        return Reply::Failed(reason);
    }
    let plan = match Plan::make(&present(store), source, request) {
        Ok(plan) => plan,
        Err(error) => return Reply::Failed(error.to_string()),
    };
    if dry_run {
        return Reply::Done(plan.to_string());
    }
    let rising = plan.steps.iter().filter(|step| step.rises()).count();
    let count = rising.saturating_add(plan.halts.len());
    // Also when nothing rises: unsigned claims that the other side may have signed end by it.
    if let Err(error) = store.amend(plan.changes(), now()).await {
        return Reply::Failed(error.to_string());
    }
    if count == 0 {
        return Reply::Done("no watermark had to be changed".to_owned());
    }
    let lineage = store.report().lineage.unwrap_or_default();
    tracing::warn!(source = source.what, changes = count, "watermarks imported");
    Reply::Done(format!(
        "done: {count} changes from {}\nlineage of the store: {lineage}",
        source.what
    ))
}

/// What an import is merged into.
fn present(store: &dyn WatermarkStore) -> Present {
    let floors = store.streams();
    let halted = store.accounts();
    Present {
        floors: floors
            .into_iter()
            .map(|report| (report.stream, report.floor))
            .collect(),
        halted: halted
            .into_iter()
            .filter(|report| report.state.halt.is_some())
            .map(|report| report.account)
            .collect(),
    }
}

/// Nothing above `level` is ever signed with the key by this store.
pub async fn stop_key(store: &dyn WatermarkStore, account: Account, level: Level) -> Reply {
    let Account { chain, key } = account;
    if let Some(reason) = unwilling(&store.report()) {
        return Reply::Failed(reason);
    }
    if floors(store, account).is_empty() {
        return Reply::Failed(format!(
            "{key} has no watermark on {chain} in this store, which signs nothing with it; nothing was changed"
        ));
    }
    if let Some(stop) = store.account(account).stop_at
        && stop < level
    {
        return Reply::Failed(format!(
            "{key} on {chain} already stops at level {stop}; a stop is only ever lowered, nothing was changed"
        ));
    }
    let stop = vec![Change::StopAt { account, level }];
    if let Err(error) = store.amend(stop, now()).await {
        return Reply::Failed(error.to_string());
    }
    tracing::warn!(%key, %chain, level = level.get(), "key stops at a level");
    // Only now: what another replica has signed up to the stop counts, and nothing comes after it.
    if let Err(error) = store.refresh().await {
        return Reply::Failed(format!(
            "{key} on {chain} stops at level {level}, but what was signed with it up to now cannot be read; ask again \
             before anybody takes over: {error}"
        ));
    }
    let floors = floors(store, account);
    let highest = floors.iter().map(|(_, floor)| *floor).max();
    let floors: Vec<_> = floors
        .iter()
        .map(|(kind, floor)| format!("{kind} {}", words(*floor)))
        .collect();
    let above = highest.filter(|highest| highest.level > level);
    let above = above.map(|highest| {
        format!(
            "\nthat is above the stop: whoever takes over starts above level {}",
            highest.level
        )
    });
    Reply::Done(format!(
        "{key} on {chain} stops: nothing above level {level} is ever signed with it by this store\nit may have \
         signed up to: {}{}",
        floors.join(", "),
        above.unwrap_or_default()
    ))
}

fn floors(store: &dyn WatermarkStore, account: Account) -> Vec<(ConsensusKind, Position)> {
    let streams = store.streams().into_iter();
    let of_key = streams.filter(|report| Account::from(report.stream) == account);
    of_key
        .map(|report| (report.stream.kind, report.floor))
        .collect()
}

/// Takes back a halt. With a level nothing at or below it will be signed, of any kind, from the same moment on.
pub async fn resume_key(
    store: &dyn WatermarkStore,
    account: Account,
    level: Option<Level>,
) -> Reply {
    let Account { chain, key } = account;
    if let Some(reason) = unwilling(&store.report()) {
        return Reply::Failed(reason);
    }
    let Some(halt) = store.account(account).halt else {
        return Reply::Failed(format!(
            "signing with {key} on {chain} is not halted; nothing was changed"
        ));
    };
    let raises = level.map(Position::end_of_level).into_iter();
    let raises = raises.flat_map(|floor| {
        ConsensusKind::ALL.map(|kind| {
            let stream = Stream { chain, key, kind };
            Change::Raise(Raise { stream, floor })
        })
    });
    let changes = raises.chain([Change::Resume { account }]).collect();
    if let Err(error) = store.amend(changes, now()).await {
        return Reply::Failed(error.to_string());
    }
    let level_number = level.map(Level::get);
    tracing::warn!(%key, %chain, level = level_number, since = %halt.at, "key resumed by the operator");
    let stand: Vec<String> = floors(store, account)
        .into_iter()
        .map(|(kind, floor)| format!("{kind} above {floor}"))
        .collect();
    let stand = stand.join(", ");
    let advice = match level {
        Some(_) => "",
        None => {
            "; if there may be more of the other signatures, give a level above them now with `signer-proxy \
             watermark init`"
        }
    };
    Reply::Done(format!(
        "signing with {key} on {chain} goes on: {stand}{advice}\nit was halted since {}: {}",
        halt.at, halt.reason
    ))
}

#[cfg(test)]
mod tests;
