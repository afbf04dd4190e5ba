//! Which signers may know the bytes of an operation already.
//!
//! A device that never repeats itself refuses what it has signed, in words of its own. Whoever sent it the
//! bytes more than once must not take that for ill-health.

use std::collections::{BTreeMap, BTreeSet};

use crate::settings::Repeat;

use super::super::client::FailureClass;
use super::exchange::{Blame, Failure};
use super::running::Running;

/// The signers that may have signed these bytes.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// They were claimed before: by an operation of which nothing is known.
    everywhere: bool,
    at: BTreeSet<usize>,
}

impl Known {
    pub(super) fn new(everywhere: bool) -> Self {
        Self {
            everywhere,
            at: BTreeSet::new(),
        }
    }

    /// The signer with this index may have signed them.
    pub(super) fn note(&mut self, signer: usize) {
        self.at.insert(signer);
    }

    /// The failure for what it is: a refusal of our own repeat is no failure of the signer. `alive` are the
    /// attempts besides the one that failed.
    pub(super) fn judge(
        &self,
        running: &Running,
        alive: &BTreeMap<usize, Running>,
        failure: Failure,
    ) -> Failure {
        let index = running.signer.index();
        let sent_there = |other: &Running| other.signer.index() == index && other.gate.is_sent();
        let is_repeat = self.everywhere
            || self.at.contains(&index)
            || alive.values().any(sent_there)
            || running.gate.sends() > 1;
        let refuses = running.signer.settings().repeat == Repeat::Refuse
            && failure.class == FailureClass::Rejected;
        if refuses && is_repeat && failure.blame == Blame::Signer {
            Failure {
                blame: Blame::Refusal,
                ..failure
            }
        } else {
            failure
        }
    }
}
