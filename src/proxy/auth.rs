//! Authentication of bakers: before the claim and before any replay, or anyone could move a floor.

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::tezos::{Curve, PublicKey, PublicKeyHash, Signature, verify_authentication};

use super::Proxy;
use super::error::ProxyError;

/// Bytes of a signature of a tz4 key; others are none.
const BLS_SIGNATURE: usize = 96;

/// Pairings that are computed at a time for requests of which nobody knows yet who sends them: a core is left to the others.
static PAIRINGS: Semaphore = Semaphore::const_new(1);

/// Checks the baker's authentication if it is needed, by our own list or by a signer's demand. Gives the
/// text to pass on to signers: only what was verified is passed on.
pub(super) async fn verify(
    proxy: &Proxy,
    key: PublicKeyHash,
    bytes: &Bytes,
    authentication: Option<&Signature>,
) -> Result<Option<String>, ProxyError> {
    let demanded_by = proxy.cache.demanding_signer();
    let bakers = &proxy.auth.authorized_keys;
    if bakers.is_empty() {
        return match demanded_by {
            None => Ok(None),
            Some(signer) => Err(ProxyError::AuthenticationUnconfigured(format!(
                "signer {signer} demands authentication, which this proxy must verify before it claims: \
                 list the bakers' public keys in [auth] authorized-keys"
            ))),
        };
    }
    let Some(authentication) = authentication else {
        return Err(ProxyError::AuthenticationMissing(
            "missing authentication signature field: this proxy signs for authorized bakers only"
                .to_owned(),
        ));
    };
    match find(bakers, key, bytes, authentication).await {
        Some(baker) => Ok(Some(authentication.encode(baker.curve()))),
        None => Err(ProxyError::AuthenticationInvalid(
            "invalid authentication signature: no key of [auth] authorized-keys made it".to_owned(),
        )),
    }
}

/// Which baker's authentication it is. Its length says whether a tz4 key can have made it.
async fn find(
    bakers: &[PublicKey],
    key: PublicKeyHash,
    bytes: &Bytes,
    authentication: &Signature,
) -> Option<PublicKeyHash> {
    let is_bls = authentication.raw().len() == BLS_SIGNATURE;
    let possible = bakers
        .iter()
        .filter(|baker| (baker.curve() == Curve::Bls) == is_bls);
    let possible: Vec<_> = possible.cloned().collect();
    if !is_bls {
        return verify_authentication(&possible, &key, bytes, authentication);
    }
    let (bytes, authentication) = (bytes.clone(), authentication.clone());
    // Pairings take a millisecond or more each: not on the async threads.
    let _place = PAIRINGS.acquire().await.ok()?;
    let found = tokio::task::spawn_blocking(move || {
        verify_authentication(&possible, &key, &bytes, &authentication)
    });
    found.await.ok().flatten()
}
