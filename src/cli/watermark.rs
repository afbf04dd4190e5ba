//! `watermark show` and `watermark init`: through a running proxy, or on the store when none runs.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::config::Loaded;
use crate::control::{self, AskError, Command, Reply, Watermarks};
use crate::node::Node;
use crate::settings::{Chain, Settings, SignerUrl};
use crate::store::{DirectoryLock, EmbeddedStore, LockError};
use crate::task::Tasks;
use crate::tezos::{ChainId, Level, PublicKeyHash, Round};

use super::{Failure, Outcome, code, load, print};

/// `watermark ...`
#[derive(Debug, Subcommand)]
pub(super) enum Watermark {
    /// Show the watermarks of all keys.
    Show {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// For machines.
        #[arg(long)]
        json: bool,
    },
    /// Set the watermark of a key: nothing at or below it will ever be signed. The one way to first use.
    Init(Init),
}

/// `watermark init`
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The key.
    #[arg(long, value_name = "PKH")]
    key: PublicKeyHash,
    /// The chain; may be left out if the configuration has one only.
    #[arg(long, value_name = "ID")]
    chain: Option<ChainId>,
    #[command(flatten)]
    floor: Floor,
}

/// Where the level comes from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Floor {
    /// A level above everything ever signed with the key.
    #[arg(long, value_name = "N", value_parser = parse_level)]
    level: Option<Level>,
    /// An Octez node in sync, such as `http://127.0.0.1:8732`: its head plus 10.
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    from_node: Option<SignerUrl>,
}

fn parse_level(text: &str) -> Result<Level, String> {
    let number: u32 = text
        .parse()
        .map_err(|_| "a level is a whole number".to_owned())?;
    Level::new(number).ok_or_else(|| "a level is at most 2147483647".to_owned())
}

fn parse_url(text: &str) -> Result<SignerUrl, String> {
    crate::config::http_url(text)
}

pub(super) async fn watermark(command: Watermark) -> Outcome {
    match command {
        Watermark::Show { config, json } => {
            let settings = load(&config)?.settings;
            let reply = execute(&settings, Command::WatermarkShow).await?;
            show(reply, json)
        }
        Watermark::Init(init) => {
            let Loaded { settings, .. } = load(&init.config)?;
            let chain = chain(&settings, init.chain)?;
            let level = match (init.floor.level, init.floor.from_node) {
                (Some(level), _) => level,
                (None, Some(url)) => from_node(&url, &chain).await?,
                (None, None) => return Err(Failure::new(code::USAGE, "--level or --from-node")),
            };
            if !settings.keys.is_empty() && settings.keys.iter().all(|key| key.hash != init.key) {
                let message = format!("{} is not a [[key]] of the configuration", init.key);
                return Err(Failure::new(code::PROBLEM, message));
            }
            let command = Command::WatermarkInit {
                key: init.key,
                chain: chain.id,
                level,
            };
            show(execute(&settings, command).await?, false)
        }
    }
}

async fn from_node(url: &SignerUrl, chain: &Chain) -> Result<Level, Failure> {
    let tasks = Tasks::new();
    let level = Node::new(url, &tasks)
        .floor_for_init(chain, crate::time::now())
        .await;
    level.map_err(|error| Failure::new(code::PROBLEM, error))
}

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

/// Asks the running proxy, or does it on the store if none runs.
async fn execute(settings: &Settings, command: Command) -> Result<Reply, Failure> {
    match control::ask(&settings.admin.socket, &command).await {
        Ok(reply) => return Ok(reply),
        Err(AskError::NotRunning) => {}
        Err(error @ AskError::Broken(_)) => return Err(Failure::new(code::IO, error)),
    }
    let directory = &settings.state.directory;
    let is_init = match &command {
        Command::WatermarkInit { .. } => true,
        Command::Drain { .. } | Command::Undrain { .. } | Command::WatermarkShow => false,
    };
    if is_init && !directory.exists() {
        std::fs::create_dir_all(directory).map_err(|error| {
            Failure::new(
                code::IO,
                format!("cannot create {}: {error}", directory.display()),
            )
        })?;
    }
    let lock = DirectoryLock::acquire(directory).map_err(|error| {
        let code = match &error {
            LockError::Held { .. } => code::LOCKED,
            LockError::Failed { .. } | LockError::Missing { .. } => code::IO,
        };
        Failure::new(code, error)
    })?;
    let store = EmbeddedStore::open(lock, settings.state.lineage.clone(), |_| {});
    match command {
        Command::WatermarkInit { key, chain, level } => {
            Ok(control::init_watermark(&store, key, chain, level).await)
        }
        Command::WatermarkShow => Ok(Reply::Watermarks(control::show_watermarks(&store))),
        Command::Drain { .. } | Command::Undrain { .. } => {
            Err(Failure::new(code::PROBLEM, "no proxy is running"))
        }
    }
}

fn show(reply: Reply, json: bool) -> Outcome {
    match reply {
        Reply::Done(text) => print(&(text + "\n")),
        Reply::Failed(reason) => Err(Failure::new(code::PROBLEM, reason)),
        Reply::Watermarks(watermarks) => {
            let text = if json {
                let text = serde_json::to_string_pretty(&watermarks)
                    .map_err(|error| Failure::new(code::IO, error))?;
                text + "\n"
            } else {
                table(&watermarks)?
            };
            print(&text)?;
            // What could be read is shown, but it is not what will be signed by.
            match watermarks.refusing {
                Some(reason) => Err(Failure::new(code::PROBLEM, reason)),
                None => Ok(()),
            }
        }
    }
}

fn table(watermarks: &Watermarks) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let lineage = match (&watermarks.lineage, &watermarks.refusing) {
        (Some(lineage), _) => lineage.as_str(),
        (None, Some(_)) => "unknown: the store refuses",
        (None, None) => "none: there is no store yet",
    };
    writeln!(text, "lineage {lineage}")?;
    for row in &watermarks.watermarks {
        let whole_level = row.round == Round::MAX.get();
        let round = if whole_level {
            "all rounds".to_owned()
        } else {
            format!("round {}", row.round)
        };
        writeln!(
            text,
            "{} {} {:<18} level {} {round} (since {})",
            row.chain,
            row.key,
            row.kind.name(),
            row.level,
            row.at
        )?;
    }
    Ok(text)
}
