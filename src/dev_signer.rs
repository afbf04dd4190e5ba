//! The development signer: a software signer that speaks octez-signer's HTTP interface and can be told to
//! misbehave.
//!
//! For sandboxes, `signer-proxy dev` and black-box tests. It holds throw-away keys in memory and forgets
//! its high watermark when it ends, so it refuses to listen beyond loopback unless it is forced. It signs
//! consensus payloads of listed chains and nothing else. It shares the wire vocabulary with the proxy but
//! none of its safety code, so that its log can judge the proxy. It does not speak TLS or the socket
//! protocol.
//!
//! Reading order: `faults` (the switches), `watermark` (what it signs twice), `device` (one signature),
//! `service` and `metadata` (HTTP), `connection`, `link` and `listener` (sockets), `control` (the second port), `log` (the record
//! and its judge), `cli` (the command).

mod answer;
mod cli;
mod connection;
mod control;
mod counts;
mod device;
mod faults;
mod keys;
mod link;
mod listener;
pub mod log;
mod metadata;
mod service;
mod watermark;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use self::device::Device;
use self::listener::Listener;
use crate::task::Tasks;
use crate::tezos::{ChainId, PublicKey, SecretKey};

pub use self::cli::{Cli, curve, run, serve};
pub use self::counts::Counts;
pub use self::faults::{Faults, FaultsError, NEWEST_VERSION, Scope};
pub use self::keys::{KeyFileError, keys_from_file, keys_from_seed};

/// Where the signer is reached. Prints as the URL of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket; a stale one is replaced.
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "http+unix://{}", path.display()),
        }
    }
}

/// Everything that one signer needs.
#[derive(Debug)]
pub struct Options {
    /// Where bakers and proxies reach it.
    pub listen: Listen,
    /// Its keys; at least one.
    pub keys: Vec<SecretKey>,
    /// Chains whose payloads it signs.
    pub chains: Vec<ChainId>,
    /// File that gets a line for each payload; created if need be, appended to if not.
    pub log: Option<PathBuf>,
    /// Where its switches are turned; none without it.
    pub control: Option<SocketAddr>,
    /// Keys of bakers, for [`Faults::demand_authentication`].
    pub authorized_keys: Vec<PublicKey>,
    /// How it misbehaves at first.
    pub faults: Faults,
    /// Allows addresses that other machines reach.
    pub force_public: bool,
}

impl Options {
    /// A healthy signer for mainnet payloads on a free loopback port, without log and control port.
    #[must_use]
    pub fn loopback(keys: Vec<SecretKey>) -> Self {
        Self {
            listen: Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))),
            keys,
            chains: vec![ChainId::MAINNET],
            log: None,
            control: None,
            authorized_keys: Vec::new(),
            faults: Faults::default(),
            force_public: false,
        }
    }
}

/// Why the signer did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be had.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: Listen,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The log file cannot be opened.
    #[error("cannot open the log {}", .path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is nothing to sign with.
    #[error("a signer needs at least one key")]
    NoKeys,
    /// Other machines could reach keys that anyone may know.
    #[error("refused to listen on {0}: not a loopback address; --force allows it")]
    Public(SocketAddr),
}

/// A signer that is listening. Dropping it changes nothing: the signer ends with its tasks.
#[derive(Clone, Debug)]
pub struct Running {
    /// The bound address.
    pub address: Listen,
    /// The bound address of the control port.
    pub control: Option<SocketAddr>,
    device: Arc<Device>,
}

impl Running {
    /// The public keys, in the order of [`Options::keys`].
    #[must_use]
    pub fn public_keys(&self) -> Vec<PublicKey> {
        self.device.public_keys().cloned().collect()
    }

    /// The current switches.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.device.switches().current()
    }

    /// Turns all switches at once; requests that arrive from now on see them.
    pub fn set_faults(&self, faults: Faults) {
        self.device.switches().set(faults);
    }

    /// What was asked so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.device.counters().read()
    }

    /// The newest [`log::MEMORY`] log entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<log::Entry> {
        self.device.log().entries()
    }
}

/// Binds the addresses and starts a signer that ends when `tasks` shut down.
///
/// The addresses accept connections when this returns. Not cancel-safe: a dropped call may leave the
/// listener bound until `tasks` shut down.
///
/// # Errors
/// When an address cannot be bound or is not loopback, the log cannot be opened, or there is no key.
pub async fn start(options: Options, tasks: &Tasks) -> Result<Running, Error> {
    if options.keys.is_empty() {
        return Err(Error::NoKeys);
    }
    let public = |address: &SocketAddr| !options.force_public && !address.ip().is_loopback();
    if let Listen::Tcp(address) = &options.listen
        && public(address)
    {
        return Err(Error::Public(*address));
    }
    if let Some(address) = options.control.filter(public) {
        return Err(Error::Public(address));
    }
    let log = log::Log::open(options.log.as_deref()).map_err(|source| Error::Log {
        path: options.log.clone().unwrap_or_default(),
        source,
    })?;
    let listener = bind(options.listen.clone()).await?;
    let control = match options.control {
        Some(address) => Some(bind(Listen::Tcp(address)).await?),
        None => None,
    };
    let address = listener.address().clone();
    let control_address = control.as_ref().and_then(Listener::tcp_address);
    let device = Arc::new(Device::new(options, log));
    tasks.spawn(
        "dev-signer-listener",
        service::run(listener, Arc::clone(&device), tasks.clone()),
    );
    if let Some(control) = control {
        tasks.spawn(
            "dev-signer-control",
            control::run(control, Arc::clone(&device), tasks.clone()),
        );
    }
    Ok(Running {
        address,
        control: control_address,
        device,
    })
}

async fn bind(address: Listen) -> Result<Listener, Error> {
    Listener::bind(address.clone())
        .await
        .map_err(|source| Error::Bind { address, source })
}
