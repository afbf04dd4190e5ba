//! The command `signer-proxy dev-signer`: options, what it prints, and its end.
//!
//! Standard output is for machines: one `key` line for each key, then `listening` and, with a control
//! port, `control`. By then both addresses accept connections.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::faults::Faults;
use super::keys::{keys_from_file, keys_from_seed};
use super::{Listen, Options, start};
use crate::task::Tasks;
use crate::tezos::{ChainId, Curve, PublicKey, SecretKey};

/// Most keys of one curve that are made from a text.
const MAX_KEYS_PER_CURVE: u16 = 1000;

/// Runs one software signer alone, for sandboxes and tests
///
/// It signs consensus payloads of the listed chains with throw-away keys, and misbehaves when told to.
#[derive(Debug, clap::Args)]
pub struct Cli {
    /// Address to listen on: HOST:PORT (port 0 takes a free one) or unix:PATH
    #[arg(long, value_name = "ADDRESS")]
    pub listen: String,
    /// File of unencrypted secret keys, one a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "curve", "keys_per_curve"])]
    pub key_file: Option<PathBuf>,
    /// Text that the keys are made from; the same text gives the same keys [default: a random one]
    #[arg(long, value_name = "TEXT")]
    pub seed: Option<String>,
    /// Curves to make keys of: tz1, tz2, tz3, tz4
    #[arg(long, value_name = "CURVES", value_delimiter = ',', default_value = "tz1", value_parser = curve)]
    pub curve: Vec<Curve>,
    /// Keys to make of each curve
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_KEYS_PER_CURVE)))]
    pub keys_per_curve: u16,
    /// Chain whose payloads are signed; may be given again
    #[arg(long, value_name = "ID", default_values_t = [ChainId::MAINNET])]
    pub chain: Vec<ChainId>,
    /// File that gets a JSON line for each payload received or signed
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Address of the control port, HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub control: Option<String>,
    /// Public key that may authenticate sign requests; may be given again
    #[arg(long, value_name = "KEY")]
    pub authorized_key: Vec<PublicKey>,
    /// Allow addresses that other machines reach
    #[arg(long)]
    pub force: bool,
    /// How it misbehaves at first.
    #[command(flatten)]
    pub faults: Faults,
}

/// Runs the command until the process is told to end.
///
/// # Errors
/// When the options are wrong, the signer cannot start, or standard output cannot be written.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    serve(cli, &mut std::io::stdout(), stop).await
}

/// Runs the command until `stop`, printing to `out`.
///
/// # Errors
/// When the options are wrong, the signer cannot start, or `out` cannot be written.
pub async fn serve<W: Write>(
    cli: Cli,
    out: &mut W,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let options = options(cli).await?;
    let tasks = Tasks::new();
    let running = start(options, &tasks).await?;
    for key in running.public_keys() {
        writeln!(out, "key {} {key}", key.hash())?;
    }
    writeln!(out, "listening {}", running.address)?;
    if let Some(control) = running.control {
        writeln!(out, "control http://{control}")?;
    }
    out.flush()?;
    stop.await;
    tasks.begin_shutdown();
    tasks.finished().await;
    Ok(())
}

async fn options(cli: Cli) -> anyhow::Result<Options> {
    let control = match &cli.control {
        Some(address) => Some(resolve(address).await?),
        None => None,
    };
    let listen = match cli.listen.strip_prefix("unix:") {
        Some(path) => Listen::Unix(path.into()),
        None => Listen::Tcp(resolve(&cli.listen).await?),
    };
    Ok(Options {
        listen,
        keys: keys(&cli)?,
        chains: cli.chain,
        log: cli.log,
        control,
        authorized_keys: cli.authorized_key,
        faults: cli.faults,
        force_public: cli.force,
    })
}

async fn resolve(address: &str) -> anyhow::Result<SocketAddr> {
    let mut found = tokio::net::lookup_host(address)
        .await
        .with_context(|| format!("cannot resolve {address}"))?;
    found
        .next()
        .with_context(|| format!("{address} has no address"))
}

fn keys(cli: &Cli) -> anyhow::Result<Vec<SecretKey>> {
    if let Some(path) = &cli.key_file {
        return Ok(keys_from_file(path)?);
    }
    let seed = match &cli.seed {
        Some(seed) => seed.clone(),
        None => random_seed()?,
    };
    let curves: Vec<_> = cli
        .curve
        .iter()
        .flat_map(|curve| std::iter::repeat_n(*curve, cli.keys_per_curve.into()))
        .collect();
    Ok(keys_from_seed(&seed, &curves))
}

fn random_seed() -> anyhow::Result<String> {
    let mut seed = [0_u8; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| anyhow::anyhow!("cannot get a random seed: {error}"))?;
    Ok(hex::encode(seed))
}

/// A curve that secret keys can be made of.
///
/// # Errors
/// What to write instead.
pub fn curve(name: &str) -> Result<Curve, String> {
    [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls]
        .into_iter()
        .find(|curve| curve.name() == name)
        .ok_or_else(|| "use tz1, tz2, tz3 or tz4".to_owned())
}

#[cfg(test)]
mod tests;
