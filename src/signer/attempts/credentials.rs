//! How the proxy authenticates to signers, in mode own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::tezos::{PublicKeyHash, Scheme, SecretKey, authentication_bytes};

/// Keys by the names of signers. Cheap to clone; empty where the baker's authentication is passed on.
#[derive(Clone, Debug, Default)]
pub struct Credentials(Arc<BTreeMap<String, Arc<SecretKey>>>);

impl Credentials {
    /// A key for each signer that is asked with one.
    #[must_use]
    pub fn new(keys: BTreeMap<String, Arc<SecretKey>>) -> Self {
        Self(Arc::new(keys))
    }

    /// Whether signers are asked with these.
    #[must_use]
    pub fn is_own(&self) -> bool {
        !self.0.is_empty()
    }

    /// What `signer` is shown with the request to sign `bytes` with `key`.
    pub(super) fn for_request(
        &self,
        signer: &str,
        key: PublicKeyHash,
        bytes: &[u8],
    ) -> Option<String> {
        let secret = self.0.get(signer)?;
        let curve = secret.public_key().curve();
        let scheme = Scheme::for_request(curve, None)?;
        let signature = secret.sign(scheme, &authentication_bytes(&key, bytes));
        Some(signature.encode(curve))
    }
}
