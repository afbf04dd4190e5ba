//! Whether an answer is one of the store that this replica knows; nothing of another one is taken in.

use tokio::time::Instant;

use crate::guard::StoreError;

use super::known::Doubt;
use super::layout::Item;
use super::wire::{Outcome, Range, Txn};
use super::{EtcdStore, State};

impl EtcdStore {
    /// Takes in an answer, if it is one of the store that we know.
    pub(super) fn take_in(
        &self,
        txn: &Txn,
        outcome: &Outcome,
        (before, asked): (i64, Instant),
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        believed(state.doubt.as_ref())?;
        if let Some(reason) = is_another(state.known.cluster, before, outcome) {
            return Err(self.doubt(&mut state, &reason));
        }
        state.known.cluster = Some(outcome.cluster);
        state.known.revision = state.known.revision.max(outcome.revision);
        let reads: &[Range] = if outcome.succeeded {
            state.known.wrote(&self.layout, txn, outcome)?;
            &txn.read
        } else {
            &txn.otherwise
        };
        let judge = |item: &Item| self.judge(item);
        let taken = state.known.read(&self.layout, reads, outcome, judge);
        if let Err(reason) = taken {
            return Err(self.doubt(&mut state, &reason));
        }
        let all = self.layout.all();
        let is_all = |range: &Range| match range {
            Range::Prefix(prefix) | Range::Since(prefix, _) => *prefix == all,
            Range::Key(_) => false,
        };
        if reads.iter().any(is_all) {
            state.looked = Some(asked);
            state.known.is_read = true;
            state.known.read_until = state.known.read_until.max(outcome.revision);
        }
        if state.known.is_read
            && let Err(reason) = self.witness.hold_against(&state.known)
        {
            return Err(self.doubt(&mut state, &reason));
        }
        Ok(())
    }

    /// Whether pin and witness believe what is about to be known.
    fn judge(&self, item: &Item) -> Result<(), Doubt> {
        if let (Some(pin), Item::Meta { lineage }) = (&self.pin, item)
            && pin != lineage
            && !self.witness.is_aside()
        {
            return Err(Doubt::while_seen(format!(
                "the store in etcd has lineage {lineage}, and state.lineage pins {pin}"
            )));
        }
        self.witness.judge(item)
    }

    /// Stops believing the store, for good.
    fn doubt(&self, state: &mut State, doubt: &Doubt) -> StoreError {
        if doubt.passes {
            self.witness.keep_doubt(&doubt.reason);
        }
        let sentence = sentence(doubt);
        tracing::error!(reason = doubt.reason, "store refuses to sign");
        state.doubt = Some(sentence.clone());
        StoreError::Unavailable(sentence)
    }
}

/// Why an answer to what was asked after revision `before` was seen cannot be of the same store.
fn is_another(cluster: Option<u64>, before: i64, outcome: &Outcome) -> Option<Doubt> {
    if let Some(known) = cluster.filter(|known| *known != outcome.cluster) {
        return Some(Doubt::while_seen(format!(
            "the cluster was {known:x} and is {:x}: it was restored from a backup, or is another",
            outcome.cluster
        )));
    }
    (outcome.revision < before).then(|| {
        Doubt::passing(format!(
            "the cluster was at revision {before} and is at {}: it was restored from a backup, or wiped",
            outcome.revision
        ))
    })
}

/// What is told of a doubt.
pub(super) fn sentence(doubt: &Doubt) -> String {
    let reason = &doubt.reason;
    let way_back = if doubt.passes {
        // A store that is right again could not be told from one that was covered up.
        "Nothing is signed here until it is accepted with `signer-proxy watermark accept` (docs/replicas.md)"
    } else {
        "Nothing is signed here until the right cluster is back and the proxy is restarted, or this one is accepted with \
         `signer-proxy watermark accept` (docs/replicas.md)"
    };
    format!("the watermark store in etcd is not believed: {reason}. {way_back}")
}

pub(super) fn believed(doubt: Option<&String>) -> Result<(), StoreError> {
    doubt.map_or(Ok(()), |doubt| Err(StoreError::Unavailable(doubt.clone())))
}
