//! Keys, hashes, signatures and chain ids: the program and the second reader agree on every text.
//!
//! The input is taken as a text, and as prefix and body of a value whose checksum is computed here: no
//! mutation would find a right one.

use signer_proxy::tezos::{
    ChainId, Curve, KeyError, PublicKey, PublicKeyHash, SecretKey, Signature,
};

use super::digits::{KINDS, read, write};

pub(crate) fn check(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        agree(text);
    }
    agree(&write(input));
    // And as the body of every kind that has this length, so that nothing depends on guessing a prefix.
    for kind in KINDS.into_iter().filter(|kind| kind.length == input.len()) {
        let text = write(&[kind.prefix, input].concat());
        assert!(text.starts_with(kind.name), "{text} is no {}", kind.name);
        assert_eq!(read(&text), Some((kind, input.to_vec())));
        agree(&text);
    }
}

fn agree(text: &str) {
    let expected = read(text);
    let expected = expected
        .as_ref()
        .map_or(("", &[][..]), |(kind, body)| (kind.name, &body[..]));
    hash(text, expected);
    key(text, expected);
    signature(text, expected);
    chain(text, expected);
    // Nothing is printed of a secret key, so that there is nothing to compare.
    drop(text.parse::<SecretKey>());
}

fn hash(text: &str, (name, body): (&str, &[u8])) {
    let hash = text.parse::<PublicKeyHash>();
    let curve = Curve::ALL.into_iter().find(|curve| curve.name() == name);
    assert_eq!(
        hash.as_ref().ok().map(PublicKeyHash::curve),
        curve,
        "{text}"
    );
    if let Ok(hash) = hash {
        assert_eq!(hash.bytes().as_slice(), body);
        assert_eq!(hash.to_string(), text);
        assert_eq!(PublicKeyHash::from_tagged(&hash.tagged()), Ok(hash));
    }
}

fn key(text: &str, (name, body): (&str, &[u8])) {
    let curve = match name {
        "edpk" => Some(Curve::Ed25519),
        "sppk" => Some(Curve::Secp256k1),
        "p2pk" => Some(Curve::P256),
        "BLpk" => Some(Curve::Bls),
        "mdpk" => Some(Curve::MlDsa),
        _ => None,
    };
    match (text.parse::<PublicKey>(), curve) {
        (Ok(key), Some(curve)) => {
            assert_eq!((key.curve(), key.raw()), (curve, body));
            assert_eq!(key.to_string(), text);
            assert_eq!(PublicKey::from_raw(curve, body), Ok(key));
        }
        // Most bytes are no point of the curve.
        (Err(KeyError::InvalidPoint { curve: of }), Some(curve)) => assert_eq!(of, curve),
        (Err(KeyError::Text { .. }), None) => {}
        (result, curve) => panic!("{text}: {result:?} for {curve:?}"),
    }
}

fn signature(text: &str, (name, body): (&str, &[u8])) {
    let curve = match name {
        "edsig" => Some(Some(Curve::Ed25519)),
        "spsig1" => Some(Some(Curve::Secp256k1)),
        "p2sig" => Some(Some(Curve::P256)),
        "BLsig" => Some(Some(Curve::Bls)),
        "mdsig" => Some(Some(Curve::MlDsa)),
        "sig" => Some(None),
        _ => None,
    };
    let parsed = Signature::parse(text).ok();
    assert_eq!(parsed.as_ref().map(|(_, curve)| *curve), curve, "{text}");
    let Some((signature, curve)) = parsed else {
        return;
    };
    assert_eq!(signature.raw(), body);
    let printed = curve.map_or_else(
        || signature.encode_generic(),
        |curve| signature.encode(curve),
    );
    assert_eq!(printed, text);
    let generic = signature.encode_generic();
    let again = Signature::parse(&generic).map(|(signature, _)| signature);
    assert_eq!(again, Ok(signature));
}

fn chain(text: &str, (name, body): (&str, &[u8])) {
    let chain = text.parse::<ChainId>().ok();
    let expected = (name == "Net").then_some(body);
    assert_eq!(
        chain.map(|chain| chain.bytes().to_vec()).as_deref(),
        expected
    );
    if let Some(chain) = chain {
        assert_eq!(chain.to_string(), text);
    }
}
