//! Authentication of sign requests: what a baker signs to show that it may ask, and who signed it.
//!
//! Whether authentication is wanted, and whose, is configuration. An authentication has no expiry and no
//! nonce: it stays valid for its key and its data.

use super::crypto::{Scheme, verify};
use super::key::{Curve, PublicKey, PublicKeyHash};
use super::signature::Signature;

/// First bytes of everything that is signed for authentication: the magic byte and the word for "sign".
const HEAD: [u8; 2] = [0x04, 0x01];

/// The bytes that authenticate a request to sign `data` with the key `pkh`.
#[must_use]
pub fn authentication_bytes(pkh: &PublicKeyHash, data: &[u8]) -> Vec<u8> {
    [&HEAD[..], &pkh.tagged(), data].concat()
}

/// Which of `keys` authenticated the request to sign `data` with `pkh`, if any did.
#[must_use]
pub fn verify_authentication(
    keys: &[PublicKey],
    pkh: &PublicKeyHash,
    data: &[u8],
    signature: &Signature,
) -> Option<PublicKeyHash> {
    let message = authentication_bytes(pkh, data);
    keys.iter()
        .find(|key| verify(key, scheme_of(key.curve()), &message, signature).is_ok())
        .map(PublicKey::hash)
}

const fn scheme_of(curve: Curve) -> Scheme {
    match curve {
        Curve::Ed25519 | Curve::Secp256k1 | Curve::P256 | Curve::MlDsa => Scheme::Standard,
        Curve::Bls => Scheme::Pop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tezos::crypto::SecretKey;

    fn bakers() -> Vec<SecretKey> {
        [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls]
            .into_iter()
            .map(|curve| SecretKey::from_seed(curve, &[3; 32]).unwrap())
            .collect()
    }

    #[test]
    fn bytes_are_head_tag_hash_and_data() {
        let pkh: PublicKeyHash = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx".parse().unwrap();
        assert_eq!(
            hex::encode(authentication_bytes(&pkh, &[0x13, 0xed])),
            "04010002298c03ed7d454a101eb7022bc95f7e5f41ac7813ed"
        );
    }

    #[test]
    fn any_listed_key_of_any_curve_authenticates() {
        let bakers = bakers();
        let keys: Vec<_> = bakers.iter().map(|key| key.public_key().clone()).collect();
        let pkh = keys[0].hash();
        for baker in &bakers {
            let scheme = scheme_of(baker.public_key().curve());
            let signature = baker.sign(scheme, &authentication_bytes(&pkh, b"data"));
            let who = verify_authentication(&keys, &pkh, b"data", &signature);
            assert_eq!(who, Some(baker.public_key().hash()));
            assert_eq!(
                verify_authentication(&keys, &pkh, b"datb", &signature),
                None
            );
            assert_eq!(
                verify_authentication(&keys, &keys[1].hash(), b"data", &signature),
                None
            );
            assert_eq!(verify_authentication(&[], &pkh, b"data", &signature), None);
        }
    }

    #[test]
    fn a_plain_signature_over_the_data_does_not_authenticate() {
        let baker = &bakers()[0];
        let keys = [baker.public_key().clone()];
        let signature = baker.sign(Scheme::Standard, b"data");
        assert_eq!(
            verify_authentication(&keys, &keys[0].hash(), b"data", &signature),
            None
        );
    }
}
