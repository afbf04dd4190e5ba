//! Checking and making signatures, curve by curve.

use super::*;
use crate::tezos::base58::{self, Kind};

const VERIFIABLE: [Curve; 4] = [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls];
const MESSAGE: &[u8] = b"\x13 some payload";

fn secret(curve: Curve) -> SecretKey {
    SecretKey::from_seed(curve, &[curve.tag().saturating_add(1); 32]).unwrap()
}

fn scheme_of(curve: Curve) -> Scheme {
    Scheme::for_request(curve, None).unwrap()
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "negation in the scalar field cannot overflow"
)]
fn invert_s(curve: Curve, signature: &Signature) -> Signature {
    let raw = signature.raw();
    let flipped: [u8; 64] = if curve == Curve::P256 {
        let signature = p256::ecdsa::Signature::from_slice(raw).unwrap();
        let (r, s) = signature.split_scalars();
        p256::ecdsa::Signature::from_scalars(r, -s)
            .unwrap()
            .to_bytes()
            .into()
    } else {
        let signature = k256::ecdsa::Signature::from_slice(raw).unwrap();
        let (r, s) = signature.split_scalars();
        k256::ecdsa::Signature::from_scalars(r, -s)
            .unwrap()
            .to_bytes()
            .into()
    };
    Signature::from_ecdsa(flipped)
}

#[test]
fn a_signature_verifies_and_any_change_breaks_it() {
    for curve in VERIFIABLE {
        let key = secret(curve);
        let scheme = scheme_of(curve);
        let signature = key.sign(scheme, MESSAGE);
        assert_eq!(
            verify(key.public_key(), scheme, MESSAGE, &signature),
            Ok(())
        );

        let invalid = Err(VerifyError::Invalid { curve });
        assert_eq!(
            verify(key.public_key(), scheme, b"\x13 another", &signature),
            invalid
        );
        let stranger = SecretKey::from_seed(curve, &[0x77; 32]).unwrap();
        assert_eq!(
            verify(stranger.public_key(), scheme, MESSAGE, &signature),
            invalid
        );
        for at in [0, 31, 32, 63] {
            let mut raw = signature.raw().to_vec();
            raw[at] ^= 1;
            let changed = Signature::from_raw(raw).unwrap();
            assert_eq!(
                verify(key.public_key(), scheme, MESSAGE, &changed),
                invalid,
                "{curve} byte {at}"
            );
        }
    }
}

#[test]
fn signing_is_deterministic_without_entropy() {
    for curve in VERIFIABLE {
        let scheme = scheme_of(curve);
        assert_eq!(
            secret(curve).sign(scheme, MESSAGE),
            secret(curve).sign(scheme, MESSAGE)
        );
    }
}

#[test]
fn entropy_changes_ecdsa_signatures_only() {
    for curve in VERIFIABLE {
        let key = secret(curve);
        let scheme = scheme_of(curve);
        let one = key.sign_with_nonce(scheme, MESSAGE, &[1; 32]);
        let two = key.sign_with_nonce(scheme, MESSAGE, &[2; 32]);
        assert_eq!(one == two, curve.is_deterministic_by_default(), "{curve}");
        assert_eq!(one, key.sign_with_nonce(scheme, MESSAGE, &[1; 32]));
        for signature in [one, two] {
            assert_eq!(
                verify(key.public_key(), scheme, MESSAGE, &signature),
                Ok(())
            );
        }
    }
}

#[test]
fn a_high_s_is_accepted_for_p256_and_refused_for_secp256k1() {
    for (curve, expected) in [
        (Curve::P256, Ok(())),
        (
            Curve::Secp256k1,
            Err(VerifyError::Invalid {
                curve: Curve::Secp256k1,
            }),
        ),
    ] {
        let key = secret(curve);
        let twin = invert_s(curve, &key.sign(Scheme::Standard, MESSAGE));
        assert_eq!(
            verify(key.public_key(), Scheme::Standard, MESSAGE, &twin),
            expected
        );
    }
}

#[test]
fn pop_and_aug_signatures_are_not_interchangeable() {
    let key = secret(Curve::Bls);
    let pop = key.sign(Scheme::Pop, MESSAGE);
    let aug = key.sign(Scheme::Aug, MESSAGE);
    assert_ne!(pop, aug);
    assert_eq!(verify(key.public_key(), Scheme::Aug, MESSAGE, &aug), Ok(()));
    let invalid = Err(VerifyError::Invalid { curve: Curve::Bls });
    assert_eq!(
        verify(key.public_key(), Scheme::Aug, MESSAGE, &pop),
        invalid
    );
    assert_eq!(
        verify(key.public_key(), Scheme::Pop, MESSAGE, &aug),
        invalid
    );
}

