//! Staggered attempts: one mechanism for failover, retry and hedging.
//!
//! An attempt that has not answered after its delay gets a companion with the same bytes on the next
//! path, then the next signer; it stays alive itself, because its signature may be the only one that the
//! device gives. A definite failure starts the next at once. The first signature that verifies wins and
//! the others are dropped unseen. When nothing is left to try, the request waits for a change of state.
//!
//! Plain code that holds the permit; no generic retry layer lies here. Which bytes may be repeated is
//! settled before: the permit stands for a durable claim, so repeating them is always safe.

mod ending;
mod exchange;
mod foreign;
mod losers;
mod operation;
mod running;
mod tally;
mod timing;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::guard::Permit;
use crate::task::Tasks;
use crate::telemetry::Metrics;
use crate::tezos::{PublicKey, Signature};

use super::roster::Roster;
pub use foreign::{Lookout, Sighting};
use operation::Operation;

/// What signers are asked, besides the permit.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The key's public key: every signature is verified with it.
    pub public_key: PublicKey,
    /// The bytes to sign, exactly as received.
    pub bytes: Bytes,
    /// The baker's own authentication, passed on in its base58 form.
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
        operation.settle(outcome.is_ok());
        outcome
    }
}

#[cfg(test)]
mod tests;
