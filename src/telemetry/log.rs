//! The log: for people on a terminal, JSON lines for machines.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::util::TryInitError;

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// Text, in colour on a terminal.
    #[default]
    Text,
}

/// Starts the log on standard error. `level` is a filter such as `info` or `signer_proxy=debug`;
/// without it `RUST_LOG` decides, and without that `info`.
///
/// # Errors
/// A filter that cannot be parsed, or a second start in one process.
pub fn start(format: Format, level: Option<&str>) -> anyhow::Result<()> {
    let filter = match level {
        Some(level) => EnvFilter::try_new(level)?,
        None => match std::env::var(EnvFilter::DEFAULT_ENV) {
            Ok(text) if !text.trim().is_empty() => EnvFilter::try_new(text)?,
            Ok(_) | Err(_) => EnvFilter::new("info"),
        },
    };
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started: Result<(), TryInitError> = match format {
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        Format::Text => {
            let colour = std::io::stderr().is_terminal();
            registry
                .with(layer.with_ansi(colour).with_target(false))
                .try_init()
        }
    };
    Ok(started?)
}

/// An error with all its causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
