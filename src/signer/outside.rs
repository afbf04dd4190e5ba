//! What signers and paths need of the world around them, besides time: connections and chance.
//!
//! The program takes both from the system. Whoever brings its own can repeat a run exactly, under a paused
//! clock and without a socket.

use std::sync::Arc;

use super::chance::{self, Chance};
use super::client::connect::{self, Connect};

/// The world outside. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::signer) struct Outside {
    /// Makes connections to signers.
    pub(in crate::signer) connector: Arc<dyn Connect>,
    /// Spreads probes.
    pub(in crate::signer) chance: Arc<dyn Chance>,
}

impl Outside {
    /// The network and the randomness of this machine.
    pub(in crate::signer) fn system() -> Self {
        Self {
            connector: Arc::new(connect::System),
            chance: Arc::new(chance::System),
        }
    }
}
