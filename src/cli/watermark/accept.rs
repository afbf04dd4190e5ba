//! `watermark accept`: believe a store again that its witness contradicts, above a level. Only while no proxy runs.
//!
//! It never lowers a watermark. One level raises the keys of every chain that store and witness know, so with
//! more than one chain the operator has to say for which one the level is meant.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use crate::cli::{Failure, Outcome, code, load, print};
use crate::config::Loaded;
use crate::decision_log::{Entry, Event};
use crate::settings::{Chain, Settings};
use crate::store::{DirectoryLock, EmbeddedStore, Found};
use crate::tezos::{ChainId, Level};
use crate::transfer::Document;

use super::floor::{Beside, Floor, below_sentence, beside_head, floor_of};
use super::{chain, run};

/// `watermark accept`
#[derive(Debug, Args)]
pub(in crate::cli) struct Accept {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The chain that the level is of; may be left out if configuration, store and witness have one only.
    #[arg(long, value_name = "ID")]
    chain: Option<ChainId>,
    #[command(flatten)]
    floor: Floor,
    /// Accept a level below the head of the [node]: this is how keys get slashed.
    #[arg(long)]
    below_head: bool,
}

pub(super) async fn accept(accept: Accept) -> Outcome {
    let Loaded { settings, .. } = load(&accept.config)?;
    let chosen = chain(&settings, accept.chain)?;
    let lock = run::lock(&settings)?;
    if accept.chain.is_none() {
        check_alone(&settings, &lock, &chosen)?;
    }
    let level = floor_of(accept.floor, &chosen).await?;
    if !accept.below_head {
        check_head(&settings, &chosen, level).await?;
    }
    let trust = run::trust(&settings);
    let accepted = EmbeddedStore::accept(&lock, &trust, level, crate::time::now())
        .map_err(|reason| Failure::new(code::PROBLEM, reason))?;
    let reason = format!("lineage {}", accepted.lineage);
    let changes = accepted.accounts.iter().map(|account| {
        let entry = Entry::of_account(*account, Event::Accepted, Some(level));
        entry.because(&reason)
    });
    run::note(&settings.state.directory, changes.collect());
    for account in &accepted.accounts {
        print(&format!(
            "{} on {}: nothing at or below level {level} will be signed\n",
            account.key, account.chain
        ))?;
    }
    print(&format!(
        "lineage of the accepted store: {}\n",
        accepted.lineage
    ))
}

/// Refuses a level that does not say of which chain it is, where there are others.
fn check_alone(settings: &Settings, lock: &DirectoryLock, chosen: &Chain) -> Result<(), Failure> {
    let others: Vec<_> = known(settings, lock)?
        .into_iter()
        .filter(|chain| *chain != chosen.id)
        .map(|chain| chain.to_string())
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    let message = format!(
        "--chain is needed: store and witness know keys on {} beside {}, and the level raises them all; nothing \
         was changed",
        others.join(", "),
        chosen.id
    );
    Err(Failure::new(code::USAGE, message))
}

/// The chains of all that the store and its witness know; what cannot be read is judged by the acceptance itself.
fn known(settings: &Settings, lock: &DirectoryLock) -> Result<BTreeSet<ChainId>, Failure> {
    let mut chains = BTreeSet::new();
    match EmbeddedStore::inspect(lock).map_err(|error| Failure::new(code::IO, error))? {
        Found::Absent | Found::Unreadable { .. } => {}
        Found::Whole { book, .. } => {
            chains.extend(book.streams.keys().map(|stream| stream.chain));
        }
    }
    let text = settings.state.witness.as_ref().map(std::fs::read);
    if let Some(Ok(text)) = text
        && let Ok(witness) = Document::read("witness", &text)
    {
        chains.extend(witness.accounts.iter().map(|account| account.chain));
    }
    Ok(chains)
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
