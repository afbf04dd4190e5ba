//! Who may ask.

use crate::fixture::{key, secret};
use crate::tezos::{Curve, PublicKey, Scheme, SecretKey, Signature, authentication_bytes};

use super::super::auth;
use super::super::error::ProxyError;
use bytes::Bytes;

use super::*;

const BYTES: &[u8] = b"payload";

fn bakers() -> Vec<SecretKey> {
    [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls]
        .map(|curve| secret(curve, 9))
        .into()
}

fn public_keys(bakers: &[SecretKey]) -> Vec<PublicKey> {
    bakers
        .iter()
        .map(|baker| baker.public_key().clone())
        .collect()
}

async fn ask(proxy: &Proxy, given: Option<&Signature>) -> Result<Option<String>, ProxyError> {
    auth::verify(proxy, key(), &Bytes::from_static(BYTES), given).await
}

/// How a baker authenticates a request.
fn authentication(baker: &SecretKey, key: PublicKeyHash, bytes: &[u8]) -> Signature {
    let scheme = Scheme::for_request(baker.public_key().curve(), None).unwrap();
    baker.sign(scheme, &authentication_bytes(&key, bytes))
}

#[tokio::test]
async fn without_bakers_and_without_a_demand_anyone_may_ask_and_nothing_is_passed_on() {
    let (_folder, proxy) = proxy(Vec::new(), Vec::new());
    let stranger = authentication(&bakers()[0], key(), BYTES);
    for given in [None, Some(&stranger)] {
        assert_eq!(ask(&proxy, given).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_demand_that_cannot_be_checked_here_is_refused_whatever_is_given() {
    let (_folder, proxy) = proxy(Vec::new(), Vec::new());
    proxy.cache.note_demand("home-a");
    let stranger = authentication(&bakers()[0], key(), BYTES);
    for given in [None, Some(&stranger)] {
        let refused = ask(&proxy, given).await.unwrap_err();
        let ProxyError::AuthenticationUnconfigured(sentence) = refused else {
            panic!("{refused:?}")
        };
        assert!(sentence.contains("signer home-a demands"), "{sentence}");
        assert!(sentence.contains("[auth] authorized-keys"), "{sentence}");
    }
}

#[tokio::test]
async fn every_listed_baker_may_ask_and_its_authentication_is_passed_on_in_its_curves_form() {
    let bakers = bakers();
    let prefixes = ["edsig", "spsig1", "p2sig", "BLsig"];
    let (_folder, proxy) = proxy(Vec::new(), public_keys(&bakers));
    for demanded in [false, true] {
        if demanded {
            proxy.cache.note_demand("home-a");
        }
        for (baker, prefix) in bakers.iter().zip(prefixes) {
            let given = authentication(baker, key(), BYTES);
            let passed_on = ask(&proxy, Some(&given)).await.unwrap().unwrap();
            assert!(passed_on.starts_with(prefix), "{passed_on}");
            assert_eq!(Signature::parse(&passed_on).unwrap().0, given);
        }
    }
}

#[tokio::test]
async fn with_bakers_a_request_without_authentication_is_refused_in_the_words_of_octez() {
    let (_folder, proxy) = proxy(Vec::new(), public_keys(&bakers()));
    let refused = ask(&proxy, None).await.unwrap_err();
    let ProxyError::AuthenticationMissing(sentence) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        sentence.starts_with("missing authentication signature field"),
        "{sentence}"
    );
}

#[tokio::test]
async fn an_authentication_is_for_its_baker_its_key_and_its_bytes_alone() {
    let bakers = bakers();
    let (_folder, proxy) = proxy(Vec::new(), public_keys(&bakers));
    let other = bakers[1].public_key().hash();
    let scheme = Scheme::Standard;
    let wrong = [
        authentication(&secret(Curve::Ed25519, 10), key(), BYTES),
        authentication(&bakers[0], other, BYTES),
        authentication(&bakers[0], key(), b"payloae"),
        authentication(&bakers[0], key(), b""),
        bakers[0].sign(scheme, BYTES),
        crate::fixture::signature(0),
    ];
    for given in wrong {
        let refused = ask(&proxy, Some(&given)).await.unwrap_err();
        assert!(
            matches!(refused, ProxyError::AuthenticationInvalid(_)),
            "{refused:?}"
        );
    }
}
