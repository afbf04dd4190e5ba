//! The one way down of a store in etcd.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use signer_proxy::etcd::EtcdStore;
use signer_proxy::guard::{Account, Answer, Book, Change, Refusal, WatermarkStore as _};
use signer_proxy::store::Found;
use signer_proxy::tezos::{ChainId, Level};
use signer_proxy::transfer::begin_anew;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::cluster::{Cluster, open, open_doubted};
use super::identity::{PREFIX, assert_doubted, sign, used};
use super::values::{account, ask, floors, now};

/// Another key's part of the store: the same key on another chain.
fn other() -> Account {
    Account {
        chain: ChainId::from_bytes([1; 4]),
        ..account()
    }
}

async fn whole(store: &EtcdStore) -> (String, Book) {
    match store.inspect().await.unwrap() {
        Found::Whole { lineage, book } => (lineage, *book),
        found @ (Found::Absent | Found::Unreadable { .. }) => panic!("{found:?}"),
    }
}

/// Writes a value as somebody else would.
async fn write(cluster: &Cluster, key: &str, value: &str) {
    let encoded = |text: &str| STANDARD.encode(text);
    let pair = json!({"key": encoded(key), "value": encoded(value)});
    cluster.post("/v3/kv/put", &pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_begins_anew_below_what_it_signed_and_every_running_replica_stops() {
    let cluster = Cluster::start(1).await;
    let (one, two) = (used(&cluster).await, cluster.replica(PREFIX));
    let mut elsewhere = floors(500);
    for raise in &mut elsewhere {
        raise.stream.chain = other().chain;
    }
    one.store.raise(elsewhere, now()).await.unwrap();
    one.store.amend(vec![Change::Seal], now()).await.unwrap();
    two.store.connect().await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let ends = open_doubted(&cluster.endpoints(), PREFIX, state.path(), None).unwrap();
    let (was, book) = whole(&ends).await;
    let level = Level::new(50).unwrap();
    let anew = begin_anew(&book, &[account()], level, now());
    let is = ends
        .replace(Some(&book), &anew, &[account()])
        .await
        .unwrap();
    assert_ne!(was, is);
    let (lineage, stands) = whole(&ends).await;
    assert_eq!(lineage, is);
    assert_eq!(stands, anew);
    ends.replace_witness(now()).unwrap();
    drop(ends);
    // What was signed is forgotten, and below is open again.
    let store = open(&cluster.endpoints(), PREFIX, state.path(), Some(is)).unwrap();
    assert_eq!(store.claim(ask(60, 9), now()).await, Ok(Answer::Permit));
    assert_eq!(store.lookup(&ask(101, 1).slot), None);
    // The seal holds on for the key that did not begin anew.
    let mut sealed = ask(501, 1);
    sealed.slot.stream.chain = other().chain;
    let refused = store.claim(sealed, now()).await;
    assert!(
        matches!(refused, Ok(Answer::Refused(Refusal::Stopped { .. }))),
        "{refused:?}"
    );
    assert_doubted(&two, "accepted or reset at another replica").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_read_is_replaced_by_one_with_the_keys_that_are_named() {
    let cluster = Cluster::start(1).await;
    let one = used(&cluster).await;
    sign(&one, 110).await;
    write(&cluster, &format!("{PREFIX}/meta"), "no store wrote this").await;
    let state = tempfile::tempdir().unwrap();
    let ends = open_doubted(&cluster.endpoints(), PREFIX, state.path(), None).unwrap();
    let Found::Unreadable { reason } = ends.inspect().await.unwrap() else {
        panic!("it can be read");
    };
    assert!(reason.contains("checksum is wrong"), "{reason}");
    let level = Level::new(120).unwrap();
    let anew = begin_anew(&Book::default(), &[account()], level, now());
    let lineage = ends.replace(None, &anew, &[account()]).await.unwrap();
    assert_eq!(whole(&ends).await, (lineage, anew));
    drop(ends);
    let store = open(&cluster.endpoints(), PREFIX, state.path(), None).unwrap();
    assert_eq!(store.claim(ask(121, 9), now()).await, Ok(Answer::Permit));
}

/// Hands everything on to the port `to`, but requests that delete: these it keeps until it is told, whoever has gone by
/// then.
async fn keeper(to: u16) -> (u16, watch::Sender<bool>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, tells) = watch::channel(false);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            connections.spawn(hand_on(near, far, tells.clone()));
        }
    });
    (port, told, serving)
}

async fn hand_on(near: TcpStream, far: TcpStream, mut tells: watch::Receiver<bool>) {
    let (mut asks, mut hears) = near.into_split();
    let (mut answers, mut takes) = far.into_split();
    let back = async {
        // Whoever has gone hears nothing.
        tokio::io::copy(&mut answers, &mut hears).await.ok();
    };
    let forth = async {
        let mut request = vec![0; 64 << 10];
        while let Ok(read @ 1..) = asks.read(&mut request).await {
            if String::from_utf8_lossy(&request[..read]).contains("request_delete_range") {
                tells.wait_for(|told| *told).await.unwrap();
            }
            if takes.write_all(&request[..read]).await.is_err() {
                return;
            }
        }
        // What was asked is answered before it is over.
        tells.wait_for(|told| *told).await.ok();
        std::future::pending::<()>().await;
    };
    tokio::join!(back, forth);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_comes_late_finds_nothing_to_delete() {
    let cluster = Cluster::start(2).await;
    drop(used(&cluster).await);
    write(&cluster, &format!("{PREFIX}/meta"), "no store wrote this").await;
    let (port, told, _serving) = keeper(cluster.endpoints()[0]).await;
    let endpoints = [port, cluster.endpoints()[1]];
    let state = tempfile::tempdir().unwrap();
    let ends = open_doubted(&endpoints, PREFIX, state.path(), None).unwrap();
    let level = Level::new(120).unwrap();
    let anew = begin_anew(&Book::default(), &[account()], level, now());
    // The first member is asked and says nothing, the second does it.
    let lineage = ends.replace(None, &anew, &[account()]).await.unwrap();
    ends.replace_witness(now()).unwrap();
    drop(ends);
    let store = open(&cluster.endpoints(), PREFIX, state.path(), None).unwrap();
    for level in 121..=125 {
        let claimed = store.claim(ask(level, 9), now()).await;
        assert_eq!(claimed, Ok(Answer::Permit));
    }
    told.send_replace(true);
    for _ in 0..20 {
        // Each goes through the log; what was kept is in it, or is refused, by one of them.
        cluster
            .post("/v3/kv/put", &json!({"key": "eA==", "value": ""}))
            .await;
        store.refresh().await.unwrap();
    }
    assert_eq!(store.report().lineage, Some(lineage));
    let claimed = store.claim(ask(126, 9), now()).await;
    assert_eq!(claimed, Ok(Answer::Permit));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_store_is_told_from_one_that_is_there() {
    let cluster = Cluster::start(1).await;
    let state = tempfile::tempdir().unwrap();
    let store = open_doubted(&cluster.endpoints(), PREFIX, state.path(), None).unwrap();
    assert_eq!(store.inspect().await, Ok(Found::Absent));
}
