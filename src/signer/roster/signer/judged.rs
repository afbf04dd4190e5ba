//! What a signer comes to, from its paths, its signatures and the operator.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::tezos::PublicKeyHash;

use super::super::super::health::{PathState, SignerState};
use super::super::super::selection::View;
use super::super::Path;
use super::super::standing::Change;
use super::{Signer, lock};

impl Signer {
    /// Whether what redundancy depends on is another than when this was last asked.
    pub(in crate::signer::roster) fn counts_otherwise(&self) -> bool {
        let now = Some((self.health(), self.is_well()));
        std::mem::replace(&mut *lock(&self.counted), now) != now
    }

    /// Computes the state anew; gives what changed in the state that is shown.
    pub(in crate::signer::roster) fn refresh(&self, now: Timestamp) -> Option<Change> {
        let works = |path: &&Arc<Path>| matches!(path.state(), PathState::Up | PathState::Suspect);
        let working = self.paths.iter().filter(works).map(|path| path.index());
        let is_blamed = lock(&self.blame).judge(working);
        let best = self.paths.iter().map(|path| path.state()).min();
        let health = match best.unwrap_or(PathState::Down) {
            PathState::Up | PathState::Suspect if is_blamed => SignerState::Suspect,
            PathState::Up => SignerState::Up,
            PathState::Suspect => SignerState::Suspect,
            PathState::Unknown => SignerState::Unknown,
            PathState::Down => SignerState::Down,
        };
        let is_out = is_blamed || health == SignerState::Down;
        let is_drained = self.draining().is_some();
        lock(&self.standing).advance(health, is_out, is_drained, (Instant::now(), now))
    }

    pub(in crate::signer::roster) fn view(&self, key: PublicKeyHash, now: Instant) -> View {
        let blamed = self.is_blamed();
        let missed_once = !blamed && self.has_good_path();
        let standing = lock(&self.standing);
        View {
            index: self.index,
            priority: self.settings.priority,
            state: match standing.health() {
                SignerState::Suspect if missed_once => SignerState::Up,
                other @ (SignerState::Down
                | SignerState::Draining
                | SignerState::Suspect
                | SignerState::Unknown
                | SignerState::Up) => other,
            },
            blamed,
            in_question: !blamed && lock(&self.blame).has_failures(),
            draining: self.draining().is_some(),
            good_for: standing.good_for(now),
            hold_down: standing.hold_down(now),
            served: self.serves(key),
        }
    }
}
