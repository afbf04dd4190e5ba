//! The control socket: everything that changes something, for the same user on the same machine.
//!
//! One JSON line asks, one JSON line answers, then the connection ends.

mod client;
mod commands;
mod transfer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::proxy::Proxy;
use crate::server::SocketFile;
use crate::task::Tasks;
use crate::tezos::{ChainId, ConsensusKind, Level, PublicKeyHash};
use crate::transfer::{Halted, Request, Source};

pub use client::{AskError, ask};
pub use commands::{init_watermark, restore_drains, show_watermarks};
pub use transfer::{export_watermarks, import_watermarks, resume_key, stop_key};

/// The longest line that is read: an import of some thousand keys.
const LINE: u64 = 1 << 20;
/// A whole exchange is given this long.
const EXCHANGE: Duration = Duration::from_secs(10);

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "command",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum Command {
    /// Take a signer out of selection until undrained.
    Drain {
        /// Its name.
        signer: String,
    },
    /// Take a signer back in.
    Undrain {
        /// Its name.
        signer: String,
    },
    /// Set or raise the watermark of a key.
    WatermarkInit {
        /// The key.
        key: PublicKeyHash,
        /// The chain.
        chain: ChainId,
        /// Nothing at or below it will be signed.
        level: Level,
    },
    /// List all watermarks.
    WatermarkShow,
    /// Give all watermarks as a document.
    WatermarkExport {
        /// Never sign again.
        seal: bool,
    },
    /// Take watermarks over.
    WatermarkImport {
        /// From where.
        source: Source,
        /// What of it, and up to where it signs.
        request: Request,
        /// Only say what would change.
        dry_run: bool,
    },
    /// Never sign above a level with a key.
    WatermarkStopAt {
        /// The key.
        key: PublicKeyHash,
        /// The chain.
        chain: ChainId,
        /// The last level.
        level: Level,
    },
    /// Take back a halt of a key.
    WatermarkResume {
        /// The key.
        key: PublicKeyHash,
        /// The chain.
        chain: ChainId,
        /// Nothing at or below it will be signed.
        level: Option<Level>,
    },
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Done; a sentence.
    Done(String),
    /// Not done; why.
    Failed(String),
    /// All watermarks.
    Watermarks(Watermarks),
    /// A document of watermarks, as JSON text.
    Document(String),
}

/// All watermarks of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermarks {
    /// The store's identity.
    pub lineage: Option<String>,
    /// Why nothing is signed with them, while the store refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusing: Option<String>,
    /// Since when the store never signs again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<jiff::Timestamp>,
    /// Keys that are stopped or halted, sorted by chain and key.
    #[serde(default)]
    pub keys: Vec<KeyLimits>,
    /// Sorted by chain, key and kind.
    pub watermarks: Vec<Watermark>,
}

/// What stands about a key as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeyLimits {
    /// The chain.
    pub chain: ChainId,
    /// The key.
    pub key: PublicKeyHash,
    /// Nothing above this level is ever signed.
    pub stop_at: Option<Level>,
    /// Since when and why nothing is signed until the key is resumed.
    pub halted: Option<Halted>,
}

/// One watermark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// The chain.
    pub chain: ChainId,
    /// The key.
    pub key: PublicKeyHash,
    /// The kind.
    pub kind: ConsensusKind,
    /// Nothing at a lower level will be signed.
    pub level: u32,
    /// Nothing at this level up to this round will be signed, but for repeats.
    pub round: u32,
    /// When it last rose.
    pub at: jiff::Timestamp,
}

/// Binds the control socket, replacing one that a killed process left: call it only while holding the
/// lock of the state directory.
///
/// # Errors
/// The failing call's error.
pub async fn bind(path: &Path) -> std::io::Result<(UnixListener, SocketFile)> {
    crate::server::bind_unix(path, 0o600).await?.into_unix()
}

/// Serves commands until shutdown; then the socket's file is removed.
pub async fn serve(
    (listener, _file): (UnixListener, SocketFile),
    proxy: Arc<Proxy>,
    drains: Drains,
    tasks: Tasks,
) {
    let shutdown = tasks.shutdown();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors: let others give some back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (proxy, drains) = (Arc::clone(&proxy), drains.clone());
        tasks.spawn("control", async move {
            let exchange = tokio::time::timeout(EXCHANGE, exchange(stream, &proxy, &drains));
            if let Ok(Err(error)) = exchange.await {
                tracing::debug!(%error, "control exchange failed");
            }
        });
    }
}

/// Where drains are kept between runs.
#[derive(Clone, Debug)]
pub struct Drains {
    /// The file.
    pub file: std::path::PathBuf,
}

async fn exchange(stream: UnixStream, proxy: &Proxy, drains: &Drains) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reader.take(LINE))
        .read_line(&mut line)
        .await?;
    let reply = match serde_json::from_str(&line) {
        Ok(command) => commands::execute(command, proxy, drains).await,
        Err(error) => Reply::Failed(format!("unreadable command: {error}")),
    };
    let mut answer = serde_json::to_vec(&reply)?;
    answer.push(b'\n');
    writer.write_all(&answer).await?;
    writer.shutdown().await
}
