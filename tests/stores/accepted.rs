//! How an operator goes on with a store in etcd that went back, was lost, or is another.

use std::path::Path;
use std::sync::Arc;

use signer_proxy::etcd::EtcdStore;
use signer_proxy::guard::{
    Account, Answer, Change, Halt, Refusal, StoreError, Stream, WatermarkStore as _,
};
use signer_proxy::tezos::{ChainId, Level};

use super::cluster::{Cluster, Replica, open, open_doubted};
use super::identity::{PREFIX, assert_doubted, back_up, put_back, sign, used, wipe};
use super::values::{account, ask, at, floors, now, second, stream};

/// Accepts the store at the replica with the state directory `state`; gives its lineage.
async fn accept(
    cluster: &Cluster,
    state: &Path,
    level: u32,
    adopted: Option<&str>,
) -> Result<String, String> {
    let store = open_doubted(&cluster.endpoints(), PREFIX, state, None).unwrap();
    let level = Level::new(level).unwrap();
    let accepted = store
        .accept((ChainId::MAINNET, level), adopted, now())
        .await?;
    store.replace_witness(now()).unwrap();
    Ok(accepted.lineage)
}

/// Ends the process of a replica; what it has seen stays.
fn stopped(replica: Replica) -> tempfile::TempDir {
    let Replica { store, state } = replica;
    store.write_witness().unwrap();
    drop(store);
    state
}

fn started(cluster: &Cluster, state: &Path) -> Arc<EtcdStore> {
    open(&cluster.endpoints(), PREFIX, state, None).unwrap()
}

async fn assert_below(store: &EtcdStore, level: u32) {
    let refused = store.claim(ask(level, 9), now()).await;
    assert!(
        matches!(refused, Ok(Answer::Refused(Refusal::BelowFloor { .. }))),
        "{level}: {refused:?}"
    );
}

