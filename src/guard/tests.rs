//! What the guard promises, each sentence a test: the decision alone, the far-future limit, and both
//! over the real store on a real disk.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "the numbers of these tests are small, and an overflow would fail them"
)]

mod account;
mod durable;
mod horizon;
mod kept;
mod model;
mod properties;
mod refusals;
mod siblings;
mod unknown;

use crate::fixture::{at, second};
use crate::settings::Chain;
use crate::store::{DirectoryLock, EmbeddedStore};
use crate::tezos::ConsensusKind;

use super::*;

/// A guard over the store in a folder, which can be closed and opened again.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    /// A folder without a store.
    fn empty() -> Self {
        Self {
            folder: crate::fixture::folder(),
        }
    }

    /// A folder whose key has floors at level 100 for all three kinds.
    async fn initialised() -> (Self, SigningGuard) {
        let home = Self::empty();
        let guard = home.open();
        let kinds = [
            ConsensusKind::Attestation,
            ConsensusKind::Block,
            ConsensusKind::Preattestation,
        ];
        let raises = kinds.map(|kind| crate::fixture::raise(kind, at(100, 0)));
        guard.raise(raises.to_vec(), second(1_000)).await.unwrap();
        (home, guard)
    }

    fn open(&self) -> SigningGuard {
        self.open_pinned(None)
    }

    fn open_pinned(&self, pin: Option<&str>) -> SigningGuard {
        let lock = DirectoryLock::acquire(self.folder.path()).unwrap();
        let store = EmbeddedStore::open(lock, pin.map(str::to_owned), |_| ());
        let (_, node) = tokio::sync::watch::channel(None);
        SigningGuard::new(Arc::new(store), vec![mainnet()], 1_000, node)
    }
}

fn mainnet() -> Chain {
    Chain {
        id: ChainId::MAINNET,
        block_time: std::time::Duration::from_secs(6),
        round_increment: std::time::Duration::from_secs(3),
    }
}

fn permit(claim: Result<Claim, ClaimError>) -> Permit {
    match claim {
        Ok(Claim::Permitted(permit)) => permit,
        other => panic!("no permit: {other:?}"),
    }
}

fn refusal(claim: Result<Claim, ClaimError>) -> Refusal {
    match claim {
        Err(ClaimError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}
