//! Staggered attempts: one mechanism for failover, retry and hedging.
//!
//! An attempt that has not answered after its delay gets a companion with the same bytes on the next
//! path, then the next signer; it stays alive itself, because its signature may be the only one that the
//! device gives. A definite failure starts the next at once. The first signature that verifies wins and
//! the others are dropped unseen. When nothing is left to try, the request waits for a change of state.
//!
//! Plain code that holds the permit; no generic retry layer lies here. Which bytes may be repeated is
//! settled before: the permit stands for a durable claim, so repeating them is always safe.

mod copy;
mod credentials;
mod ended;
mod ending;
mod exchange;
mod foreign;
mod known;
mod losers;
mod operation;
mod running;
mod spent;
mod start;
mod tally;
mod timing;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::guard::{Permit, Stream};
use crate::task::Tasks;
use crate::telemetry::Metrics;
use crate::tezos::{Position, PublicKey, Signature};

use super::board::Board;
use super::claimed::Claimed;
use super::roster::Roster;
pub use credentials::Credentials;
pub use foreign::{Lookout, Sighting};
use operation::Operation;
use spent::SpentBySlot;

/// What signers are asked, besides the permit.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The key's public key: every signature is verified with it.
    pub public_key: PublicKey,
    /// The bytes to sign, exactly as received.
    pub bytes: Bytes,
    /// The baker's own authentication, passed on in its base58 form, unless the proxy has its own.
    pub authentication: Option<String>,
    /// The signature version that the baker asked.
    pub version: Option<u8>,
    /// Whether the key signs deterministically.
    pub deterministic: bool,
    /// When the answer is of no more use.
    pub deadline: Instant,
}

/// A verified signature.
#[derive(Debug)]
pub struct Signed {
    /// The signature.
    pub signature: Signature,
    /// The signer that gave it.
    pub signer: String,
}

/// Why there is no signature.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AttemptError {
    /// Nobody waits any more and nothing was sent.
    #[error("the baker hung up before anything was sent")]
    Dropped,
    /// Every signer that could be asked has as many requests waiting as it may.
    #[error("too many requests wait for the signers; ask again")]
    Shed,
    /// A newer claim of the same key made it useless while it waited; nothing was sent.
    #[error("{by} of the same key was claimed meanwhile, so nobody was asked for this any more")]
    Superseded {
        /// The newer one.
        by: String,
    },
    /// No path gave one before the deadline.
    #[error("no signature within {:.1}s: {causes}", .waited.as_secs_f64())]
    NoSigner {
        /// How long was tried.
        waited: Duration,
        /// What is wrong with each path.
        causes: String,
    },
    /// A signer signed other bytes for this slot: these are not to be signed anywhere any more.
    #[error("{0}")]
    Foreign(Box<Sighting>),
    /// A signer demands authentication that the baker did not give or that it does not accept.
    #[error("{causes}")]
    Unauthenticated {
        /// Signer and its words.
        causes: String,
    },
}

/// Makes attempts. Shared by all requests.
#[derive(Debug)]
pub struct Attempts {
    roster: Arc<Roster>,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    lookout: Arc<dyn Lookout>,
    claimed: Mutex<Claimed>,
    /// Told after a claim made others useless.
    claims: Board,
    spent: SpentBySlot,
    credentials: Credentials,
}

impl Attempts {
    /// Attempts over the signers of `roster`; what outlives its operation runs in `tasks`. `lookout` is told what a
    /// signer said of other bytes when the operation had its signature already.
    #[must_use]
    pub fn new(
        roster: Arc<Roster>,
        metrics: Arc<Metrics>,
        tasks: Tasks,
        lookout: Arc<dyn Lookout>,
    ) -> Self {
        Self {
            roster,
            metrics,
            tasks,
            lookout,
            claimed: Mutex::default(),
            claims: Board::default(),
            spent: SpentBySlot::default(),
            credentials: Credentials::default(),
        }
    }

    /// With keys of our own, shown to signers instead of the baker's authentication.
    #[must_use]
    pub fn authenticating(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Takes in that a position is claimed, for those who wait below it.
    fn note_claim(&self, stream: Stream, position: Position) {
        let account = (stream.chain, stream.key);
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let higher = claimed.note(account, stream.kind, position);
        drop(claimed);
        if higher {
            self.claims.tell();
        }
    }

    /// Gets a signature over the permitted bytes. `unwanted` resolves when nobody waits for it any more;
    /// then the work ends, unless something may have been sent.
    ///
    /// Not to be cancelled once something was sent: run it in a task.
    ///
    /// # Errors
    /// [`AttemptError`]; the claim stands whatever happens.
    pub async fn sign(
        &self,
        permit: &Permit,
        ask: &Ask,
        unwanted: impl Future<Output = ()>,
    ) -> Result<Signed, AttemptError> {
        let mut operation = Operation::new(self, permit, ask);
        let outcome = operation.run(ask.deadline, unwanted).await;
        operation.settle();
        outcome
    }
}

#[cfg(test)]
mod tests;
