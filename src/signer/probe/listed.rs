//! Keys to probe with, for tests that need nothing of what probes learn.

use crate::tezos::{PublicKey, PublicKeyHash, wire};

use super::super::roster::Signer;
use super::MetadataSink;

/// These keys, whatever signers show.
#[derive(Debug)]
pub(in crate::signer) struct Keys(pub(in crate::signer) Vec<PublicKeyHash>);

impl MetadataSink for Keys {
    fn keys(&self) -> Vec<PublicKeyHash> {
        self.0.clone()
    }

    fn learned(&self, _: PublicKeyHash, _: PublicKey) {}

    fn authorized_keys(&self, _: &Signer, _: wire::AuthorizedKeys) {}
}
