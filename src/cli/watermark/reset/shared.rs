//! `watermark reset` of a store that several proxies share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::app::open_doubted_etcd;
use crate::cli::{Failure, Outcome, code, print};
use crate::guard::StoreError;
use crate::settings::{EtcdSettings, Settings};
use crate::store::{Replaced, write_durably};
use crate::task::Tasks;
use crate::transfer::begin_anew;

use super::super::{chain, floor::floor_of, run};
use super::{
    Reset, beginners, check_head, check_highest, check_lineage, note, save, tell, what_is_there,
};

/// Resets the store in etcd. Replicas that run stop by it: they see another lineage.
pub(super) async fn reset(settings: &Settings, etcd: &EtcdSettings, reset: Reset) -> Outcome {
    let chain = chain(settings, reset.chain)?;
    let lock = run::lock(settings)?;
    let tasks = Tasks::new();
    let store = open_doubted_etcd(settings, etcd, lock, &tasks)
        .map_err(|reason| Failure::new(code::CONFIG, reason))?;
    let failed = |error: StoreError| Failure::new(code::IO, error);
    let absent = "there is no store in etcd to replace; `signer-proxy watermark init` makes one, or, if this replica has \
                  seen one, `signer-proxy watermark accept`";
    let (lineage, book) = what_is_there(store.inspect().await.map_err(failed)?, absent)?;
    check_lineage(&reset.lineage, lineage.as_deref())?;
    let accounts = beginners(settings, &chain, (lineage.as_deref(), &book), reset.key)?;
    let level = floor_of(reset.floor, &chain).await?;
    let now = crate::time::now();
    if !reset.below_head {
        check_head(settings, &chain, level).await?;
        // What the store has forgotten, this replica may have seen.
        let seen = store.highest_seen(chain.id, now);
        check_highest(seen, level, "this replica has seen of the store")?;
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
