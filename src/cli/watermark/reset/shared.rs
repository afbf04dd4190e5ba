//! `watermark reset` of a store that several proxies share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::app::open_doubted_etcd;
use crate::cli::{Failure, Outcome, code, print};
use crate::guard::Book;
use crate::settings::{EtcdSettings, Settings};
use crate::store::{Found, Replaced, write_durably};
use crate::task::Tasks;
use crate::tezos::Level;
use crate::transfer::begin_anew;

use super::super::{chain, floor::floor_of, run};
use super::{Reset, check_head, check_lineage, configured, known, note, problem, save, tell};

/// Resets the store in etcd. Replicas that run stop by it: they see another lineage.
pub(super) async fn reset(settings: &Settings, etcd: &EtcdSettings, reset: Reset) -> Outcome {
    let chain = chain(settings, reset.chain)?;
    let lock = run::lock(settings)?;
    let tasks = Tasks::new();
    let store = open_doubted_etcd(settings, etcd, lock, &tasks)
        .map_err(|reason| Failure::new(code::CONFIG, reason))?;
    let failed = |error: crate::guard::StoreError| Failure::new(code::IO, error);
    let (lineage, book) = match store.inspect().await.map_err(failed)? {
        Found::Absent => {
            return Err(problem(
                "there is no store in etcd to replace; `signer-proxy watermark init` makes one, or, if this replica has \
                 seen one, `signer-proxy watermark accept`",
            ));
        }
        Found::Whole { lineage, book } => (Some(lineage), *book),
        Found::Unreadable { reason } => {
            print(&format!("the store cannot be read: {reason}\n"))?;
            (None, Book::default())
        }
    };
    check_lineage(&reset.lineage, lineage.as_deref())?;
    let accounts = match lineage {
        Some(_) => known(&book, &chain, reset.key)?,
        None => configured(settings, &chain, reset.key)?,
    };
    let level = floor_of(reset.floor, &chain).await?;
    let now = crate::time::now();
    if !reset.below_head {
        check_head(settings, &chain, level).await?;
        check_seen(store.highest_seen(chain.id, now), level)?;
    }
    let mut kept = Vec::new();
    if let Some(lineage) = &lineage {
        let saved = save(&settings.state.directory, lineage, &book)?;
        print(&format!("what it held was saved as {}\n", saved.display()))?;
    } else {
        let raw = store.raw().await.map_err(failed)?;
        kept.push(save_raw(&settings.state.directory, &raw)?);
    }
    let anew = begin_anew(&book, &accounts, level, now);
    let before = lineage.is_some().then_some(&book);
    let is = store.replace(before, &anew, &accounts).await;
    let is = is.map_err(|error| {
        let message = format!(
            "{error}; the reset may be done in part, and lowered nothing unseen: repeat it"
        );
        Failure::new(code::IO, message)
    })?;
    note(settings, (lineage.as_deref(), &is), &accounts, level);
    let replaced = Replaced { lineage: is, kept };
    tell(&accounts, level, &replaced)?;
    print(
        "every other replica: stop it, move etcd-witness.json of its state directory away, and pin the new lineage where \
         state.lineage is pinned\n",
    )?;
    run::keep_witness(&store, now)
}

/// Keeps what cannot be read as it lay there, for people.
fn save_raw(directory: &Path, raw: &[(String, Vec<u8>)]) -> Result<PathBuf, Failure> {
    let time = crate::time::now().strftime("%Y%m%dT%H%M%S%.3fZ");
    let file = directory.join(format!("etcd-before-reset-{time}.json"));
    let pairs: BTreeMap<&str, String> = raw
        .iter()
        .map(|(key, value)| (key.as_str(), hex::encode(value)))
        .collect();
    let text = serde_json::to_vec_pretty(&pairs).map_err(|error| Failure::new(code::IO, error))?;
    write_durably(&file, &text).map_err(|error| {
        let file = file.display();
        let message =
            format!("cannot save what the store holds as {file}: {error}; nothing was changed");
        Failure::new(code::IO, message)
    })?;
    Ok(file)
}

/// What the store has forgotten, this replica may have seen.
fn check_seen(highest: Option<Level>, level: Level) -> Outcome {
    match highest {
        Some(highest) if level < highest => Err(problem(format!(
            "level {level} lies below what this replica has seen of the store, level {highest}; give a level of at least \
             that, or --below-head; nothing was changed"
        ))),
        Some(_) | None => Ok(()),
    }
}
