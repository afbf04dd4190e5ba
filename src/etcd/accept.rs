//! How an operator goes on with a store that is not believed: by raising its floors, and giving it another lineage, so
//! that no replica goes on with what it remembers of the one that was lost.

use jiff::Timestamp;

use crate::guard::{Account, Change, StoreError};
use crate::store::Accepted;
use crate::tezos::{ChainId, Level};
use crate::transfer::acceptance;

use super::EtcdStore;
use super::known::Known;

/// Keys whose watermarks are raised at once: with stop and halt far below what one transaction takes.
const AT_ONCE: usize = 16;

impl EtcdStore {
    /// Accepts the store as it is now, by raising every watermark on `chain` that it or the witness knows to `level` at
    /// least, all rounds. Of other chains a level says nothing: their keys are halted. Makes a store where there is none and
    /// the witness knows one.
    ///
    /// Without `adopted` the store gets a new lineage, so that every replica stops, until it is accepted there too.
    /// `adopted` is the lineage of a store that was accepted at another replica: it stays, and what this one has seen
    /// raises it further. For a store from [`EtcdStore::doubting_nothing`]; [`EtcdStore::replace_witness`] afterwards.
    ///
    /// # Errors
    /// A sentence. The store stands as it was, or with higher floors, and is believed no more than before.
    pub async fn accept(
        &self,
        (chain, level): (ChainId, Level),
        adopted: Option<&str>,
        now: Timestamp,
    ) -> Result<Accepted, String> {
        let words = |error: StoreError| error.to_string();
        self.read_all().await.map_err(words)?;
        let earlier = self.witness.earlier(now);
        if earlier.as_ref().is_some_and(|seen| seen.sealed.is_some()) {
            return Err(
                "the witness knows that its store was sealed because its keys moved elsewhere; only \
                 `watermark reset --danger` opens it again"
                    .to_owned(),
            );
        }
        let (book, lineage) = {
            let known = &self.state().known;
            (known.book.clone(), known.lineage.clone())
        };
        self.check_identity(lineage.as_deref(), adopted)?;
        if adopted.is_some() && adopted == earlier.as_ref().map(|seen| seen.lineage.as_str()) {
            return Err(
                "this replica has seen that lineage already, so it was not accepted anew at another one; leave --lineage out"
                    .to_owned(),
            );
        }
        if lineage.is_none() && earlier.is_none() {
            return Err(
                "there is neither a store in etcd nor a witness of one; `watermark init` makes a store"
                    .to_owned(),
            );
        }
        let has_its_own =
            earlier.as_ref().map(|seen| Some(&seen.lineage)) == Some(lineage.as_ref());
        let streams = book.streams.iter();
        let on_chain = streams.filter(|(stream, _)| stream.chain == chain);
        let highest = on_chain.map(|(_, state)| state.floor.level).max();
        // What the operator names was vouched for where it was accepted first.
        if let Some(highest) = highest.filter(|highest| level < *highest)
            && !has_its_own
            && adopted.is_none()
        {
            return Err(format!(
                "the witness here is not of this store, so only the level can vouch for what was signed, and {level} lies \
                 below {highest}, which the store itself holds; give a level above everything ever signed, or --lineage {} \
                 if it was accepted already, here or at another replica",
                lineage.as_deref().unwrap_or("none")
            ));
        }
        let (changes, known) = acceptance(&book, earlier.as_ref(), (chain, level), now);
        for some in known.chunks(AT_ONCE) {
            let of_these = changes
                .iter()
                .filter(|change| account_of(change).is_some_and(|account| some.contains(&account)));
            let of_these: Vec<Change> = of_these.cloned().collect();
            self.make_changes(of_these, now).await.map_err(words)?;
        }
        let lineage = match adopted {
            Some(adopted) => adopted.to_owned(),
            None => self.rename(false).await.map_err(words)?,
        };
        let (accounts, halted) = known.into_iter().partition(|known| known.chain == chain);
        Ok(Accepted {
            lineage,
            accounts,
            halted,
        })
    }

    /// Whether the store is the one that is meant, and may get another lineage if it is to.
    fn check_identity(&self, is: Option<&str>, adopted: Option<&str>) -> Result<(), String> {
        match (adopted, &self.pin) {
            (Some(said), _) if is != Some(said) => Err(format!(
                "{said} is not the lineage of the store in etcd, which has {}; `watermark accept` prints it at the replica \
                 where the store was accepted first",
                is.unwrap_or("none, because there is none")
            )),
            (Some(said), Some(pin)) if pin != said => Err(format!(
                "state.lineage pins {pin}, and the store that was accepted has {said}: correct state.lineage first"
            )),
            (None, Some(pin)) => Err(format!(
                "state.lineage pins {pin}, and a store that is accepted gets a new lineage, so that no replica goes on with \
                 what it remembers: take state.lineage out, accept, and pin the lineage that is printed"
            )),
            (Some(_) | None, _) => Ok(()),
        }
    }
}

/// The key that a change is about.
fn account_of(change: &Change) -> Option<Account> {
    let (streams, accounts) = Known::concerned(std::slice::from_ref(change));
    let of_stream = streams.first().map(|stream| Account::from(*stream));
    of_stream.or_else(|| accounts.first().copied())
}
