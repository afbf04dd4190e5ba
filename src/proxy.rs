//! The baker's port: routes a request, answers metadata from the verified copy and signs through the
//! guard. Knows nothing of listeners, disks or connections to signers.

mod auth;
mod body;
mod claim;
mod clients;
mod conclude;
mod deadline;
mod decided;
mod error;
mod flight;
mod frames;
mod learn;
mod lookup;
mod metadata;
mod policy;
mod refused;
mod requester;
mod respond;
mod room;
mod sign;
mod stack;
mod tripwire;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderValue;
use ipnet::IpNet;

use crate::cache::MetadataCache;
use crate::decision_log::DecisionLog;
use crate::guard::SigningGuard;
use crate::settings::{Auth, Chain, Deadline, Key};
use crate::signer::{Attempts, Prober, Roster};
use crate::task::Tasks;
use crate::telemetry::Metrics;
use crate::tezos::VoteLayout;

pub use clients::Clients;
pub use flight::Flights;
pub use frames::FramesService;
pub use lookup::Lookups;
pub use refused::RefusalLog;
pub use respond::refusals;
pub use room::Room;
pub use stack::{BakerService, service};
pub use tripwire::{DueHalts, watch as watch_tripwire};
pub use turns::Turns;

/// Metadata that nobody has shown yet is waited for this long, no longer: a signature follows it.
pub const METADATA_HOLD: Duration = Duration::from_secs(2);

/// Everything a request needs. One per process.
#[derive(Debug)]
pub struct Proxy {
    /// The guard.
    pub guard: SigningGuard,
    /// Attempts at signers.
    pub attempts: Attempts,
    /// The signers.
    pub roster: Arc<Roster>,
    /// Asks signers for metadata.
    pub prober: Arc<Prober>,
    /// The verified copy.
    pub cache: Arc<MetadataCache>,
    /// Chains that are signed for.
    pub chains: Vec<Chain>,
    /// Layouts of votes that this program does not know.
    pub vote_layouts: Vec<VoteLayout>,
    /// Policies of keys; empty means the default policy for every key.
    pub keys: Vec<Key>,
    /// Bakers that may ask.
    pub auth: Auth,
    /// Fixed deadlines.
    pub deadline: Deadline,
    /// Whether `GET /known_keys` is answered.
    pub known_keys: bool,
    /// Time for a body to arrive.
    pub body_time: Duration,
    /// This process, as probes carry it.
    pub instance: HeaderValue,
    /// The configuration file as the operator named it, for commands in error texts.
    pub config_name: String,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Where signing work runs, so that a baker that hangs up does not cancel it.
    pub operations: Tasks,
    /// Signatures under way.
    pub flights: Flights,
    /// Look-ups of public keys under way.
    pub lookups: Lookups,
    /// Places for what is not consensus.
    pub room: Room,
    /// Whether two bakers are meant to ask for one key: a refusal of the second is no alarm then.
    pub two_bakers: bool,
    /// Balancers that are believed when they say for whom they ask.
    pub forwarded_from: Vec<IpNet>,
    /// How much each client may ask.
    pub clients: Clients,
    /// What could not be refused loudly each time.
    pub refusals: RefusalLog,
    /// Halts that are not durable yet.
    pub due_halts: Arc<DueHalts>,
    /// Slots on which something is being decided.
    pub turns: Turns,
    /// Where decisions are noted.
    pub decisions: Arc<DecisionLog>,
}

#[cfg(test)]
mod tests;
