//! What a key may sign.

use crate::fixture::{at, key, secret};
use crate::tezos::{ConsensusPayload, Curve, Payload};

use super::super::error::ProxyError;
use super::super::policy::{admit, is_deterministic};
use super::*;

fn consensus(kind: ConsensusKind, chain: ChainId) -> Payload {
    Payload::Consensus(ConsensusPayload {
        chain,
        kind,
        position: at(101, 2),
    })
}

fn on_mainnet(kind: ConsensusKind) -> Payload {
    consensus(kind, ChainId::MAINNET)
}

/// The sentence that forbids it, if one does.
fn forbidden(proxy: &Proxy, payload: &Payload) -> Option<String> {
    match admit(proxy, key(), payload) {
        Ok(_) => None,
        Err(ProxyError::Policy(sentence)) => Some(sentence),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn without_a_policy_blocks_and_votes_of_today_are_signed_and_nothing_else() {
    let (_folder, proxy) = proxy(Vec::new(), Vec::new());
    for kind in [
        ConsensusKind::Block,
        ConsensusKind::Preattestation,
        ConsensusKind::Attestation,
    ] {
        assert_eq!(forbidden(&proxy, &on_mainnet(kind)), None);
    }
    for kind in [ConsensusKind::LegacyBlock, ConsensusKind::LegacyEndorsement] {
        let sentence = format!(
            "{} may not sign {kind}s; add \"{kind}\" to its allow list",
            key()
        );
        assert_eq!(forbidden(&proxy, &on_mainnet(kind)), Some(sentence));
    }
    for (magic, word) in [(0x03, "generic"), (0x05, "michelson")] {
        let sentence = format!(
            "{} may not sign magic byte 0x{magic:02x}; add \"{word}\" to its allow list",
            key()
        );
        assert_eq!(forbidden(&proxy, &Payload::Other { magic }), Some(sentence));
    }
}

#[test]
fn a_policy_is_exactly_what_it_lists() {
    for allowed in ConsensusKind::ALL {
        let (_folder, proxy) = proxy(vec![policy_of(key(), &[allowed], false, false)], Vec::new());
        for kind in ConsensusKind::ALL {
            assert_eq!(
                forbidden(&proxy, &on_mainnet(kind)).is_none(),
                kind == allowed
            );
        }
        assert!(forbidden(&proxy, &Payload::Other { magic: 3 }).is_some());
    }
    for (generic, michelson) in [(true, false), (false, true)] {
        let (_folder, proxy) = proxy(vec![policy_of(key(), &[], generic, michelson)], Vec::new());
        assert_eq!(
            forbidden(&proxy, &Payload::Other { magic: 3 }).is_none(),
            generic
        );
        assert_eq!(
            forbidden(&proxy, &Payload::Other { magic: 5 }).is_none(),
            michelson
        );
        assert!(forbidden(&proxy, &on_mainnet(ConsensusKind::Block)).is_some());
    }
}

#[test]
fn other_magic_bytes_are_never_signed_whatever_the_policy_says() {
    let all = policy_of(key(), &ConsensusKind::ALL, true, true);
    let (_folder, proxy) = proxy(vec![all], Vec::new());
    for magic in (0..=u8::MAX).filter(|magic| ConsensusKind::from_code(*magic).is_none()) {
        let sentence = forbidden(&proxy, &Payload::Other { magic });
        match magic {
            0x03 | 0x05 => assert_eq!(sentence, None),
            _ => assert!(
                sentence
                    .unwrap()
                    .contains("is never signed through this proxy")
            ),
        }
    }
}

#[test]
fn a_chain_that_is_not_listed_is_named_with_the_remedy() {
    let (_folder, proxy) = proxy(Vec::new(), Vec::new());
    let elsewhere = ChainId::from_bytes([1, 2, 3, 4]);
    for kind in [ConsensusKind::Block, ConsensusKind::Attestation] {
        let sentence = format!("chain {elsewhere} is not listed; add it as [[chain]]");
        assert_eq!(
            forbidden(&proxy, &consensus(kind, elsewhere)),
            Some(sentence)
        );
    }
}

#[test]
fn a_key_that_is_not_listed_is_unknown_once_any_is() {
    let other = secret(Curve::Ed25519, 2).public_key().hash();
    let (_folder, proxy) = proxy(
        vec![policy_of(other, &ConsensusKind::ALL, true, true)],
        Vec::new(),
    );
    for payload in [
        on_mainnet(ConsensusKind::Block),
        Payload::Other { magic: 3 },
    ] {
        let refused = admit(&proxy, key(), &payload);
        assert!(
            matches!(&refused, Err(ProxyError::UnknownKey { key: asked, .. }) if *asked == key()),
            "{refused:?}"
        );
    }
}

#[test]
fn the_time_of_a_request_follows_its_kind_and_round() {
    let all = policy_of(key(), &ConsensusKind::ALL, true, true);
    let (_folder, proxy) = proxy(vec![all], Vec::new());
    let limit = |payload: Payload| {
        let admitted = admit(&proxy, key(), &payload).unwrap();
        admitted.limit(&payload, &proxy.deadline, None)
    };
    // Round 2 lasts 6 + 2 x 3 seconds, and votes have two thirds of it.
    assert_eq!(
        limit(on_mainnet(ConsensusKind::Block)),
        Duration::from_secs(12)
    );
    assert_eq!(
        limit(on_mainnet(ConsensusKind::Attestation)),
        Duration::from_secs(8)
    );
    assert_eq!(limit(Payload::Other { magic: 3 }), Duration::from_secs(17));
}

#[test]
fn determinism_is_the_curves_unless_the_policy_says_otherwise() {
    let (_folder, plain) = proxy(Vec::new(), Vec::new());
    let table = [
        (Curve::Ed25519, true),
        (Curve::Secp256k1, false),
        (Curve::P256, false),
        (Curve::Bls, true),
    ];
    for (curve, deterministic) in table {
        let hash = secret(curve, 1).public_key().hash();
        assert_eq!(is_deterministic(&plain, hash), deterministic);
        for says in [true, false] {
            let policy = Key {
                deterministic: says,
                ..policy_of(hash, &ConsensusKind::ALL, false, false)
            };
            let (_folder, listed) = proxy(vec![policy], Vec::new());
            assert_eq!(is_deterministic(&listed, hash), says);
        }
    }
}
