//! Changes of an operator, or of evidence: one transaction makes all of them, whatever they are.
//!
//! etcd takes so many operations at once and no more. Only the claims that a raise ends can be more for one key, so these
//! end before, in transactions of their own: each lies at or below the floor that its stream has already, which refuses
//! its slot from then on. What remains is made as a whole, or not at all.

use jiff::Timestamp;

use crate::guard::{Account, Change, Slot, StoreError, Stream, Touched};

use super::EtcdStore;
use super::belief::believed;
use super::known::Known;
use super::operate::{TRIES, too_busy};
use super::wire::Txn;

/// Operations that etcd takes in one transaction unless it is told otherwise: comparisons, and writes, each.
const MOST: usize = 128;
/// Claims that one transaction ends before the changes themselves.
const ENDED_AT_ONCE: usize = 100;

/// What is to be made next.
#[derive(Debug)]
struct Step {
    txn: Txn,
    /// Whether everything is done with it.
    is_last: bool,
}

impl EtcdStore {
    pub(super) async fn make_changes(
        &self,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (streams, accounts) = Known::concerned(&changes);
        self.read_once().await?;
        let mut failed = 0;
        while failed < TRIES {
            let Step { txn, is_last } = self.plan_changes(&changes, (&streams, &accounts), now)?;
            match (self.make(&txn).await?, is_last) {
                (true, true) => return Ok(()),
                // There are fewer claims to end now.
                (true, false) => {}
                (false, _) => failed = failed.saturating_add(1),
            }
        }
        Err(too_busy().await)
    }

    /// The next transaction of `changes`. One that changes nothing is made as well: that all of it stands already is true
    /// of this replica's memory, and another may have taken it back since.
    fn plan_changes(
        &self,
        changes: &[Change],
        (streams, accounts): (&[Stream], &[Account]),
        now: Timestamp,
    ) -> Result<Step, StoreError> {
        let state = self.state();
        believed(state.doubt.as_ref())?;
        let is_absent = state.known.lineage.is_none();
        if is_absent && streams.is_empty() {
            let reason = "there is no watermark store in etcd yet".to_owned();
            return Err(StoreError::Unavailable(reason));
        }
        if is_absent && let Some(pin) = &self.pin {
            return Err(StoreError::Unavailable(format!(
                "there is no store in etcd, and state.lineage pins {pin}: it was wiped, or this is another cluster. To make a \
                 new one, leave state.lineage out"
            )));
        }
        let mut part = state.known.part(streams, accounts);
        let mut touched = Touched::default();
        for change in changes {
            part.amend(change.clone(), now, &mut touched);
        }
        let lineage = if is_absent {
            Some(new_lineage()?)
        } else {
            state.known.lineage.clone().filter(|_| touched.sealed)
        };
        let known = &state.known;
        let mut txn = known.amend(
            &self.layout,
            (streams, accounts),
            (&part, &touched),
            lineage,
        );
        if txn.put.is_empty() {
            // So that no member answers it that lags.
            txn.put.push(self.sign_of_life(now));
        }
        let ending = txn.delete.len();
        // Before any claim ends: what is too much without them is too much for good.
        let rest = txn.comparisons().saturating_sub(touched.gone.len());
        if rest > MOST || txn.put.len() > MOST {
            return Err(StoreError::Unavailable(format!(
                "this is about more watermarks and keys at once than the {MOST} that etcd takes; nothing was changed: do it \
                 for fewer keys at a time, an import with --key or --chain"
            )));
        }
        let writes = txn.put.len().saturating_add(ending);
        if txn.comparisons() <= MOST && writes <= MOST {
            return Ok(Step { txn, is_last: true });
        }
        let some: &[Slot] = touched.gone.get(..ENDED_AT_ONCE).unwrap_or(&touched.gone);
        let mut txn = known.end(&self.layout, some);
        txn.put.push(self.sign_of_life(now));
        Ok(Step {
            txn,
            is_last: false,
        })
    }
}

pub(super) fn new_lineage() -> Result<String, StoreError> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(hex::encode(bytes))
}
