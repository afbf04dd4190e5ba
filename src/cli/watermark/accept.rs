//! `watermark accept`: believe a store again that its witness contradicts, above a level. Only while no proxy runs.
//!
//! It never lowers a watermark. The level is of one chain; the keys of others are halted, each until it is resumed.

use std::path::PathBuf;

use clap::Args;

use crate::app::open_doubted_etcd;
use crate::cli::{Failure, Outcome, code, load, print};
use crate::config::Loaded;
use crate::decision_log::{Entry, Event};
use crate::guard::Account;
use crate::settings::{Chain, Settings, Store};
use crate::store::{Accepted, EmbeddedStore};
use crate::task::Tasks;
use crate::tezos::{ChainId, Level};

use super::floor::{Beside, Floor, below_sentence, beside_head, floor_of};
use super::{chain, run};

/// `watermark accept`
#[derive(Debug, Args)]
pub(in crate::cli) struct Accept {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The chain that the level is of; may be left out if the configuration has one only.
    #[arg(long, value_name = "ID")]
    chain: Option<ChainId>,
    #[command(flatten)]
    floor: Floor,
    /// Accept a level below the head of the [node]: this is how keys get slashed.
    #[arg(long)]
    below_head: bool,
    /// Of a store in etcd that was accepted at another replica: the lineage that was printed there. Without it the store
    /// gets a new one, so that every replica stops until it is accepted there too.
    #[arg(long, value_name = "LINEAGE")]
    lineage: Option<String>,
}

pub(super) async fn accept(accept: Accept) -> Outcome {
    let Loaded { settings, .. } = load(&accept.config)?;
    let chosen = chain(&settings, accept.chain)?;
    let lock = run::lock(&settings)?;
    let level = floor_of(accept.floor, &chosen).await?;
    if !accept.below_head {
        check_head(&settings, &chosen, level).await?;
    }
    let now = crate::time::now();
    let refused = |reason: String| Failure::new(code::PROBLEM, reason);
    match &settings.store {
        Store::Embedded if accept.lineage.is_some() => Err(refused(
            "--lineage is for a store in etcd that was accepted at another replica; an embedded store keeps its own"
                .to_owned(),
        )),
        Store::Embedded => {
            let trust = run::trust(&settings);
            let accepted = EmbeddedStore::accept(&lock, &trust, chosen.id, level, now);
            tell(&settings, &chosen, level, &accepted.map_err(refused)?)
        }
        Store::Etcd(etcd) => {
            let tasks = Tasks::new();
            let store = open_doubted_etcd(&settings, etcd, lock, &tasks)
                .map_err(|reason| Failure::new(code::CONFIG, reason))?;
            let adopted = accept.lineage.as_deref();
            let accepted = store.accept((chosen.id, level), adopted, now).await;
            // First: without the new lineage nobody can go on.
            tell(&settings, &chosen, level, &accepted.map_err(refused)?)?;
            run::keep_witness(&store, now)
        }
    }
}

/// Notes it in the decision log and says what follows.
fn tell(settings: &Settings, chosen: &Chain, level: Level, accepted: &Accepted) -> Outcome {
    let reason = format!("lineage {}", accepted.lineage);
    let raised = accepted.accounts.iter().map(|account| {
        let entry = Entry::of_account(*account, Event::Accepted, Some(level));
        entry.because(&reason)
    });
    let halted = accepted.halted.iter().map(|account| {
        let entry = Entry::of_account(*account, Event::Halted, None);
        entry.because(&format!("the store was accepted for chain {}", chosen.id))
    });
    run::note(&settings.state.directory, raised.chain(halted).collect());
    for account in &accepted.accounts {
        print(&format!(
            "{} on {}: nothing at or below level {level} will be signed\n",
            account.key, account.chain
        ))?;
    }
    for Account { chain, key } in &accepted.halted {
        print(&format!(
            "{key} on {chain}: halted, the level says nothing of that chain; `signer-proxy watermark resume \
             --key {key} --chain {chain} --level LEVEL` lets it sign again above LEVEL\n"
        ))?;
    }
    print(&format!(
        "lineage of the accepted store: {}\n",
        accepted.lineage
    ))?;
    match settings.store {
        Store::Embedded => Ok(()),
        Store::Etcd(_) => print(&format!(
            "every other replica: `signer-proxy watermark accept --lineage {} --level {level}`, and state.lineage, where it \
             is pinned\n",
            accepted.lineage
        )),
    }
}

/// Refuses a level below the head of the configured node. A node that cannot be asked does not keep a lost store
/// lost, but it is said.
async fn check_head(settings: &Settings, chain: &Chain, level: Level) -> Outcome {
    match beside_head(settings, chain, level).await {
        Beside::NoNode | Beside::Reaches => Ok(()),
        Beside::Below(head) => Err(Failure::new(code::PROBLEM, below_sentence(level, head))),
        Beside::Unknown(error) => print(&format!(
            "note: the head of the [node] is not known, so level {level} was not compared with it: {error}\n"
        )),
    }
}
