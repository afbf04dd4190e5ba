//! A cluster that was restored, wiped or put in the place of another is not believed.

use std::path::{Path, PathBuf};
use std::process::Command;

use signer_proxy::guard::{Answer, Change, Condition, StoreError, WatermarkStore as _};
use signer_proxy::tezos::Level;

use super::cluster::{Cluster, Replica, open};
use super::values::{ask, floors, now, record};

pub(crate) const PREFIX: &str = "/identity";

pub(crate) async fn used(cluster: &Cluster) -> Replica {
    let replica = cluster.replica(PREFIX);
    replica.store.raise(floors(100), now()).await.unwrap();
    for level in 101..=103 {
        sign(&replica, level).await;
    }
    replica
}

pub(crate) async fn sign(replica: &Replica, level: u32) {
    let claimed = replica.store.claim(ask(level, 1), now()).await.unwrap();
    drop(claimed);
    replica
        .store
        .record(ask(level, 1), record(1))
        .await
        .unwrap();
}

/// It refuses, for the reason that is given.
pub(crate) async fn assert_doubted(replica: &Replica, why: &str) {
    let refused = replica.store.claim(ask(200, 1), now()).await;
    let Err(StoreError::Unavailable(words)) = refused else {
        panic!("{refused:?}")
    };
    assert!(words.contains(why), "{words}");
    let report = replica.store.report();
    assert_eq!(report.condition, Condition::Refusing);
    assert_eq!(report.reason, Some(words));
}

/// Copies the data of the only member while it does not run.
pub(crate) async fn back_up(cluster: &mut Cluster) -> PathBuf {
    let copies = std::fs::read_dir(cluster.folder.path()).unwrap().count();
    let backup = cluster.folder.path().join(format!("backup-{copies}"));
    cluster.kill_all();
    copy(&cluster.members[0].data, &backup);
    cluster.start_all();
    cluster.ready().await;
    backup
}

/// Puts that copy in place of the data. Then others write until no revision shows it any more.
pub(crate) async fn put_back(cluster: &mut Cluster, backup: &Path) {
    cluster.kill_all();
    let data = &cluster.members[0].data;
    std::fs::remove_dir_all(data).unwrap();
    copy(backup, data);
    cluster.start_all();
    cluster.ready().await;
    write_on(cluster).await;
}

/// Takes the data of the only member away and starts it again with nothing.
pub(crate) async fn wipe(cluster: &mut Cluster) {
    cluster.kill_all();
    std::fs::remove_dir_all(&cluster.members[0].data).unwrap();
    cluster.start_all();
    cluster.ready().await;
}

/// A cluster that is as it was before the last three signatures of a replica, but for its revision.
async fn gone_back() -> (Cluster, Replica) {
    let mut cluster = Cluster::start(1).await;
    let one = used(&cluster).await;
    let backup = back_up(&mut cluster).await;
    for level in 104..=106 {
        sign(&one, level).await;
    }
    put_back(&mut cluster, &backup).await;
    (cluster, one)
}

