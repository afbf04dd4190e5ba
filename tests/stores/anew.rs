//! What is told, or decided, by the store as it is now, although this replica's memory of it is old.

use std::sync::Arc;
use std::time::Duration;

use signer_proxy::control::{Reply, export_watermarks, stop_key};
use signer_proxy::guard::{
    Answer, Change, Claim, ClaimError, SigningGuard, StoreError, WatermarkStore as _,
};
use signer_proxy::settings::Chain;
use signer_proxy::tezos::{ChainId, ConsensusKind, Level};
use signer_proxy::transfer::Document;

use tokio::sync::watch;

use super::cluster::{Cluster, Replica};
use super::values::{account, ask, at, floors, now, record, stream};

const PREFIX: &str = "/anew";

/// Two replicas; the second signs up to level 150, of which the first has heard nothing.
async fn one_behind(cluster: &Cluster) -> (Replica, Replica) {
    let (one, two) = (cluster.replica(PREFIX), cluster.replica(PREFIX));
    one.store.raise(floors(100), now()).await.unwrap();
    two.store.connect().await.unwrap();
    let claimed = two.store.claim(ask(150, 1), now()).await;
    assert_eq!(claimed, Ok(Answer::Permit));
    assert_eq!(one.store.lookup(&ask(150, 1).slot), None);
    (one, two)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_what_another_replica_signed_a_moment_before() {
    for seal in [false, true] {
        let mut cluster = Cluster::start(1).await;
        let (one, _two) = one_behind(&cluster).await;
        let Reply::Document(text) = export_watermarks(&*one.store, seal).await else {
            panic!("no document");
        };
        let document = Document::read("exported", text.as_bytes()).unwrap();
        let marks = &document.accounts[0].watermarks;
        let mark = marks
            .iter()
            .find(|mark| mark.kind == ConsensusKind::Attestation);
        assert_eq!(mark.unwrap().position, at(150, 0), "{seal}");
        // What cannot be read as it is now is not exported.
        cluster.kill_all();
        let failed = export_watermarks(&*one.store, seal).await;
        assert!(matches!(failed, Reply::Failed(_)), "{failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_tells_what_another_replica_signed_a_moment_before() {
    let cluster = Cluster::start(1).await;
    let (one, _two) = one_behind(&cluster).await;
    let stopped = stop_key(&*one.store, account(), Level::new(140).unwrap()).await;
    let Reply::Done(text) = stopped else {
        panic!("{stopped:?}");
    };
    let kind = stream(ConsensusKind::Attestation).kind;
    for part in [
        format!("{kind} level 150 round 0"),
        "whoever takes over starts above level 150".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}: {text}");
    }
}

/// The guard of a replica.
fn guard(replica: &Replica) -> SigningGuard {
    let chain = Chain {
        id: ChainId::MAINNET,
        block_time: Duration::from_secs(6),
        round_increment: Duration::from_secs(3),
    };
    let (_, node) = watch::channel(None);
    SigningGuard::new(Arc::clone(&replica.store) as _, vec![chain], 1_000, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_far_ahead_is_refused_by_a_replica_that_has_not_read_the_store_yet() {
    let cluster = Cluster::start(1).await;
    let one = cluster.replica(PREFIX);
    let before = cluster.replica(PREFIX);
    before.store.connect().await.unwrap();
    one.store.raise(floors(100), now()).await.unwrap();
    // One that has read nothing, and one that has read only what was before the watermark.
    for replica in [cluster.replica(PREFIX), before] {
        let guard = guard(&replica);
        let far = guard.claim(ask(50_000, 1), now()).await;
        assert!(matches!(far, Err(ClaimError::TooFar(_))), "{far:?}");
        let near = guard.claim(ask(150, 1), now()).await;
        assert!(matches!(near, Ok(Claim::Permitted(_))), "{near:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_halts_a_key_that_another_replica_resumed_a_moment_before() {
    let cluster = Cluster::start(1).await;
    let (one, two) = one_behind(&cluster).await;
    let (first, second) = (guard(&one), guard(&two));
    let why = |what: &str| what.to_owned();
    first.halt(account(), &[], why("old"), now()).await.unwrap();
    two.store.refresh().await.unwrap();
    let resume = Change::Resume { account: account() };
    one.store.amend(vec![resume], now()).await.unwrap();
    // It believes the key to be halted still.
    assert!(two.store.account(account()).halt.is_some());
    second
        .halt(account(), &[], why("new"), now())
        .await
        .unwrap();
    for replica in [&one, &two] {
        replica.store.refresh().await.unwrap();
        let halt = replica.store.account(account()).halt;
        assert_eq!(halt.expect("halted").reason, "new");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_outcome_is_not_asked_for_for_ever() {
    let mut cluster = Cluster::start(1).await;
    let (one, _two) = one_behind(&cluster).await;
    let guard = guard(&one);
    let Ok(Claim::Permitted(permit)) = guard.claim(ask(151, 1), now()).await else {
        panic!("no permit");
    };
    cluster.kill_all();
    let claimed = guard.claim(ask(152, 1), now()).await;
    assert!(
        matches!(claimed, Err(ClaimError::Store(StoreError::Unknown(_)))),
        "{claimed:?}"
    );
    let recorded = guard.record(permit, record(1).signature, "a", now()).await;
    assert!(
        matches!(recorded, Err(StoreError::Unknown(_))),
        "{recorded:?}"
    );
    // What began and was not answered belongs to its bytes at most.
    cluster.start_all();
    cluster.ready().await;
    let again = guard.claim(ask(152, 1), now()).await;
    assert!(matches!(again, Ok(Claim::Permitted(_))), "{again:?}");
}
