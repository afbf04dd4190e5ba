//! Authentication of bakers: before the claim and before any replay, or anyone could move a floor.

use crate::tezos::{PublicKeyHash, Signature, verify_authentication};

use super::Proxy;
use super::error::ProxyError;

/// Checks the baker's authentication if it is needed, by our own list or by a signer's demand. Gives the
/// text to pass on to signers: only what was verified is passed on.
pub(super) fn verify(
    proxy: &Proxy,
    key: PublicKeyHash,
    bytes: &[u8],
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
    match verify_authentication(bakers, &key, bytes, authentication) {
        Some(baker) => Ok(Some(authentication.encode(baker.curve()))),
        None => Err(ProxyError::AuthenticationInvalid(
            "invalid authentication signature: no key of [auth] authorized-keys made it".to_owned(),
        )),
    }
}