async fn assert_permitted(store: &EtcdStore, level: u32) {
    let permitted = store.claim(ask(level, 9), now()).await;
    assert_eq!(permitted, Ok(Answer::Permit), "{level}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_went_back_is_accepted_at_each_replica_and_stands_above_what_each_has_seen() {
    let mut cluster = Cluster::start(1).await;
    let (one, two) = (used(&cluster).await, cluster.replica(PREFIX));
    let unsigned = ask(104, 1);
    assert_eq!(one.store.claim(unsigned, now()).await, Ok(Answer::Permit));
    let backup = back_up(&mut cluster).await;
    sign(&one, 105).await;
    // The second has seen more than the first, and than the operator knows.
    two.store.connect().await.unwrap();
    sign(&two, 150).await;
    put_back(&mut cluster, &backup).await;
    let (one, two) = (stopped(one), stopped(two));
    let before = started(&cluster, one.path()).report().lineage;
    let accepted = accept(&cluster, one.path(), 120, None).await.unwrap();
    assert_ne!(before.as_ref(), Some(&accepted));
    let first = started(&cluster, one.path());
    first.connect().await.unwrap();
    assert_below(&first, 120).await;
    // A claim of which nobody knows what became.
    let again = first.claim(unsigned, now()).await;
    assert!(
        matches!(again, Ok(Answer::Refused(Refusal::BelowFloor { .. }))),
        "{again:?}"
    );
    assert_permitted(&first, 121).await;
    let copies = std::fs::read_dir(one.path()).unwrap();
    let is_copy = |name: &str| name.starts_with("etcd-witness.json.replaced-");
    let copies =
        copies.filter(|file| is_copy(file.as_ref().unwrap().file_name().to_str().unwrap()));
    assert_eq!(copies.count(), 1);
    // The other goes on neither by itself nor with another lineage than the one that stands.
    let second = started(&cluster, two.path());
    let refused = second.connect().await.unwrap_err().to_string();
    assert!(
        refused.contains("accepted or reset at another replica"),
        "{refused}"
    );
    drop(second);
    let wrong = accept(&cluster, two.path(), 120, Some("0011223344556677")).await;
    assert!(
        wrong
            .unwrap_err()
            .contains("is not the lineage of the store in etcd")
    );
    let adopted = accept(&cluster, two.path(), 120, Some(&accepted)).await;
    assert_eq!(adopted.as_ref(), Ok(&accepted));
    let second = started(&cluster, two.path());
    second.connect().await.unwrap();
    assert_below(&second, 150).await;
    assert_permitted(&second, 151).await;
    // The first runs on and sees it.
    assert_below(&first, 150).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_runs_stops_when_the_store_is_accepted_elsewhere() {
    let cluster = Cluster::start(1).await;
    let (one, two) = (used(&cluster).await, cluster.replica(PREFIX));
    two.store.connect().await.unwrap();
    let one = stopped(one);
    accept(&cluster, one.path(), 120, None).await.unwrap();
    assert_doubted(&two, "accepted or reset at another replica").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_store_is_made_again_from_what_the_witness_has_seen() {
    let mut cluster = Cluster::start(1).await;
    let one = used(&cluster).await;
    let foreign = Account {
        chain: ChainId::from_bytes([1; 4]),
        ..account()
    };
    let halt = Halt::new(second(7), "somebody else signs".to_owned());
    let mut changes = floors(500);
    for raise in &mut changes {
        raise.stream.chain = foreign.chain;
    }
    one.store.raise(changes, now()).await.unwrap();
    let (stop, account) = (Level::new(130).unwrap(), account());
    for change in [
        Change::StopAt {
            account,
            level: stop,
        },
        Change::Halt {
            account,
            halt: halt.clone(),
        },
    ] {
        one.store.amend(vec![change], now()).await.unwrap();
    }
    wipe(&mut cluster).await;
    let one = stopped(one);
    let lineage = accept(&cluster, one.path(), 110, None).await.unwrap();
    let store = started(&cluster, one.path());
    store.connect().await.unwrap();
    assert_eq!(store.report().lineage, Some(lineage));
    let state = store.account(account);
    assert_eq!((state.stop_at, state.halt), (Some(stop), Some(halt)));
    // The level was of another chain.
    let state = store.account(foreign);
    assert!(state.halt.unwrap().reason.contains("says nothing of"));
    store
        .amend(vec![Change::Resume { account }], now())
        .await
        .unwrap();
    assert_below(&store, 110).await;
    assert_permitted(&store, 111).await;
    let elsewhere = Stream {
        chain: foreign.chain,
        ..stream(ask(1, 1).slot.stream.kind)
    };
    let streams = store.streams();
    let floor = streams.iter().find(|known| known.stream == elsewhere);
    assert_eq!(floor.unwrap().floor.level, at(500, 0).level);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_accepted_in_etcd_is_refused_and_left_alone() {
    let mut cluster = Cluster::start(1).await;
    let one = used(&cluster).await;
    let lineage = one.store.report().lineage;
    let nothing = tempfile::tempdir().unwrap();
    // Without a witness of its own only the level vouches.
    let low = accept(&cluster, nothing.path(), 102, None).await;
    assert!(low.unwrap_err().contains("lies below 103"));
    // A pin speaks of the store that is there.
    let pinned = open_doubted(
        &cluster.endpoints(),
        PREFIX,
        nothing.path(),
        lineage.clone(),
    )
    .unwrap();
    let level = Level::new(200).unwrap();
    let refused = pinned.accept((ChainId::MAINNET, level), None, now()).await;
    assert!(refused.unwrap_err().contains("take state.lineage out"));
    drop(pinned);
    one.store.connect().await.unwrap();
    assert_eq!(one.store.report().lineage, lineage);
    assert_permitted(&one.store, 104).await;
    // Keys that have moved stay away.
    one.store.amend(vec![Change::Seal], now()).await.unwrap();
    let one = stopped(one);
    wipe(&mut cluster).await;
    let sealed = accept(&cluster, one.path(), 200, None).await;
    assert!(sealed.unwrap_err().contains("was sealed"));
    let absent = accept(&cluster, nothing.path(), 200, None).await;
    assert!(
        absent
            .unwrap_err()
            .contains("neither a store in etcd nor a witness")
    );
    let store = started(&cluster, one.path());
    let refused = store.claim(ask(201, 1), now()).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
}