/// Others write, until no revision is lower than any that was seen.
async fn write_on(cluster: &Cluster) {
    let noise = cluster.replica("/noise");
    noise.store.raise(floors(1), now()).await.unwrap();
    for level in 2..=40 {
        sign(&noise, level).await;
    }
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(status.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_wiped_and_has_the_same_id_is_found_out() {
    let mut cluster = Cluster::start(1).await;
    let (one, two) = (used(&cluster).await, cluster.replica(PREFIX));
    two.store.connect().await.unwrap();
    wipe(&mut cluster).await;
    // One that ran on, and one that was started anew.
    assert_doubted(&one, "restored from a backup, or wiped").await;
    let two = two.restarted(&cluster.endpoints(), PREFIX);
    assert_doubted(&two, "restored from a backup, or wiped").await;
    // Somebody without a memory begins anew there: only lineage and witness can tell.
    let fresh = cluster.replica(PREFIX);
    fresh.store.raise(floors(50), now()).await.unwrap();
    let lineage = one.store.report().lineage;
    assert_ne!(fresh.store.report().lineage, lineage);
    let state = tempfile::tempdir().unwrap();
    let pinned = open(&cluster.endpoints(), PREFIX, state.path(), lineage).unwrap();
    let refused = pinned.claim(ask(200, 1), now()).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(words)) if words.contains("state.lineage pins")),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_wiped_and_went_the_same_way_is_found_out_by_its_lineage() {
    let mut cluster = Cluster::start(1).await;
    let one = used(&cluster).await;
    wipe(&mut cluster).await;
    // The same steps, so that all is at the same revision as before; then others write on.
    let fresh = used(&cluster).await;
    assert_ne!(fresh.store.report().lineage, one.store.report().lineage);
    write_on(&cluster).await;
    assert_doubted(&one, "it is another store").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_not_recorded_in_another_store_that_went_the_same_way() {
    let mut cluster = Cluster::start(1).await;
    let one = used(&cluster).await;
    let claimed = one.store.claim(ask(104, 1), now()).await.unwrap();
    assert_eq!(claimed, Answer::Permit);
    wipe(&mut cluster).await;
    let fresh = used(&cluster).await;
    let claimed = fresh.store.claim(ask(104, 2), now()).await.unwrap();
    assert_eq!(claimed, Answer::Permit);
    write_on(&cluster).await;
    let recorded = one.store.record(ask(104, 1), record(1)).await;
    let refused = recorded.unwrap_err().to_string();
    assert!(refused.contains("it is another store"), "{refused}");
    // What stands there is what was claimed there.
    assert_eq!(
        fresh.store.record(ask(104, 2), record(2)).await,
        Ok(record(2))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_whose_data_went_back_is_found_out_even_when_its_revision_has_caught_up() {
    let (cluster, one) = gone_back().await;
    let one = one.restarted(&cluster.endpoints(), PREFIX);
    assert_doubted(&one, "watermark of tz1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_whose_data_went_back_and_caught_up_is_found_out_by_a_replica_that_stood_still() {
    let (_cluster, one) = gone_back().await;
    // It asks no one until then, and decides by what it remembers.
    assert_doubted(&one, "restored from a backup").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_forgot_a_stop_or_a_seal_is_found_out() {
    for (end, sentence) in [
        (Change::Seal, "was sealed and is not"),
        (
            Change::StopAt {
                account: ask(200, 1).slot.stream.into(),
                level: Level::new(150).unwrap(),
            },
            "was to stop at level 150 and no longer is",
        ),
    ] {
        let mut cluster = Cluster::start(1).await;
        let one = used(&cluster).await;
        let backup = back_up(&mut cluster).await;
        one.store.amend(vec![end], now()).await.unwrap();
        put_back(&mut cluster, &backup).await;
        let one = one.restarted(&cluster.endpoints(), PREFIX);
        assert_doubted(&one, sentence).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_is_found_out_by_its_id() {
    let (cluster, other) = (Cluster::start(1).await, Cluster::start(1).await);
    let one = used(&cluster).await;
    let there = other.replica(PREFIX);
    there.store.raise(floors(100), now()).await.unwrap();
    let one = one.restarted(&other.endpoints(), PREFIX);
    let refused = one.store.claim(ask(200, 1), now()).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(words)) if words.contains("or is another")),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_cannot_be_read_is_told_and_not_forgotten() {
    let cluster = Cluster::start(1).await;
    let one = used(&cluster).await;
    one.store.write_witness().unwrap();
    let Replica { store, state } = one;
    drop(store);
    std::fs::write(state.path().join("etcd-witness.json"), "{").unwrap();
    let refused = open(&cluster.endpoints(), PREFIX, state.path(), None).unwrap_err();
    assert!(
        refused.contains("etcd-witness.json cannot be used"),
        "{refused}"
    );
}
