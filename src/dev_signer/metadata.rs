//! Answers that need no signature: the keys, who may ask, and proofs of possession.

use hyper::StatusCode;

use super::answer::{self, Answer};
use super::device::{Device, impostor};
use super::faults::Faults;
use crate::tezos::{self, Curve, PublicKey, PublicKeyHash, SecretKey};

pub(super) fn authorized_keys(device: &Device, faults: &Faults) -> Answer {
    let keys: Vec<_> = device.authorized_keys().map(PublicKey::hash).collect();
    let demanded = faults.demand_authentication.then_some(keys.as_slice());
    answer::json(tezos::authorized_keys_body(demanded))
}

pub(super) fn known_keys(device: &Device) -> Answer {
    let keys: Vec<_> = device.public_keys().map(PublicKey::hash).collect();
    answer::json(tezos::known_keys_body(&keys))
}

pub(super) fn public_key(device: &Device, faults: &Faults, key: &PublicKeyHash) -> Answer {
    let Some(own) = device.secret_key(key) else {
        return answer::empty(StatusCode::NOT_FOUND);
    };
    let other = if faults.wrong_public_key {
        impostor(key)
    } else {
        None
    };
    let shown = other
        .as_ref()
        .map_or(own.public_key(), SecretKey::public_key);
    answer::json(tezos::public_key_body(shown))
}

pub(super) fn possession(
    device: &Device,
    key: &PublicKeyHash,
    subject: Option<&PublicKey>,
) -> Answer {
    match (device.secret_key(key), key.curve()) {
        (None, _) => answer::empty(StatusCode::NOT_FOUND),
        (Some(secret), curve @ Curve::Bls) => answer::json(tezos::possession_body(
            &secret.prove_possession(subject).encode(curve),
        )),
        (Some(_), Curve::Ed25519 | Curve::Secp256k1 | Curve::P256 | Curve::MlDsa) => {
            answer::failure("only tz4 keys prove their possession")
        }
    }
}
