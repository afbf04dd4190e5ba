//! `[[key]]`, `[[chain]]` and `auth.authorized-keys`.

use super::{REST, lines_of, read};
use crate::tezos::{Curve, PublicKeyHash, SecretKey};

const HASH: &str = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx";
const PUBLIC: &str = "edpkuBknW28nW72KG6RoHtYW7p12T6GKc7nAbwYX5m8Wd9sDVC9yav";

fn found(text: &str) -> Vec<String> {
    lines_of(&read(&format!("{text}\n{REST}")))
}

/// Hash and public key of some key of a curve.
fn some_key(curve: Curve) -> (String, String) {
    let secret = SecretKey::from_seed(curve, &[7; 32]).unwrap();
    let key = secret.public_key();
    (key.hash().to_string(), key.to_string())
}

#[test]
fn a_public_key_must_hash_to_its_hash() {
    let (other_hash, other) = some_key(Curve::Ed25519);
    assert_eq!(
        found(&format!(
            "[[key]]\nhash = \"{HASH}\"\npublic-key = \"{other}\""
        )),
        [format!(
            "t:3: key[0].public-key = \"{other}\": hashes to {other_hash}, not to {HASH}; \
             write the public key of this hash, or leave it out: it is learnt from a signer"
        )]
    );
    assert!(
        found(&format!(
            "[[key]]\nhash = \"{HASH}\"\npublic-key = \"{PUBLIC}\""
        ))
        .is_empty()
    );
}

#[test]
fn a_public_key_of_another_curve_says_so() {
    let (_, other) = some_key(Curve::Bls);
    let found = found(&format!(
        "[[key]]\nhash = \"{HASH}\"\npublic-key = \"{other}\""
    ));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("is a tz4 key, the hash is of a tz1 key; "),
        "{found:?}"
    );
}

#[test]
fn keys_of_every_curve_are_accepted_with_their_default() {
    for curve in [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls] {
        let (hash, public) = some_key(curve);
        let text = format!("[[key]]\nhash = \"{hash}\"\npublic-key = \"{public}\"\n{REST}");
        let settings = read(&text).unwrap().settings;
        let expected = matches!(curve, Curve::Ed25519 | Curve::Bls);
        assert_eq!(settings.keys[0].deterministic, expected, "{}", curve.name());
    }
}

#[test]
fn keys_of_the_newest_curve_do_not_stop_the_start() {
    let tagged: Vec<u8> = std::iter::once(Curve::MlDsa.tag()).chain([9; 20]).collect();
    let hash = PublicKeyHash::from_tagged(&tagged).unwrap();
    let settings = read(&format!("[[key]]\nhash = \"{hash}\"\n{REST}"))
        .unwrap()
        .settings;
    assert_eq!(settings.keys[0].hash, hash);
    assert!(!settings.keys[0].deterministic);
}

#[test]
fn mistyped_base58_says_what_is_wrong() {
    let mistyped = HASH.replace("KqT", "KqU");
    let found_hash = found(&format!("[[key]]\nhash = \"{mistyped}\""));
    assert_eq!(found_hash.len(), 1);
    assert!(
        found_hash[0].contains("checksum does not match"),
        "{found_hash:?}"
    );
    for (text, key) in [
        (format!("[[key]]\nhash = \"{PUBLIC}\""), "key[0].hash"),
        (
            format!("[auth]\nauthorized-keys = [\"{HASH}\"]"),
            "auth.authorized-keys[0]",
        ),
        (format!("[[chain]]\nid = \"{HASH}\""), "chain[0].id"),
        ("[[chain]]\nid = \"0OIl\"".to_owned(), "chain[0].id"),
    ] {
        let found = found(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("t:2: {key} = ")), "{found:?}");
    }
}

#[test]
fn a_secret_key_is_refused_and_never_repeated() {
    let secret = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";
    for text in [
        format!("[[key]]\nhash = \"{HASH}\"\npublic-key = \"{secret}\""),
        format!("[auth]\nauthorized-keys = [\"unencrypted:{secret}\"]"),
    ] {
        let found = found(&text);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("is a secret key, which does not belong here"));
        assert!(!found[0].contains("3gUfUPy"), "{found:?}");
    }
}

#[test]
fn what_is_listed_twice_is_refused() {
    let key = format!("[[key]]\nhash = \"{HASH}\"\n");
    let chain = "[[chain]]\nid = \"NetXdQprcVkpaWU\"\n";
    let cases = [
        (
            format!("{key}{key}"),
            format!(
                "t:4: key[1].hash = \"{HASH}\": the same as key[0].hash; write one [[key]] for it"
            ),
        ),
        (
            format!("{chain}{chain}"),
            "t:4: chain[1].id = \"NetXdQprcVkpaWU\": the same as chain[0].id; \
             write one [[chain]] for it"
                .to_owned(),
        ),
        (
            format!("\nauth.authorized-keys = [\"{PUBLIC}\", \"{PUBLIC}\"]"),
            format!(
                "t:2: auth.authorized-keys[1] = \"{PUBLIC}\": the same as \
                 auth.authorized-keys[0]; list it once"
            ),
        ),
        (
            format!("{key}allow = [\"block\", \"block\"]"),
            "t:3: key[0].allow[1] = \"block\": the same as key[0].allow[0]; list it once"
                .to_owned(),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(found(&text), [expected]);
    }
}

#[test]
fn allow_takes_the_words_of_the_manual() {
    let allow = |words: &str| {
        let text = format!("[[key]]\nhash = \"{HASH}\"\nallow = [{words}]\n{REST}");
        read(&text).map(|loaded| loaded.settings.keys[0].allow.clone())
    };
    let all = allow(
        "\"legacy-block\", \"legacy-endorsement\", \"block\", \"preattestation\", \
         \"attestation\", \"generic\", \"michelson\"",
    )
    .unwrap();
    assert_eq!(all.consensus.len(), 5);
    assert!(all.generic && all.michelson);
    let one = allow("\"attestation\"").unwrap();
    assert_eq!(one.consensus.len(), 1);
    assert!(!one.generic && !one.michelson);
    let report = allow("\"endorsement\"").unwrap_err().to_string();
    assert!(
        report.contains("key[0].allow[0] = \"endorsement\": not a known value; "),
        "{report}"
    );
    let report = allow("\"atestation\"").unwrap_err().to_string();
    assert!(
        report.ends_with("did you mean \"attestation\"?"),
        "{report}"
    );
}

#[test]
fn a_key_that_may_sign_nothing_is_a_warning() {
    let text = format!("[[key]]\nhash = \"{HASH}\"\nallow = []\n{REST}");
    let warnings = read(&text).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.key == "key[0].allow"));
}
