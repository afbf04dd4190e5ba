//! `watermark ...`: through a running proxy, or on the store when none runs; `reset` only when none runs.

mod accept;
mod floor;
mod reset;
mod run;
mod show;
mod transfer;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::config::Loaded;
use crate::control::{Command, Reply};
use crate::settings::{Chain, Settings};
use crate::tezos::{ChainId, Level, PublicKeyHash};

use super::{Failure, Outcome, code, load, print};
pub(super) use floor::parse_level;
use floor::{Floor, floor_of};
use run::execute;

/// `watermark ...`
#[derive(Debug, Subcommand)]
pub(super) enum Watermark {
    /// Show the watermarks of all keys, their stops and halts, and the seal of the store.
    Show {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// For machines.
        #[arg(long)]
        json: bool,
    },
    /// Set the watermark of a key: nothing at or below it will ever be signed. The usual way to first use.
    Init(Init),
    /// Print all watermarks as a document, to be imported elsewhere.
    Export(transfer::Export),
    /// Take over the watermarks of another store, of octez-signer or of Signatory. Never lowers any.
    Import(transfer::Import),
    /// Never sign above a level with a key: another place takes over from there.
    StopAt(StopAt),
    /// Sign again with a key that was halted because somebody else seemed to sign with it. Give a level unless you
    /// know that nothing beyond what was seen was signed: without one only what was seen is barred.
    Resume(Resume),
    /// Accept a store that is behind, beside or without its witness, by raising all its watermarks. Only while no
    /// proxy runs.
    Accept(accept::Accept),
    /// The one way down: replace the store, with lower watermarks if need be. Only while no proxy runs.
    Reset(reset::Reset),
}

/// `watermark init`
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    floor: Floor,
}

/// `watermark stop-at`
#[derive(Debug, Args)]
pub(super) struct StopAt {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    who: Who,
    /// The last level that this store signs; a stop that stands is only ever lowered.
    #[arg(long, value_name = "N", value_parser = floor::parse_level)]
    level: Level,
}

/// `watermark resume`
#[derive(Debug, Args)]
pub(super) struct Resume {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    floor: Option<Floor>,
}

/// A key on a chain.
#[derive(Debug, Args)]
struct Who {
    /// The key.
    #[arg(long, value_name = "PKH")]
    key: PublicKeyHash,
    /// The chain; may be left out if the configuration has one only.
    #[arg(long, value_name = "ID")]
    chain: Option<ChainId>,
}

pub(super) async fn watermark(command: Watermark) -> Outcome {
    match command {
        Watermark::Show { config, json } => {
            let settings = load(&config)?.settings;
            show::show(execute(&settings, Command::WatermarkShow).await?, json)
        }
        Watermark::Init(init) => initialise(init).await,
        Watermark::Export(export) => transfer::export(export).await,
        Watermark::Import(import) => transfer::import(import).await,
        Watermark::StopAt(stop) => {
            let Loaded { settings, .. } = load(&stop.config)?;
            let chain = chain(&settings, stop.who.chain)?.id;
            let command = Command::WatermarkStopAt {
                key: stop.who.key,
                chain,
                level: stop.level,
            };
            done(execute(&settings, command).await?)
        }
        Watermark::Resume(resume) => {
            let Loaded { settings, .. } = load(&resume.config)?;
            let chain = chain(&settings, resume.who.chain)?;
            let level = match resume.floor {
                Some(floor) => Some(floor_of(floor, &chain).await?),
                None => None,
            };
            let command = Command::WatermarkResume {
                key: resume.who.key,
                chain: chain.id,
                level,
            };
            done(execute(&settings, command).await?)
        }
        Watermark::Accept(accepted) => accept::accept(accepted).await,
        Watermark::Reset(reset) => reset::reset(reset).await,
    }
}

async fn initialise(init: Init) -> Outcome {
    let Loaded { settings, .. } = load(&init.config)?;
    let chain = chain(&settings, init.who.chain)?;
    let level = floor_of(init.floor, &chain).await?;
    let key = init.who.key;
    if !settings.keys.is_empty() && settings.keys.iter().all(|listed| listed.hash != key) {
        let message = format!("{key} is not a [[key]] of the configuration");
        return Err(Failure::new(code::PROBLEM, message));
    }
    let command = Command::WatermarkInit {
        key,
        chain: chain.id,
        level,
    };
    done(execute(&settings, command).await?)
}

/// The chain that is meant.
fn chain(settings: &Settings, asked: Option<ChainId>) -> Result<Chain, Failure> {
    let listed = || {
        let ids: Vec<_> = settings
            .chains
            .iter()
            .map(|chain| chain.id.to_string())
            .collect();
        ids.join(", ")
    };
    match (asked, settings.chains.as_slice()) {
        (None, [only]) => Ok(*only),
        (None, _) => Err(Failure::new(
            code::USAGE,
            format!("--chain is needed: one of {}", listed()),
        )),
        (Some(id), chains) => chains
            .iter()
            .find(|chain| chain.id == id)
            .copied()
            .ok_or_else(|| {
                let message = format!(
                    "chain {id} is not a [[chain]] of the configuration: {}",
                    listed()
                );
                Failure::new(code::PROBLEM, message)
            }),
    }
}

/// Prints what was done.
fn done(reply: Reply) -> Outcome {
    match reply {
        Reply::Done(text) => print(&(text + "\n")),
        other @ (Reply::Failed(_) | Reply::Watermarks(_) | Reply::Document(_)) => {
            Err(unexpected(other))
        }
    }
}

/// The failure that a reply is where another was wanted.
fn unexpected(reply: Reply) -> Failure {
    match reply {
        Reply::Failed(reason) => Failure::new(code::PROBLEM, reason),
        Reply::Done(_) | Reply::Watermarks(_) | Reply::Document(_) => Failure::new(
            code::IO,
            "the proxy gave an unexpected answer; is it another version?",
        ),
    }
}
