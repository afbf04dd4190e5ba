//! Places for what is not consensus, so that it never takes those of votes and blocks.
//!
//! The baker's port works on a bounded number of requests. What a baker can ask again later may hold only a
//! part of them; over that it is told to come again, at once. Answers that need no waiting take no place.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::ProxyError;

/// Look-ups of metadata that wait for signers, at a time.
const METADATA: usize = 192;
/// Operations outside consensus, at a time.
const OTHERS: usize = 64;
/// Those of them whose baker has not been authenticated yet: strangers take no place of a baker's.
const UNPROVEN: usize = 64;

/// The places. One per process.
#[derive(Debug)]
pub struct Room {
    metadata: Semaphore,
    others: Semaphore,
    unproven: Semaphore,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            metadata: Semaphore::new(METADATA),
            others: Semaphore::new(OTHERS),
            unproven: Semaphore::new(UNPROVEN),
        }
    }
}

impl Room {
    /// A place for a metadata request that has to wait; given back when dropped.
    pub(super) fn for_metadata(&self) -> Result<SemaphorePermit<'_>, ProxyError> {
        self.metadata
            .try_acquire()
            .map_err(|_| ProxyError::Overload)
    }

    /// A place for an operation outside consensus whose baker is authenticated; given back when dropped.
    pub(super) fn for_other(&self) -> Result<SemaphorePermit<'_>, ProxyError> {
        self.others.try_acquire().map_err(|_| ProxyError::Overload)
    }

    /// A place for one whose baker is not, while what is needed for that is waited for.
    pub(super) fn for_unproven(&self) -> Result<SemaphorePermit<'_>, ProxyError> {
        self.unproven
            .try_acquire()
            .map_err(|_| ProxyError::Overload)
    }
}