#[test]
fn schemes_belong_to_their_curves() {
    let sixty_four = Signature::from_raw(vec![1; 64]).unwrap();
    for curve in VERIFIABLE {
        for scheme in Scheme::ALL {
            let right = (curve == Curve::Bls) != (scheme == Scheme::Standard);
            let result = verify(secret(curve).public_key(), scheme, MESSAGE, &sixty_four);
            assert_eq!(
                result == Err(VerifyError::Scheme { curve, scheme }),
                !right,
                "{curve} {scheme:?}"
            );
        }
    }
}

#[test]
fn a_signature_of_another_length_is_named_as_such() {
    let ninety_six = Signature::from_raw(vec![1; 96]).unwrap();
    let key = secret(Curve::Ed25519);
    assert_eq!(
        verify(key.public_key(), Scheme::Standard, MESSAGE, &ninety_six),
        Err(VerifyError::Length {
            curve: Curve::Ed25519,
            actual: 96
        })
    );
}

#[test]
fn tz5_signatures_are_not_verified() {
    let key = PublicKey::from_raw(Curve::MlDsa, &[7; 1312]).unwrap();
    let signature = Signature::from_raw(vec![7; 2420]).unwrap();
    assert_eq!(
        verify(&key, Scheme::Standard, MESSAGE, &signature),
        Err(VerifyError::Unsupported {
            curve: Curve::MlDsa
        })
    );
}

#[test]
fn the_infinite_bls_signature_is_refused() {
    let infinity = Signature::from_raw([&[0xc0][..], &[0; 95]].concat()).unwrap();
    assert_eq!(
        verify(
            secret(Curve::Bls).public_key(),
            Scheme::Pop,
            MESSAGE,
            &infinity
        ),
        Err(VerifyError::Invalid { curve: Curve::Bls })
    );
}

#[test]
fn possession_is_proved_for_the_own_key_or_for_the_named_one() {
    let key = secret(Curve::Bls);
    let other = SecretKey::from_seed(Curve::Bls, &[9; 32]).unwrap();
    let own = key.prove_possession(None);
    let named = key.prove_possession(Some(other.public_key()));
    assert_eq!(verify_possession(key.public_key(), None, &own), Ok(()));
    assert_eq!(
        verify_possession(key.public_key(), Some(other.public_key()), &named),
        Ok(())
    );
    assert!(verify_possession(key.public_key(), None, &named).is_err());
    assert!(verify_possession(other.public_key(), None, &own).is_err());
    // A proof must not double as a signature over the same bytes.
    assert!(verify(key.public_key(), Scheme::Pop, key.public_key().raw(), &own).is_err());
}

#[test]
fn only_tz4_keys_have_proofs_of_possession() {
    let tz1 = secret(Curve::Ed25519);
    let tz4 = secret(Curve::Bls);
    let void = tz1.prove_possession(None);
    let unsupported = Err(VerifyError::Unsupported {
        curve: Curve::Ed25519,
    });
    assert_eq!(
        verify_possession(tz1.public_key(), None, &void),
        unsupported
    );
    assert_eq!(
        verify_possession(tz4.public_key(), Some(tz1.public_key()), &void),
        unsupported
    );
    assert!(
        verify(
            tz1.public_key(),
            Scheme::Standard,
            tz1.public_key().raw(),
            &void
        )
        .is_err()
    );
}

#[test]
fn well_known_secret_keys_have_their_well_known_addresses() {
    let cases = [
        (
            "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh",
            "edpkuBknW28nW72KG6RoHtYW7p12T6GKc7nAbwYX5m8Wd9sDVC9yav",
            "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx",
        ),
        (
            "edsk3QoqBuvdamxouPhin7swCvkQNgq4jP5KZPbwWNnwdZpSpJiEbq",
            "edpkvGfYw3LyB1UcCahKQk4rF2tvbMUk8GFiTuMjL75uGXrpvKXhjn",
            "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb",
        ),
        (
            "BLsk2rrqeqLp7ujt4NSCG8W6xDMFDBm6QHoTabeSQ4HjPDewaX4F6k",
            "BLpk1wdBzZKshyhkdge3cXvWdTWhCWDsih8X1pbEdvjTapd1PvsESzTjMTwNWpephX8wyhshSFCp",
            "tz4F2fxv7sKQx9wyoRMteoJwZEZnV9WFU2wL",
        ),
    ];
    for (text, public, hash) in cases {
        let key: SecretKey = text.parse().unwrap();
        assert_eq!(key.public_key().to_string(), public);
        assert_eq!(key.public_key().hash().to_string(), hash);
        assert_eq!(format!("{key:?}"), format!("SecretKey(of {hash})"));
    }
}

