//! Typed settings of every module: what the configuration file means, with nothing left to decide.
//!
//! Plain data, no I/O. `config` builds it; every other module takes the part that concerns it and none
//! of them knows where it came from.

mod url;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::tezos::{ChainId, ConsensusKind, PublicKey, PublicKeyHash, VoteLayout};

pub use url::SignerUrl;

/// Everything that one `run` needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The baker's port.
    pub listen: Listen,
    /// The read-only admin port and the control socket.
    pub admin: Admin,
    /// Where durable state lives.
    pub state: State,
    /// Who keeps the watermarks.
    pub store: Store,
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
    /// How much one client may ask at a time.
    pub limits: Limits,
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
    /// `https`: the same under TLS.
    pub https: Option<SocketAddr>,
    /// `tcp`: the socket protocol of Octez.
    pub tcp: Option<SocketAddr>,
    /// `unix`: the socket protocol of Octez on a Unix socket.
    pub unix: Option<PathBuf>,
    /// `[listen.tls]`: certificates of `https`; there whenever `https` is.
    pub tls: Option<ListenTls>,
    /// `[listen.sources]`: networks that may connect.
    pub sources: Sources,
    /// `forwarded-from`: balancers that are believed when they say for whom they ask.
    pub forwarded_from: Vec<IpNet>,
    /// `known-keys`: whether `GET /known_keys` is answered.
    pub known_keys: bool,
}

/// `[listen.sources]`: an empty list means every network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Of `listen.http`.
    pub http: Vec<IpNet>,
    /// Of `listen.https`.
    pub https: Vec<IpNet>,
    /// Of `listen.tcp`.
    pub tcp: Vec<IpNet>,
}

/// `[limits]`: of one client, which is an address, or the user of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `client-concurrency`: requests at a time; at least 1.
    pub client_concurrency: usize,
    /// `client-rate`: requests a second; absent means any number.
    pub client_rate: Option<NonZeroU32>,
    /// `client-burst`: requests at once before the rate counts.
    pub client_burst: NonZeroU32,
}

/// `[admin]`
#[derive(Clone, Debug)]
pub struct Admin {
    /// `listen`: the read-only port; absent means none.
    pub listen: Option<SocketAddr>,
    /// `[admin.tls]`: certificates of the read-only port; absent means plain HTTP.
    pub tls: Option<ListenTls>,
    /// `token-file`: holds the bearer token that everything but the probes needs.
    pub token_file: Option<PathBuf>,
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

/// `[store]`
#[derive(Clone, Debug, Default)]
pub enum Store {
    /// `embedded`: a file in the state directory.
    #[default]
    Embedded,
    /// `etcd`: a cluster that several proxies share.
    Etcd(Box<EtcdSettings>),
}

/// `[store]` of kind `etcd`
#[derive(Clone, Debug)]
pub struct EtcdSettings {
    /// `endpoints`: `http` or `https` urls of members; never empty.
    pub endpoints: Vec<SignerUrl>,
    /// `prefix`: what every key begins with.
    pub prefix: String,
    /// `tls`: how members with `https` urls are trusted.
    pub tls: PathTls,
    /// `user`
    pub user: Option<String>,
    /// `password-file`; there whenever `user` is.
    pub password_file: Option<PathBuf>,
    /// `timeout`: of one call to one member.
    pub timeout: Duration,
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
    /// `two-bakers`: whether two bakers are meant to ask for one key.
    pub two_bakers: bool,
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
    /// `mode`
    pub mode: AuthMode,
    /// `authorized-keys`: public keys of bakers that may ask.
    pub authorized_keys: Vec<PublicKey>,
    /// `signing-key-file`: how the proxy authenticates to signers, in mode own.
    pub signing_key_file: Option<PathBuf>,
}

/// Whose authentication signers are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// The baker's, after it was verified.
    #[default]
    PassThrough,
    /// The proxy's own.
    Own,
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
    /// `clients`: names of client certificates that may ask for its signatures; absent means that none is needed.
    pub clients: Option<Vec<String>>,
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
    /// `auth-key`: a file with the key that the proxy authenticates to this signer with, in mode own; absent means
    /// `auth.signing-key-file`.
    pub auth_key: Option<PathBuf>,
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
    /// `tls`: how the other side of an `https` url is trusted.
    pub tls: PathTls,
}

/// `signer.path.tls`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathTls {
    /// `ca`: a file of certificates that signers' certificates must chain up to; absent means those that this
    /// system trusts.
    pub ca: Option<PathBuf>,
    /// `certificate` and `key`: what we show to signers that ask for a certificate.
    pub identity: Option<TlsIdentity>,
    /// `server-name`: the name that the certificate must be for; absent means the url's host.
    pub server_name: Option<String>,
}

/// `[listen.tls]` and `[admin.tls]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenTls {
    /// `certificate` and `key`: what we show.
    pub identity: TlsIdentity,
    /// `client-ca`: a file of certificates that those of bakers must chain up to; absent means that none is asked
    /// for.
    pub client_ca: Option<PathBuf>,
}

/// A certificate chain and its key, as files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsIdentity {
    /// `certificate`: the leaf first, then those that lead to its root.
    pub certificate: PathBuf,
    /// `key`: unencrypted.
    pub key: PathBuf,
}

/// `[probe]`
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// `period`: between two probes of a path.
    pub period: Duration,
    /// `timeout`: the least time that a probe is given; four smoothed round trips if that is longer.
    pub timeout: Duration,
}
