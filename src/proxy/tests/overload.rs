//! Too much at once, too late, and what is measured of it.

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::fixture::{at, attestation, key, secret};
use crate::settings::{Path, Repeat, Signer, SignerUrl};
use crate::tezos::Curve;

use super::super::error::ProxyError;
use super::super::sign::{SignRequest, sign};
use super::super::{metadata, respond};
use super::stubborn::{NOBODY, Scene};
use super::*;

/// A signer that is not there, so that everything waits.
fn nobody() -> Signer {
    let path = Path {
        name: "1".to_owned(),
        url: SignerUrl::HttpUnix {
            path: "/nowhere/at/all".into(),
        },
        prefix: String::new(),
        max_connections: 4,
        tls: crate::settings::PathTls::default(),
    };
    Signer {
        name: "home-a".to_owned(),
        priority: 1,
        capacity: 1,
        repeat: Repeat::Replay,
        shared_watermark: false,
        deep_probe: None,
        auth_key: None,
        paths: vec![path],
    }
}

fn waiting_proxy() -> (tempfile::TempDir, Arc<Proxy>) {
    let mut policy = policy_of(key(), &ConsensusKind::ALL, true, false);
    policy.public_key = Some(secret(Curve::Ed25519, 1).public_key().clone())
        .filter(|public_key| public_key.hash() == key());
    let (folder, proxy) = proxy_over(&[nobody()], vec![policy], Vec::new());
    (folder, Arc::new(proxy))
}

fn request(bytes: Vec<u8>, arrived: Instant) -> SignRequest {
    SignRequest {
        key: key(),
        bytes: Bytes::from(bytes),
        authentication: None,
        version: None,
        requester: "192.0.2.7:4711".to_owned(),
        certified: None,
        patience: None,
        arrived,
    }
}

/// Lets every task run as far as it can without time.
async fn begin_all() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn code(result: Result<String, ProxyError>) -> &'static str {
    respond::outcome(&result.unwrap_err())
}

#[tokio::test(start_paused = true)]
async fn operations_are_turned_away_before_any_vote_is() {
    let (_folder, proxy) = waiting_proxy();
    let mut others = JoinSet::new();
    for nth in 0..64 {
        let proxy = Arc::clone(&proxy);
        others
            .spawn(async move { code(sign(&proxy, request(vec![3, nth], Instant::now())).await) });
    }
    begin_all().await;
    let begun = Instant::now();
    let one_more = sign(&proxy, request(vec![3, 64], begun)).await;
    assert_eq!(
        (code(one_more), begun.elapsed()),
        ("overload", Duration::ZERO)
    );
    // A vote is taken, and has its own time.
    let vote = attestation(Curve::Ed25519, at(5, 0), 1);
    let signed = sign(&proxy, request(vote, begun)).await;
    assert_ne!(code(signed), "overload");
    assert_eq!(begun.elapsed(), Duration::from_secs(4));
    let codes = others.join_all().await;
    assert!(codes.iter().all(|code| *code == "no-signer"), "{codes:?}");
    // Their places are free again.
    let again = sign(&proxy, request(vec![3, 65], Instant::now())).await;
    assert_eq!(code(again), "no-signer");
}

#[tokio::test(start_paused = true)]
async fn those_whose_authentication_is_not_looked_at_yet_take_no_place_of_those_who_have_it() {
    let (_folder, proxy) = waiting_proxy();
    let mut waiting = JoinSet::new();
    for nth in 0..64 {
        let proxy = Arc::clone(&proxy);
        waiting
            .spawn(async move { code(sign(&proxy, request(vec![3, nth], Instant::now())).await) });
    }
    begin_all().await;
    let places: Vec<_> = std::iter::from_fn(|| proxy.room.for_other().ok()).collect();
    assert_eq!(places.len(), 64);
    drop(places);
    waiting.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn metadata_that_waits_has_its_own_places_and_its_own_time() {
    let (_folder, proxy) = waiting_proxy();
    let mut waiting = JoinSet::new();
    for _ in 0..192 {
        let proxy = Arc::clone(&proxy);
        waiting.spawn(async move { code(metadata::authorized_keys(&proxy).await) });
    }
    begin_all().await;
    let begun = Instant::now();
    assert_eq!(code(metadata::authorized_keys(&proxy).await), "overload");
    let codes = waiting.join_all().await;
    assert!(codes.iter().all(|code| *code == "no-signer"), "{codes:?}");
    assert_eq!(begun.elapsed(), METADATA_HOLD);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_begins_with_the_request_and_not_with_its_body() {
    let (_folder, proxy) = waiting_proxy();
    let arrived = Instant::now();
    tokio::time::advance(Duration::from_secs(3)).await;
    let vote = attestation(Curve::Ed25519, at(5, 0), 1);
    assert_eq!(
        code(sign(&proxy, request(vote, arrived)).await),
        "no-signer"
    );
    assert_eq!(arrived.elapsed(), Duration::from_secs(4));
}

#[tokio::test]
async fn a_lost_slot_is_a_margin_of_zero() {
    let scene = Scene::new(NOBODY).await;
    assert_eq!(respond::outcome(&scene.ask(1, 101).await), "no-signer");
    let metrics = scene.proxy.metrics.encode();
    let margin = |what: &str| format!("signer_proxy_deadline_margin_seconds_{what}");
    for line in [
        margin("sum{kind=\"attestation\"} 0.0"),
        margin("count{kind=\"attestation\"} 1"),
    ] {
        assert!(metrics.contains(&line), "{line} is missing in:\n{metrics}");
    }
}