#[test]
fn the_long_form_of_a_tz1_key_must_hold_its_own_public_key() {
    const LONG: Kind = Kind::new(&[0x2b, 0xf6, 0x4e, 0x07], 64);
    let key = secret(Curve::Ed25519);
    let seed = [Curve::Ed25519.tag().saturating_add(1); 32];
    let long = base58::encode(LONG, &[&seed[..], key.public_key().raw()].concat());
    assert_eq!(
        long.parse::<SecretKey>().unwrap().public_key(),
        key.public_key()
    );
    let swapped = base58::encode(LONG, &[&seed[..], &[7; 32]].concat());
    let invalid = SecretKeyError::Invalid {
        curve: Curve::Ed25519,
    };
    assert_eq!(swapped.parse::<SecretKey>().unwrap_err(), invalid);
}

#[test]
fn scalars_out_of_range_are_no_secret_keys() {
    let cases = [
        (Kind::new(&[0x11, 0xa2, 0xe0, 0xc9], 32), Curve::Secp256k1),
        (Kind::new(&[0x10, 0x51, 0xee, 0xbd], 32), Curve::P256),
        (Kind::new(&[0x03, 0x96, 0xc0, 0x28], 32), Curve::Bls),
    ];
    for (kind, curve) in cases {
        for body in [[0; 32], [0xff; 32]] {
            let parsed = base58::encode(kind, &body).parse::<SecretKey>();
            assert_eq!(parsed.unwrap_err(), SecretKeyError::Invalid { curve });
        }
        let key: SecretKey = base58::encode(kind, &[0x42; 32]).parse().unwrap();
        assert_eq!(key.public_key().curve(), curve);
    }
}

#[test]
fn encrypted_and_damaged_secret_keys_are_refused() {
    assert!(
        "edesk1zkfmYzqFyGa6X8cCVnzaJJPBbTE9bJ8nJBQnGzzBzzzzzzzzzzzz"
            .parse::<SecretKey>()
            .is_err()
    );
    assert!(
        "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsi"
            .parse::<SecretKey>()
            .is_err()
    );
    assert!(
        "edpkvGfYw3LyB1UcCahKQk4rF2tvbMUk8GFiTuMjL75uGXrpvKXhjn"
            .parse::<SecretKey>()
            .is_err()
    );
    assert_eq!(
        SecretKey::from_seed(Curve::MlDsa, &[1; 32]).unwrap_err(),
        SecretKeyError::Unsupported {
            curve: Curve::MlDsa
        }
    );
}

#[test]
fn seeds_give_the_same_key_every_time_and_another_one_per_curve() {
    let mut seen = Vec::new();
    for curve in VERIFIABLE {
        for seed in [[0; 32], [1; 32], [0xff; 32]] {
            let hash = SecretKey::from_seed(curve, &seed)
                .unwrap()
                .public_key()
                .hash();
            assert_eq!(
                SecretKey::from_seed(curve, &seed)
                    .unwrap()
                    .public_key()
                    .hash(),
                hash
            );
            assert!(!seen.contains(&hash));
            seen.push(hash);
        }
    }
}

#[test]
fn request_versions_map_to_schemes() {
    for version in [None, Some(0), Some(1), Some(2), Some(3)] {
        assert_eq!(
            Scheme::for_request(Curve::P256, version),
            Some(Scheme::Standard)
        );
    }
    let bls = |version| Scheme::for_request(Curve::Bls, version);
    assert_eq!(bls(Some(0)), None);
    assert_eq!(bls(Some(1)), Some(Scheme::Aug));
    assert_eq!(
        [bls(None), bls(Some(2)), bls(Some(3))],
        [Some(Scheme::Pop); 3]
    );
}

#[test]
fn scheme_codes_are_stable() {
    assert_eq!(Scheme::ALL.map(Scheme::code), [1, 2, 3]);
    for scheme in Scheme::ALL {
        assert_eq!(Scheme::from_code(scheme.code()), Some(scheme));
    }
    assert_eq!(Scheme::from_code(0), None);
}
