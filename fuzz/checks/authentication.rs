//! Authentication: only what an authorized baker signed for exactly this key and these bytes lets anybody in.
//!
//! The input is a mask of a signature's bytes, and bytes to sign. The genuine signature is accepted; one that
//! differs in any bit, for other bytes or another key, is not.

use signer_proxy::tezos::{
    Curve, PublicKey, Scheme, SecretKey, Signature, authentication_bytes, verify_authentication,
};

/// Bytes of a tz1 signature.
const SIGNATURE: usize = 64;

pub(crate) fn check(input: &[u8]) {
    let [baker, stranger, key] =
        [1, 2, 3].map(|seed| SecretKey::from_seed(Curve::Ed25519, &[seed; 32]).unwrap());
    let bakers: [PublicKey; 1] = [baker.public_key().clone()];
    let (mask, bytes) = input.split_at(input.len().min(SIGNATURE));
    let hash = key.public_key().hash();
    let message = authentication_bytes(&hash, bytes);
    let genuine = baker.sign(Scheme::Standard, &message);
    let accepts = |signature: &Signature, bytes: &[u8]| {
        verify_authentication(&bakers, &hash, bytes, signature).is_some()
    };
    assert!(accepts(&genuine, bytes));
    let mut raw = genuine.raw().to_vec();
    raw.iter_mut()
        .zip(mask)
        .for_each(|(byte, mask)| *byte ^= mask);
    let is_same = raw == genuine.raw();
    assert_eq!(accepts(&Signature::from_raw(raw).unwrap(), bytes), is_same);
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert!(!accepts(&genuine, &longer));
    if let Some((_, shorter)) = bytes.split_last() {
        assert!(!accepts(&genuine, shorter));
    }
    // The baker's own key is another key, and a stranger is nobody.
    let other = baker.public_key().hash();
    assert!(verify_authentication(&bakers, &other, bytes, &genuine).is_none());
    assert!(!accepts(&stranger.sign(Scheme::Standard, &message), bytes));
    // What a key signs is no authentication: the first bytes differ.
    assert!(!accepts(&baker.sign(Scheme::Standard, bytes), bytes));
    // Whatever else is given in the place of a signature.
    if let Ok(signature) = Signature::from_raw(input.to_vec()) {
        assert_eq!(accepts(&signature, bytes), signature == genuine);
    }
}
