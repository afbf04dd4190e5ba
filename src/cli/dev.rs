//! `dev`: one command, a working signer URL.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use clap::Args;

use crate::app::App;
use crate::config;
use crate::control::{self, Reply};
use crate::dev_signer::{self, Options, keys_from_seed};
use crate::store::{DirectoryLock, EmbeddedStore};
use crate::task::Tasks;
use crate::tezos::{ChainId, Curve, Level, PublicKeyHash, SecretKey};

use super::{Failure, Logged, Outcome, code, print, reachable, run};

/// `dev`
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Address of the baker's port; port 0 takes a free one.
    #[arg(long, value_name = "A", default_value = "127.0.0.1:6733")]
    listen: SocketAddr,
    /// Address of the admin port; port 0 takes a free one.
    #[arg(long, value_name = "A", default_value = "127.0.0.1:9632")]
    admin: SocketAddr,
    /// Built-in signers; all hold the same keys.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    signers: u8,
    /// Curves to make a key of.
    #[arg(long, value_delimiter = ',', default_value = "tz1,tz2,tz3,tz4", value_parser = dev_signer::curve)]
    curve: Vec<Curve>,
    #[command(flatten)]
    pub(super) logged: Logged,
}

pub(super) fn dev(args: &Dev) -> Outcome {
    run::block_on(serve(args))
}

async fn serve(args: &Dev) -> Outcome {
    let folder = Folder::create()?;
    let tasks = Tasks::new();
    let seed = random_text()?;
    let mut urls = Vec::new();
    for _ in 0..args.signers {
        let options = Options::loopback(keys_from_seed(&seed, &args.curve));
        let started = dev_signer::start(options, &tasks).await;
        let running = started.map_err(|error| Failure::new(code::IO, error))?;
        urls.push(running.address.to_string());
    }
    let keys = keys_from_seed(&seed, &args.curve);
    let hashes: Vec<_> = keys
        .iter()
        .map(|key: &SecretKey| key.public_key().hash())
        .collect();
    let text = configuration(args, folder.path(), &urls, &hashes)?;
    let loaded = config::from_text("dev", &text, std::iter::empty())
        .map_err(|report| Failure::new(code::CONFIG, report))?;
    init_watermarks(folder.path(), &hashes).await?;
    let app = App::start(loaded, "dev".to_owned()).await?;
    print(&greeting(&app, &hashes)?)?;
    let ended = app.run().await?;
    tasks.begin_shutdown();
    tasks.finished().await;
    run::finish(ended)
}

/// The state of a throw-away proxy; removed at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn create() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("signer-proxy-dev-{}", random_text()?));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "temporary folder not removed");
        }
    }
}

fn random_text() -> Result<String, Failure> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new(code::IO, error))?;
    Ok(hex::encode(bytes))
}

fn configuration(
    args: &Dev,
    folder: &Path,
    urls: &[String],
    keys: &[PublicKeyHash],
) -> Result<String, fmt::Error> {
    let mut text = format!(
        "[listen]\nhttp = \"{}\"\nknown-keys = true\n[admin]\nlisten = \"{}\"\n[state]\ndirectory = \
         {:?}\n[guard]\nlevel-gap = 2147483647\n",
        args.listen,
        args.admin,
        folder.display().to_string()
    );
    for key in keys {
        writeln!(text, "[[key]]\nhash = \"{key}\"")?;
    }
    for (number, url) in (1..).zip(urls) {
        writeln!(
            text,
            "[[signer]]\nname = \"dev-{number}\"\n[[signer.path]]\nurl = \"{url}\""
        )?;
    }
    Ok(text)
}

async fn init_watermarks(folder: &Path, keys: &[PublicKeyHash]) -> Outcome {
    let lock = DirectoryLock::acquire(folder).map_err(|error| Failure::new(code::IO, error))?;
    let store = EmbeddedStore::open(lock, None, |_| {});
    let level = Level::new(0).ok_or_else(|| Failure::new(code::IO, "level 0"))?;
    for key in keys {
        let reply = control::init_watermark(&store, *key, ChainId::MAINNET, level).await;
        if let Reply::Failed(reason) = reply {
            return Err(Failure::new(code::IO, reason));
        }
    }
    Ok(())
}

/// An attestation of level 1 for the key's curve, as the body of a sign request.
fn sample(key: PublicKeyHash) -> String {
    let mut bytes = vec![0x13];
    bytes.extend_from_slice(&ChainId::MAINNET.bytes());
    bytes.extend_from_slice(&[0; 32]);
    match key.curve() {
        Curve::Bls => bytes.push(0x29),
        Curve::Ed25519 | Curve::MlDsa | Curve::P256 | Curve::Secp256k1 => {
            bytes.extend_from_slice(&[0x15, 0, 0]);
        }
    }
    bytes.extend_from_slice(&1_u32.to_be_bytes());
    bytes.extend_from_slice(&0_u32.to_be_bytes());
    bytes.extend_from_slice(&[0; 32]);
    hex::encode(bytes)
}

/// The address as a client writes it: `0.0.0.0` is where to listen, not where to connect.
fn pasteable(listening: &str) -> String {
    listening.parse().map_or_else(
        |_| listening.to_owned(),
        |address| reachable(address).to_string(),
    )
}

fn greeting(app: &App, keys: &[PublicKeyHash]) -> Result<String, fmt::Error> {
    let url = format!("http://{}", pasteable(&app.listen));
    let mut text = format!("signer URL  {url}\n");
    if let Some(admin) = &app.admin_listen {
        writeln!(text, "status      http://{}/status", pasteable(admin))?;
    }
    writeln!(
        text,
        "throw-away keys, for sandboxes only; Ctrl-C ends and forgets them"
    )?;
    for key in keys {
        writeln!(text, "\nkey {key}")?;
        writeln!(
            text,
            "curl -sS -H 'content-type: application/json' -d '\"{}\"' '{url}/keys/{key}'",
            sample(*key)
        )?;
    }
    writeln!(text, "\nlistening {url}")?;
    Ok(text)
}
