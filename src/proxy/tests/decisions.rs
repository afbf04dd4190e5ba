//! What is noted of requests that are refused before they ask for a slot.

use bytes::Bytes;

use crate::decision_log::{Entry, Event};
use crate::fixture::{at, attestation, block, key};
use crate::tezos::{Curve, digest};

use super::super::error::ProxyError;
use super::super::sign::{SignRequest, sign};
use super::super::{decided, respond};
use super::*;

fn request(bytes: Vec<u8>) -> SignRequest {
    SignRequest {
        key: key(),
        bytes: Bytes::from(bytes),
        authentication: None,
        version: None,
        requester: "192.0.2.7:4711".to_owned(),
        certified: None,
        patience: None,
        arrived: tokio::time::Instant::now(),
    }
}

/// Asks, and gives what was noted.
async fn noted(proxy: Proxy, bytes: Vec<u8>) -> (Vec<Entry>, ProxyError) {
    let proxy = Arc::new(proxy);
    let error = sign(&proxy, request(bytes)).await.unwrap_err();
    (proxy.decisions.noted(), error)
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_noted_with_all_that_is_known_of_it() {
    let vote = attestation(Curve::Ed25519, at(5, 2), 1);
    // Not listed, not allowed, and with nobody who could ever have the key.
    let others = vec![policy_of(
        crate::fixture::secret(Curve::Ed25519, 9)
            .public_key()
            .hash(),
        &[],
        false,
        false,
    )];
    let nothing = vec![policy_of(key(), &[ConsensusKind::Block], false, false)];
    for (keys, code) in [
        (others, "unknown-key"),
        (nothing, "policy"),
        (Vec::new(), "unknown-key"),
    ] {
        let (_folder, proxy) = proxy(keys, Vec::new());
        let (entries, error) = noted(proxy, vote.clone()).await;
        let [entry] = entries.as_slice() else {
            panic!("{entries:#?}")
        };
        assert_eq!(respond::outcome(&error), code);
        let expected = Entry {
            at: entry.at,
            chain: Some(ChainId::MAINNET),
            key: Some(key()),
            kind: Some("attestation".into()),
            level: Some(5),
            round: Some(2),
            digest: Some(digest(&vote)),
            requester: Some("192.0.2.7:4711".to_owned()),
            ..Entry::new(Event::Refused)
        };
        let expected = expected.coded(code).because(&error.to_string());
        assert_eq!(*entry, expected);
    }
}

#[tokio::test]
async fn a_payload_that_cannot_be_read_is_noted_by_its_digest_alone() {
    let (_folder, proxy) = proxy(Vec::new(), Vec::new());
    let mut bytes = block(at(5, 0), 1);
    bytes.truncate(20);
    let named = digest(&bytes);
    let (entries, error) = noted(proxy, bytes).await;
    assert!(matches!(error, ProxyError::Malformed(_)), "{error:?}");
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!((entry.digest, entry.key), (Some(named), Some(key())));
    assert_eq!((entry.level, entry.kind.as_deref()), (None, None));
    assert_eq!(entry.code.as_deref(), Some("malformed"));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_noted_with_its_key_and_requester() {
    let (_folder, proxy) = proxy(Vec::new(), Vec::new());
    let error = ProxyError::BodyTooLarge { limit: 9 };
    decided::unread(&proxy, "192.0.2.7:1", key(), &error);
    decided::nonsense(&proxy, &ProxyError::NotFound);
    let entries = proxy.decisions.noted();
    assert_eq!(entries.len(), 1, "nonsense is only counted");
    let entry = &entries[0];
    assert_eq!((entry.event, entry.key), (Event::Refused, Some(key())));
    assert_eq!(entry.requester.as_deref(), Some("192.0.2.7:1"));
    assert_eq!(entry.reason, Some(error.to_string()));
    assert_eq!(entry.digest, None);
}
