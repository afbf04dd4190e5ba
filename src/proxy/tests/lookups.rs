//! What requests for keys that nobody knows can cause at the signers.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::settings::{Path, Repeat, Signer, SignerUrl};
use crate::signer::{MetadataSink as _, Seek};
use crate::tezos::Curve;

use super::super::lookup;
use super::*;

/// A signer that knows no key and answers each question when it gets leave.
#[derive(Debug)]
struct Ignorant {
    asked: AtomicUsize,
    leave: Semaphore,
    came: Semaphore,
}

impl Ignorant {
    async fn start(tasks: &Tasks) -> (Arc<Self>, Signer) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let signer = Arc::new(Self {
            asked: AtomicUsize::new(0),
            leave: Semaphore::new(0),
            came: Semaphore::new(0),
        });
        let (serving, spawner) = (Arc::clone(&signer), tasks.clone());
        tasks.spawn("ignorant signer", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let signer = Arc::clone(&serving);
                spawner.spawn("connection", async move { signer.serve(stream).await });
            }
        });
        let path = Path {
            name: "1".to_owned(),
            url: SignerUrl::Http {
                host: address.ip().to_string(),
                port: address.port(),
            },
            prefix: String::new(),
            max_connections: 16,
            tls: crate::settings::PathTls::default(),
        };
        let settings = Signer {
            name: "home-a".to_owned(),
            priority: 1,
            capacity: 1,
            repeat: Repeat::Replay,
            shared_watermark: false,
            deep_probe: None,
            auth_key: None,
            paths: vec![path],
        };
        (signer, settings)
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while stream.read_buf(&mut head).await.unwrap_or(0) > 0 {
            if !head.ends_with(b"\r\n\r\n") {
                continue;
            }
            head.clear();
            self.asked.fetch_add(1, Ordering::AcqRel);
            self.came.add_permits(1);
            self.leave.acquire().await.unwrap().forget();
            let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Acquire)
    }
}

fn key(nth: u8) -> PublicKeyHash {
    let secret = crate::fixture::secret(Curve::Ed25519, nth);
    secret.public_key().hash()
}

fn after(wait: Duration) -> Instant {
    Instant::now().checked_add(wait).unwrap()
}

#[tokio::test]
async fn many_requests_for_one_unknown_key_ask_a_signer_once_and_so_do_those_just_after() {
    let tasks = Tasks::new();
    let (ignorant, settings) = Ignorant::start(&tasks).await;
    let (_folder, proxy) = proxy_over(&[settings], Vec::new(), Vec::new());
    let proxy = Arc::new(proxy);
    let until = after(METADATA_HOLD);
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let proxy = Arc::clone(&proxy);
        requests.spawn(async move { lookup::public_key(&proxy, key(7), until).await });
    }
    ignorant.came.acquire().await.unwrap().forget();
    assert_eq!(proxy.cache.keys(), [key(7)]);
    ignorant.leave.add_permits(100);
    while let Some(seek) = requests.join_next().await {
        let seek = seek.unwrap();
        assert!(matches!(seek, Seek::Denied { by_all: true }), "{seek:?}");
    }
    drop(lookup::public_key(&proxy, key(7), until).await);
    assert_eq!(ignorant.asked(), 1);
    assert!(proxy.cache.keys().is_empty());
    tasks.begin_shutdown();
}

#[tokio::test]
async fn few_look_ups_run_at_once_and_whoever_gets_no_turn_is_told_in_time() {
    let tasks = Tasks::new();
    let (ignorant, settings) = Ignorant::start(&tasks).await;
    let (_folder, proxy) = proxy_over(&[settings], Vec::new(), Vec::new());
    let proxy = Arc::new(proxy);
    let until = after(Duration::from_millis(300));
    let mut requests = JoinSet::new();
    for nth in 1..=12 {
        let proxy = Arc::clone(&proxy);
        requests.spawn(async move { lookup::public_key(&proxy, key(nth), until).await });
    }
    while let Some(seek) = requests.join_next().await {
        let seek = seek.unwrap();
        assert!(matches!(seek, Seek::Unanswered), "{seek:?}");
    }
    assert_eq!(ignorant.asked(), 4);
    assert!(proxy.cache.keys().is_empty());
    tasks.begin_shutdown();
}

#[tokio::test]
async fn a_look_up_whose_request_is_dropped_is_taken_over_and_its_key_no_longer_wanted() {
    let tasks = Tasks::new();
    let (ignorant, settings) = Ignorant::start(&tasks).await;
    let (_folder, proxy) = proxy_over(&[settings], Vec::new(), Vec::new());
    let until = after(METADATA_HOLD);
    let mut dropped = Box::pin(lookup::public_key(&proxy, key(7), until));
    tokio::select! {
        seek = &mut dropped => panic!("{seek:?}"),
        came = ignorant.came.acquire() => came.unwrap().forget(),
    }
    drop(dropped);
    assert!(proxy.cache.keys().is_empty());
    ignorant.leave.add_permits(2);
    let seek = lookup::public_key(&proxy, key(7), until).await;
    assert!(matches!(seek, Seek::Denied { by_all: true }), "{seek:?}");
    assert_eq!(ignorant.asked(), 2);
    tasks.begin_shutdown();
}

#[tokio::test]
async fn a_probe_that_brings_the_key_ends_the_look_up() {
    let tasks = Tasks::new();
    let (ignorant, settings) = Ignorant::start(&tasks).await;
    let (_folder, proxy) = proxy_over(&[settings], Vec::new(), Vec::new());
    let public_key = crate::fixture::secret(Curve::Ed25519, 7)
        .public_key()
        .clone();
    let until = after(METADATA_HOLD);
    let mut looking = Box::pin(lookup::public_key(&proxy, key(7), until));
    tokio::select! {
        seek = &mut looking => panic!("{seek:?}"),
        came = ignorant.came.acquire() => came.unwrap().forget(),
    }
    proxy.cache.learned(key(7), public_key.clone());
    let seek = looking.await;
    assert!(
        matches!(&seek, Seek::Found(found) if *found == public_key),
        "{seek:?}"
    );
    assert!(Instant::now() < until);
    tasks.begin_shutdown();
}
