//! `watermark export` and `watermark import`: the document on its way to and from files.

mod files;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use crate::cli::{Failure, Outcome, code, complain, load, print};
use crate::control::{Command, Reply};
use crate::settings::Settings;
use crate::tezos::{ChainId, Level, PublicKeyHash};
use crate::transfer::{Plan, Present, Request, Source};

use super::run::execute;
use super::{done, floor, unexpected};

/// `watermark export`
#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Never sign again with any key of this store, from now on and for ever; then export.
    #[arg(long)]
    seal: bool,
    /// Write to this file, which must not exist, instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// `watermark import`
#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A document of `watermark export`, the base directory of octez-signer or Signatory, or one file of theirs
    /// under its own name.
    #[arg(value_name = "SOURCE")]
    source: PathBuf,
    /// Your word that the other side signs nothing above this level; needed unless it is sealed or has a stop of
    /// its own. Everything up to it is barred.
    #[arg(long, value_name = "LEVEL", value_parser = floor::parse_level)]
    stopped_at: Option<Level>,
    /// Only this key.
    #[arg(long, value_name = "PKH")]
    key: Option<PublicKeyHash>,
    /// Only this chain.
    #[arg(long, value_name = "ID")]
    chain: Option<ChainId>,
    /// Say what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn export(export: Export) -> Outcome {
    let settings = load(&export.config)?.settings;
    if let Some(file) = &export.output {
        files::must_be_free(file)?;
    }
    let command = Command::WatermarkExport { seal: export.seal };
    let document = match execute(&settings, command).await? {
        Reply::Document(document) => document,
        other @ (Reply::Done(_) | Reply::Failed(_) | Reply::Watermarks(_)) => {
            return Err(unexpected(other));
        }
    };
    if let Some(file) = &export.output {
        files::write_new(file, &document)?;
        print(&format!("written to {}\n", file.display()))?;
    } else {
        print(&document)?;
    }
    if export.seal {
        // Beside the document, which may be what standard output is for.
        complain(
            "the store is sealed: nothing new is ever signed by it; signatures that were under way lie at or \
             below the watermarks in the document\nimport the document in one place only",
        )?;
    }
    Ok(())
}

pub(super) async fn import(import: Import) -> Outcome {
    let settings = load(&import.config)?.settings;
    let source = files::read_source(&import.source)?;
    let request = Request {
        stopped_at: import.stopped_at,
        key: import.key,
        chain: import.chain,
    };
    let command = |dry_run| Command::WatermarkImport {
        source: source.clone(),
        request,
        dry_run,
    };
    print(&format!("from {}:\n", source.what))?;
    if settings.state.directory.exists() {
        done(execute(&settings, command(true)).await?)?;
    } else {
        // Nothing is made for a plan that comes to nothing.
        let plan = Plan::make(&Present::default(), &source, &request);
        let plan = plan.map_err(|error| Failure::new(code::PROBLEM, error))?;
        print(&format!("{plan}\n"))?;
    }
    tell_unserved(&settings, &source, &request)?;
    if import.dry_run {
        return print("nothing was changed\n");
    }
    done(execute(&settings, command(false)).await?)
}

/// Says which keys are taken over although this configuration does not sign with them: they may be mistaken.
fn tell_unserved(settings: &Settings, source: &Source, request: &Request) -> Outcome {
    let accounts = source
        .accounts
        .iter()
        .filter(|account| request.key.is_none_or(|key| key == account.key))
        .filter(|account| request.chain.is_none_or(|chain| chain == account.chain));
    let unserved: BTreeSet<_> = accounts
        .filter(|account| {
            let is_chain = settings
                .chains
                .iter()
                .any(|chain| chain.id == account.chain);
            let is_key =
                settings.keys.is_empty() || settings.keys.iter().any(|key| key.hash == account.key);
            !(is_chain && is_key)
        })
        .map(|account| (account.chain, account.key))
        .collect();
    unserved.into_iter().try_for_each(|(chain, key)| {
        print(&format!(
            "note: {key} on {chain} is not signed with by this configuration\n"
        ))
    })
}
