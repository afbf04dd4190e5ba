//! A replica whose memory of the store is old, as it is until its next look at what others have signed.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use signer_proxy::guard::{
    Account, AccountReport, AccountState, Answer, Candidate, Change, Head, Record, Row, Slot,
    StoreError, StoreFuture, StoreReport, StreamReport, WatermarkStore,
};
use signer_proxy::node::Verdict;
use signer_proxy::store::EmbeddedStore;
use signer_proxy::tezos::{ChainId, ConsensusKind, Curve, PublicKeyHash};

use super::scene::{Scene, at, key, level};

/// Shows the streams of an earlier moment until it is brought up to date, if that can be done.
#[derive(Debug)]
struct Behind {
    store: Arc<EmbeddedStore>,
    old: Mutex<Option<Vec<StreamReport>>>,
    is_cut_off: bool,
}

impl WatermarkStore for Behind {
    fn claim(&self, candidate: Candidate, now: Timestamp) -> StoreFuture<'_, Answer> {
        self.store.claim(candidate, now)
    }

    fn record(&self, candidate: Candidate, record: Record) -> StoreFuture<'_, Record> {
        self.store.record(candidate, record)
    }

    fn amend(&self, changes: Vec<Change>, now: Timestamp) -> StoreFuture<'_, ()> {
        self.store.amend(changes, now)
    }

    fn refresh(&self) -> StoreFuture<'_, ()> {
        if self.is_cut_off {
            let unknown = StoreError::Unknown("nobody answers".to_owned());
            return Box::pin(std::future::ready(Err(unknown)));
        }
        *self.old.lock().unwrap() = None;
        Box::pin(std::future::ready(Ok(())))
    }

    fn lookup(&self, slot: &Slot) -> Option<Row> {
        self.store.lookup(slot)
    }

    fn head(&self, chain: ChainId, key: PublicKeyHash) -> Option<Head> {
        self.store.head(chain, key)
    }

    fn report(&self) -> StoreReport {
        self.store.report()
    }

    fn streams(&self) -> Vec<StreamReport> {
        let old = self.old.lock().unwrap().clone();
        old.unwrap_or_else(|| self.store.streams())
    }

    fn account(&self, account: Account) -> AccountState {
        self.store.account(account)
    }

    fn accounts(&self) -> Vec<AccountReport> {
        self.store.accounts()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_replica_signed_a_moment_before_is_no_evidence() {
    for is_cut_off in [false, true] {
        let ours = key(Curve::Ed25519, 1);
        let kind = ConsensusKind::Attestation;
        let mut replica = None;
        let mut scene = Scene::judged_by(&[ours], 1_010, |store| {
            let old = Mutex::new(None);
            let behind = Arc::new(Behind {
                store,
                old,
                is_cut_off,
            });
            replica = Some(Arc::clone(&behind));
            behind
        })
        .await;
        let replica = replica.unwrap();
        *replica.old.lock().unwrap() = Some(scene.store.streams());
        // By the other replica; this one has not heard of it when the block is there.
        scene.claim(ours, kind, at(1_005, 0)).await;
        scene.node.show(ours, kind, at(1_005, 0));
        let verdict = scene.read_head(1_010).await;
        if is_cut_off {
            let Verdict::NotChecked(cause) = verdict else {
                panic!("{verdict:?}");
            };
            assert!(cause.contains("cannot be read as they are now"), "{cause}");
        } else {
            assert!(
                matches!(verdict, Verdict::Checked { head, .. } if head == level(1_010)),
                "{verdict:?}"
            );
        }
        assert_eq!(scene.halt(ours), None);
        assert_eq!(scene.count_halts(), 0);
    }
}
