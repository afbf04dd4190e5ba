//! Clusters that went back where later writes cover it: what a replica remembers of claims and signatures tells.

use std::time::Duration;

use serde_json::json;
use signer_proxy::guard::{Answer, Condition, StoreError, WatermarkStore as _};

use signer_proxy::tezos::{ChainId, ConsensusKind, Level};
use tokio::time::Instant;

use super::cluster::{Cluster, Replica, open, open_doubted};
use super::identity::{PREFIX, assert_doubted, back_up, put_back, sign, used};
use super::values::{ask, ask_kind, at, now, record};
use super::wait::lasts;

/// A copy of the cluster made between claim and signature of 104, put back once the signature has left; others have
/// written until no revision shows it.
async fn without_the_signature(cluster: &mut Cluster, one: &Replica) {
    let claimed = one.store.claim(ask(104, 1), now()).await;
    assert_eq!(claimed, Ok(Answer::Permit));
    one.store.write_witness().unwrap();
    let backup = back_up(cluster).await;
    one.store.record(ask(104, 1), record(1)).await.unwrap();
    one.store.write_witness().unwrap();
    put_back(cluster, &backup).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_forgot_nothing_but_a_signature_is_found_out_by_a_replica_that_starts_anew()
{
    let mut cluster = Cluster::start(1).await;
    let one = used(&cluster).await;
    without_the_signature(&mut cluster, &one).await;
    let one = one.restarted(&cluster.endpoints(), PREFIX);
    assert_doubted(&one, "was signed for, and the store has forgotten it").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_forgot_nothing_but_a_signature_is_found_out_by_a_replica_that_runs_on() {
    let mut cluster = Cluster::start(1).await;
    let one = used(&cluster).await;
    without_the_signature(&mut cluster, &one).await;
    let refreshed = one.store.refresh().await;
    // A look at what is new need not show it; the next whole one does.
    let connected = one.store.claim(ask(105, 1), now()).await;
    assert!(
        refreshed.is_err() || connected.is_err(),
        "{refreshed:?} {connected:?}"
    );
    assert_eq!(one.store.report().condition, Condition::Refusing);
    // What it knows it gives, and nothing of what it does not believe.
    let row = one.store.lookup(&ask(104, 1).slot).unwrap();
    assert_eq!(row.record, Some(record(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_went_another_way_is_found_out_by_who_knows_its_claim() {
    let mut cluster = Cluster::start(1).await;
    let one = used(&cluster).await;
    let backup = back_up(&mut cluster).await;
    sign(&one, 104).await;
    put_back(&mut cluster, &backup).await;
    // Somebody without a memory has the slot signed for other bytes.
    let fresh = cluster.replica(PREFIX);
    let claimed = fresh.store.claim(ask(104, 2), now()).await;
    assert_eq!(claimed, Ok(Answer::Permit));
    fresh.store.record(ask(104, 2), record(2)).await.unwrap();
    let refused = one.store.refresh().await.unwrap_err().to_string();
    assert!(refused.contains("is not believed"), "{refused}");
    let row = one.store.lookup(&ask(104, 1).slot).unwrap();
    assert_eq!(row.digest, ask(104, 1).digest);
    assert_eq!(one.store.report().condition, Condition::Refusing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_heard_nothing_for_a_while_holds_all_that_it_knows_against_the_store_before_it_claims()
 {
    let mut cluster = Cluster::start(1).await;
    let (one, two) = (used(&cluster).await, cluster.replica(PREFIX));
    let backup = back_up(&mut cluster).await;
    sign(&one, 104).await;
    two.store.connect().await.unwrap();
    put_back(&mut cluster, &backup).await;
    let heard = Instant::now();
    lasts(heard, Duration::from_millis(3_100)).await;
    // Of blocks all is as it knew it: that attestations went back is told by them alone.
    let block = ask_kind(ConsensusKind::Block, at(104, 0), 1);
    let refused = two.store.claim(block, now()).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(words)) if words.contains("went back")),
        "{refused:?}"
    );
}

/// The cluster's.
async fn revision(cluster: &Cluster) -> i64 {
    let answer = cluster.post("/v3/kv/range", &json!({"key": "eA=="})).await;
    let revision = answer["header"]["revision"].as_str();
    revision.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubt_that_later_writes_cover_is_kept_and_nothing_is_written_in_doubt() {
    let mut cluster = Cluster::start(1).await;
    let one = used(&cluster).await;
    let backup = back_up(&mut cluster).await;
    sign(&one, 104).await;
    let right = back_up(&mut cluster).await;
    put_back(&mut cluster, &backup).await;
    assert_doubted(&one, "the store went back").await;
    let before = revision(&cluster).await;
    for _ in 0..5 {
        one.store.refresh().await.unwrap_err();
        one.store.claim(ask(300, 1), now()).await.unwrap_err();
    }
    assert_eq!(revision(&cluster).await, before);
    // Not even the right one ends it: it could not be told from one that is covered.
    put_back(&mut cluster, &right).await;
    let mut one = one;
    for _ in 0..3 {
        one = one.restarted(&cluster.endpoints(), PREFIX);
        let refused = one.store.claim(ask(300, 1), now()).await;
        assert!(
            matches!(&refused, Err(StoreError::Unavailable(words)) if words.contains("watermark accept")),
            "{refused:?}"
        );
    }
    let Replica { store, state } = one;
    drop(store);
    let store = open_doubted(&cluster.endpoints(), PREFIX, state.path(), None).unwrap();
    let level = Level::new(200).unwrap();
    let accepted = store.accept((ChainId::MAINNET, level), None, now()).await;
    accepted.unwrap();
    store.replace_witness(now()).unwrap();
    drop(store);
    let store = open(&cluster.endpoints(), PREFIX, state.path(), None).unwrap();
    let claimed = store.claim(ask(300, 1), now()).await;
    assert_eq!(claimed, Ok(Answer::Permit));
}
