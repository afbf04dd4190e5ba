//! The command line: arguments, exit codes and what is printed.

mod dev;
mod explain;
mod run;
mod status;
mod watermark;

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::app::StartError;
use crate::config::{self, Loaded};
use crate::dev_signer;
use crate::store::LockError;
use crate::telemetry::log;

/// Exit codes, after sysexits.h where it has one.
mod code {
    pub(super) const PROBLEM: u8 = 1;
    pub(super) const USAGE: u8 = 64;
    pub(super) const IO: u8 = 74;
    pub(super) const LOCKED: u8 = 75;
    pub(super) const CONFIG: u8 = 78;
}

/// A highly available reverse proxy in front of remote Tezos signers that never signs twice.
#[derive(Debug, Parser)]
#[command(name = "signer-proxy", version, max_term_width = 100)]
struct Args {
    /// Log lines for people or for machines.
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: log::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve bakers.
    Run {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        #[command(flatten)]
        logged: Logged,
    },
    /// A working proxy with built-in development signers and throw-away keys.
    Dev(dev::Dev),
    /// One software signer alone, for sandboxes and tests.
    DevSigner(dev_signer::Cli),
    /// Check a configuration file as the start does, and print what is in effect.
    CheckConfig {
        /// The configuration file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Show what a running proxy says of itself.
    Status(status::StatusArgs),
    /// Show and set watermarks.
    #[command(subcommand)]
    Watermark(watermark::Watermark),
    /// Tell from the decision log what was asked, decided, signed by whom, and why.
    Explain(explain::Explain),
    /// Take a signer out of selection, until undrained.
    Drain(status::DrainArgs),
    /// Take a drained signer back in.
    Undrain(status::DrainArgs),
    /// Print shell completions.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// What the commands that serve bakers log. Not an option of all commands: `--log` of `dev-signer` is a
/// file.
#[derive(Clone, Debug, clap::Args)]
struct Logged {
    /// What is logged, such as `info` or `signer_proxy=debug`; without it `RUST_LOG` decides.
    #[arg(long = "log", value_name = "FILTER")]
    filter: Option<String>,
}

impl Command {
    fn log_filter(&self) -> Option<&str> {
        match self {
            Self::Run { logged, .. } => logged.filter.as_deref(),
            Self::Dev(dev) => dev.logged.filter.as_deref(),
            Self::DevSigner(_)
            | Self::CheckConfig { .. }
            | Self::Status(_)
            | Self::Watermark(_)
            | Self::Explain(_)
            | Self::Drain(_)
            | Self::Undrain(_)
            | Self::Completions { .. } => None,
        }
    }
}

/// A command that did not do what it was asked.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn new(code: u8, message: impl std::fmt::Display) -> Self {
        Self {
            code,
            message: message.to_string(),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = match &error {
            StartError::Lock(LockError::Held { .. }) => code::LOCKED,
            StartError::Material { .. } => code::CONFIG,
            StartError::Bind { .. }
            | StartError::Lock(LockError::Failed { .. } | LockError::Missing { .. })
            | StartError::System(_) => code::IO,
        };
        Self::new(code, error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(code::IO, error)
    }
}

impl From<std::fmt::Error> for Failure {
    fn from(error: std::fmt::Error) -> Self {
        Self::new(code::IO, error)
    }
}

type Outcome = Result<(), Failure>;

/// Runs the command of this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors and go to standard output; clap chooses.
            let printed = error.print();
            return match (error.use_stderr(), printed) {
                (true, _) => ExitCode::from(code::USAGE),
                (false, Ok(())) => ExitCode::SUCCESS,
                (false, Err(_)) => ExitCode::from(code::IO),
            };
        }
    };
    crate::tls::install();
    let outcome = match log::start(args.log_format, args.command.log_filter()) {
        Ok(()) => dispatch(args.command),
        Err(error) => Err(Failure::new(code::USAGE, format!("--log: {error}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nowhere is left to complain if this fails.
            drop(complain(&failure.message));
            ExitCode::from(failure.code)
        }
    }
}

/// Whether the arguments, without the program's name, make up a command line that is understood: no
/// file is read and nothing is done. For tests of what the documentation prints.
#[must_use]
pub fn parses(arguments: &[&str]) -> bool {
    let program = std::iter::once(&"signer-proxy");
    Args::try_parse_from(program.chain(arguments)).is_ok()
}

fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Run { config, .. } => run::run(&config),
        Command::Dev(dev) => dev::dev(&dev),
        Command::DevSigner(cli) => run::block_on(async move {
            dev_signer::run(cli).await.map_err(|error| {
                let code = match error.downcast_ref() {
                    // The command line lacks --force.
                    Some(dev_signer::Error::Public(_)) => code::USAGE,
                    Some(_) | None => code::IO,
                };
                Failure::new(code, format!("{error:#}"))
            })
        }),
        Command::CheckConfig { file } => run::check(&file),
        Command::Status(args) => run::block_on(status::status(args)),
        Command::Watermark(command) => run::block_on(watermark::watermark(command)),
        Command::Explain(args) => explain::explain(&args),
        Command::Drain(args) => run::block_on(status::drain(args, true)),
        Command::Undrain(args) => run::block_on(status::drain(args, false)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "signer-proxy", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

/// Reads the configuration with the overrides of the environment.
fn load(path: &Path) -> Result<Loaded, Failure> {
    // A variable that is not Unicode cannot name a key of ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    config::load(path, environment).map_err(|report| Failure::new(code::CONFIG, report))
}

/// Writes to standard error, the program's name before each line: of several problems each is one.
fn complain(text: &str) -> io::Result<()> {
    let mut out = io::stderr().lock();
    text.lines()
        .try_for_each(|line| writeln!(out, "signer-proxy: {line}"))
}

/// Where this machine reaches what listens on `address`: all addresses include loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Writes to standard output.
fn print(text: &str) -> Outcome {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_printed_can_be_pasted() {
        for (listening, printed) in [
            ("0.0.0.0:6733", "127.0.0.1:6733"),
            ("[::]:6733", "[::1]:6733"),
            ("127.0.0.2:1", "127.0.0.2:1"),
            ("192.0.2.1:1", "192.0.2.1:1"),
        ] {
            let reached = reachable(listening.parse().unwrap());
            assert_eq!(reached.to_string(), printed);
        }
    }
}
