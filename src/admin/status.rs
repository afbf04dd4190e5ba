//! The status model: everything an operator sees is a view of it.

mod build;
mod judge;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::tezos::{ChainId, ConsensusKind, PublicKeyHash};

pub(super) use build::status;

/// `GET /status`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Hash of the effective configuration.
    pub config_hash: String,
    /// Time since the start.
    pub uptime_seconds: f64,
    /// `ok`, `degraded` or `down`.
    pub state: String,
    /// One sentence.
    pub summary: String,
    /// Whether the process ends after what it has begun.
    pub draining: bool,
    /// In the order of the configuration.
    pub signers: Vec<SignerStatus>,
    /// Served keys.
    pub keys: Vec<KeyStatus>,
    /// What bakers are told about authentication.
    pub authorized_keys: AuthorizedKeysStatus,
    /// The watermark store.
    pub store: StoreStatus,
    /// Certificates of listeners and paths.
    #[serde(default)]
    pub certificates: Vec<CertificateStatus>,
    /// What is allowed but unwise.
    pub warnings: Vec<String>,
}

/// A certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// `listen.tls`, `admin.tls`, or the signer and path that it is for.
    pub name: String,
    /// The file it is in; absent for one that a signer shows.
    pub file: Option<String>,
    /// `ok`, `ends-soon`, `expired` or `broken`.
    pub state: String,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// Why what is on the disk cannot be used.
    pub cause: Option<String>,
}

/// A signer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignerStatus {
    /// Its name.
    pub name: String,
    /// Lower is preferred.
    pub priority: u32,
    /// `unknown`, `up`, `suspect`, `down` or `draining`.
    pub state: String,
    /// Whether it is the one that signs for some key now.
    pub active: bool,
    /// When the state began.
    pub since: Timestamp,
    /// When it last gave a signature that verified, since the start of the proxy.
    #[serde(default)]
    pub last_signed: Option<Timestamp>,
    /// What is wrong.
    pub cause: Option<String>,
    /// What deep probes show; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deep_probe: Option<DeepProbeStatus>,
    /// Its paths.
    pub paths: Vec<PathStatus>,
}

/// What deep probes of a signer show: advice, which decides nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeepProbeStatus {
    /// `up` or `down`.
    pub state: String,
    /// When the state began.
    pub since: Timestamp,
    /// What is wrong.
    pub cause: Option<String>,
}

/// A path.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PathStatus {
    /// Its name.
    pub name: String,
    /// Where it leads.
    pub url: String,
    /// `unknown`, `up`, `suspect` or `down`.
    pub state: String,
    /// When the state began.
    pub since: Timestamp,
    /// What is wrong.
    pub cause: Option<String>,
    /// Smoothed round trip of probes, in milliseconds.
    pub rtt_ms: Option<f64>,
}

/// A key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyStatus {
    /// Its hash.
    pub hash: PublicKeyHash,
    /// `ok`, `degraded`, `down` or `stopped`.
    pub state: String,
    /// What is wrong.
    pub cause: Option<String>,
    /// Signers that have shown it.
    pub signers: Vec<String>,
    /// The newest signature of each kind.
    pub last_signed: Vec<LastSigned>,
}

/// The newest signature of one stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LastSigned {
    /// The chain.
    pub chain: ChainId,
    /// The kind.
    pub kind: ConsensusKind,
    /// Its level.
    pub level: u32,
    /// Its round.
    pub round: u32,
    /// When it was recorded.
    pub at: Timestamp,
}

/// What bakers are told about authentication.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthorizedKeysStatus {
    /// Time since the source last confirmed it; absent for the configuration or while unknown.
    pub age_seconds: Option<f64>,
    /// A signer's name, `configuration`, or absent while nobody has said.
    pub source: Option<String>,
    /// Whether authentication is demanded.
    pub required: Option<bool>,
}

/// The watermark store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoreStatus {
    /// `embedded`
    pub kind: String,
    /// `absent`, `ready` or `refusing`.
    pub state: String,
    /// Why it is not ready.
    pub cause: Option<String>,
    /// Its identity.
    pub lineage: Option<String>,
    /// Whether the chain was looked at for signatures that the store does not know; absent without `[node]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceStatus>,
}

/// What the chain is known to show. Keys that it halted say so themselves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvidenceStatus {
    /// `waiting`, `checked` or `not-checked`.
    pub state: String,
    /// When the state began.
    pub since: Timestamp,
    /// Why it was not checked.
    pub cause: Option<String>,
    /// The levels that were looked at: the highest and the lowest.
    pub levels: Option<[u32; 2]>,
}
