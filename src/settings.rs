//! Typed settings of every module: what the configuration file means, with nothing left to decide.
//!
//! Plain data, no I/O. `config` builds it; every other module takes the part that concerns it and none
//! of them knows where it came from.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::tezos::{ChainId, ConsensusKind, PublicKey, PublicKeyHash, VoteLayout};

/// Everything that one `run` needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The baker's port.
    pub listen: Listen,
    /// The read-only admin port and the control socket.
    pub admin: Admin,
    /// Where durable state lives.
    pub state: State,
    /// Outside evidence of the chain's head.
    pub node: Option<Node>,
    /// Chains whose payloads may be signed; never empty.
    pub chains: Vec<Chain>,
    /// Limits of the signing guard.
    pub guard: Guard,
    /// Fixed deadlines.
    pub deadline: Deadline,
    /// Who may ask for signatures.
    pub auth: Auth,
    /// Keys that are served; empty means every key that a signer shows.
    pub keys: Vec<Key>,
    /// Signers in the order of the file; never empty.
    pub signers: Vec<Signer>,
    /// Health probes.
    pub probe: Probe,
    /// Hex digest over the effective configuration, 16 digits.
    pub config_hash: String,
}

/// `[listen]`
#[derive(Clone, Debug)]
pub struct Listen {
    /// `http`: address of the baker's port.
    pub http: SocketAddr,
    /// `known-keys`: whether `GET /known_keys` is answered.
    pub known_keys: bool,
}

/// `[admin]`
#[derive(Clone, Debug)]
pub struct Admin {
    /// `listen`: the read-only port; absent means none.
    pub listen: Option<SocketAddr>,
    /// `socket`: the control socket; by default `control.sock` in the state directory.
    pub socket: PathBuf,
}

/// `[state]`
#[derive(Clone, Debug)]
pub struct State {
    /// `directory`
    pub directory: PathBuf,
    /// `lineage`: optional pin of the store's identity.
    pub lineage: Option<String>,
    /// `witness`: a file on another volume that follows the floors.
    pub witness: Option<PathBuf>,
}

/// `[node]`
#[derive(Clone, Debug)]
pub struct Node {
    /// `url`: `http://host:port` of an Octez node.
    pub url: SignerUrl,
}

/// `[[chain]]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// `id`
    pub id: ChainId,
    /// `block-time`: length of round 0.
    pub block_time: Duration,
    /// `round-increment`: what each further round adds.
    pub round_increment: Duration,
}

/// `[guard]`
#[derive(Clone, Debug)]
pub struct Guard {
    /// `[[guard.vote-layout]]`: votes that this program does not know.
    pub vote_layouts: Vec<VoteLayout>,
    /// `level-gap`: levels above the highest claim of a key that are allowed at once.
    pub level_gap: u32,
}

/// `[deadline]`
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// `consensus`: fixed limit; absent means by kind and round.
    pub consensus: Option<Duration>,
    /// `other`: limit of signatures of other kinds.
    pub other: Duration,
}

/// `[auth]`
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// `authorized-keys`: public keys of bakers that may ask.
    pub authorized_keys: Vec<PublicKey>,
}

/// `[[key]]`
#[derive(Clone, Debug)]
pub struct Key {
    /// `hash`
    pub hash: PublicKeyHash,
    /// `public-key`: already checked against the hash.
    pub public_key: Option<PublicKey>,
    /// `allow`
    pub allow: Allow,
    /// `deterministic`: whether the same bytes always get the same signature.
    pub deterministic: bool,
}

/// What a key may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// Consensus kinds, legacy ones included where the file names them.
    pub consensus: Vec<ConsensusKind>,
    /// `generic`: operations, magic byte 0x03.
    pub generic: bool,
    /// `michelson`: packed data, magic byte 0x05.
    pub michelson: bool,
}

/// `[[signer]]`
#[derive(Clone, Debug)]
pub struct Signer {
    /// `name`: label in logs, metrics and errors.
    pub name: String,
    /// `priority`: lower is preferred.
    pub priority: u32,
    /// `capacity`: signatures at a time; at least 1.
    pub capacity: usize,
    /// `repeat`
    pub repeat: Repeat,
    /// `shared-watermark`: one position over all kinds, as a Ledger keeps it.
    pub shared_watermark: bool,
    /// `deep-probe`: a slow look at the device behind it.
    pub deep_probe: Option<DeepProbe>,
    /// `[[signer.path]]`; never empty.
    pub paths: Vec<Path>,
}

/// `signer.deep-probe`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeepProbe {
    /// `path`: what is asked on the signer's best path, with its query; `{key}` stands for a key hash.
    pub path: String,
    /// `period`: between two of them.
    pub period: Duration,
}

/// What a signer does with bytes that it has signed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Refuses them (Ledger).
    Refuse,
    /// Answers the stored signature (octez-signer `-W`).
    Replay,
    /// Signs them anew (Signatory).
    Resign,
}

/// `[[signer.path]]`
#[derive(Clone, Debug)]
pub struct Path {
    /// `name`: by default its position, `1`, `2`.
    pub name: String,
    /// `url`
    pub url: SignerUrl,
    /// `prefix`: empty, or `/...` without a trailing slash.
    pub prefix: String,
    /// `max-connections`: at least 1.
    pub max_connections: usize,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerUrl {
    /// `http://host:port`
    Http {
        /// Host name or address; IPv6 addresses without brackets.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// `http+unix:///path`: HTTP over a Unix socket.
    HttpUnix {
        /// The socket's path.
        path: PathBuf,
    },
}

impl std::fmt::Display for SignerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http { host, port } if host.contains(':') => write!(f, "http://[{host}]:{port}"),
            Self::Http { host, port } => write!(f, "http://{host}:{port}"),
            Self::HttpUnix { path } => write!(f, "http+unix://{}", path.display()),
        }
    }
}

/// `[probe]`
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// `period`: between two probes of a path.
    pub period: Duration,
    /// `timeout`: the least time that a probe is given; four smoothed round trips if that is longer.
    pub timeout: Duration,
}
