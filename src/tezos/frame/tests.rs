//! Frames byte for byte, and what is refused.

use super::*;
use crate::tezos::key::{Curve, PublicKeyHash};
use crate::tezos::route::Route;
use crate::tezos::signature::Signature;
use crate::tezos::wire::{self, ErrorKind};

/// Base58 of the key that the frames below name.
const TZ1: &str = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx";
/// An attestation on a test network.
const VOTE: &str = "13ed9d217cfc81eee810737b04018acef4db74d056b79edc43e6be46cae7e4c217c22a82f01500120000518d\
                    0000000003e7ea1f67dbb0bb6cfa372cb092cd9cf786b4f1b5e5139da95b915fb95e698d";
/// The same kind of vote for a tz4 key.
const TZ4_VOTE: &str = "137a06a7700e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a82900000533\
                        000000000000000000000000000000000000000000000000000000000000000000000000";

fn bytes(text: &str) -> Vec<u8> {
    let text: String = text.split_whitespace().collect();
    hex::decode(text).unwrap()
}

fn tz1() -> PublicKeyHash {
    TZ1.parse().unwrap()
}

fn tz4() -> PublicKeyHash {
    PublicKeyHash::from_tagged(&bytes("03fad261084d3e363c48b61d2ad617de8b798841ff")).unwrap()
}

fn sign(key: PublicKeyHash, version: Option<u8>) -> Route {
    Route::Sign {
        key,
        authentication: None,
        version,
    }
}

/// What the frame holds, both ways.
fn goes_both_ways(frame: &str, route: &Route, data: &[u8]) {
    let frame = bytes(frame);
    assert_eq!(
        framed(&encode_request(route, data).unwrap()).unwrap(),
        frame
    );
    let read = decode_request(&frame[LENGTH_BYTES..]).unwrap();
    assert_eq!(read, Request::Route(route.clone(), data.to_vec()));
}

#[test]
fn requests_are_these_bytes() {
    goes_both_ways("0001 02", &Route::AuthorizedKeys, &[]);
    goes_both_ways("0001 06", &Route::KnownKeys, &[]);
    goes_both_ways(
        "0016 01 00 02298c03ed7d454a101eb7022bc95f7e5f41ac78",
        &Route::PublicKey(tz1()),
        &[],
    );
    let vote = bytes(VOTE);
    let frame = format!("006a 00 00 02298c03ed7d454a101eb7022bc95f7e5f41ac78 00000050 {VOTE}");
    goes_both_ways(&frame, &sign(tz1(), None), &vote);
    let vote = bytes(TZ4_VOTE);
    let frame =
        format!("006a 00 03 03 fad261084d3e363c48b61d2ad617de8b798841ff 02 0000004e {TZ4_VOTE}");
    goes_both_ways(&frame, &sign(tz4(), Some(2)), &vote);
    goes_both_ways(
        "0017 07 03 fad261084d3e363c48b61d2ad617de8b798841ff 00",
        &Route::ProvePossession {
            key: tz4(),
            subject: None,
        },
        &[],
    );
}

#[test]
fn a_baker_may_name_version_3_and_signers_are_asked_for_the_same_scheme_by_its_old_number() {
    let vote = bytes(TZ4_VOTE);
    let frame = format!("00 03 03 fad261084d3e363c48b61d2ad617de8b798841ff 03 0000004e {TZ4_VOTE}");
    let read = decode_request(&bytes(&frame)).unwrap();
    assert_eq!(read, Request::Route(sign(tz4(), Some(3)), vote.clone()));
    for (version, sent) in [(None, 2), (Some(3), 2), (Some(2), 2), (Some(1), 1)] {
        let message = encode_request(&sign(tz4(), version), &vote).unwrap();
        assert_eq!(message[23], sent);
    }
}

#[test]
fn an_authentication_is_what_is_left_over() {
    for length in [64, 96] {
        let route = Route::Sign {
            key: tz1(),
            authentication: Some(Signature::from_raw(vec![7; length]).unwrap()),
            version: None,
        };
        let message = encode_request(&route, &[0x11; 5]).unwrap();
        let read = decode_request(&message).unwrap();
        assert_eq!(read, Request::Route(route, vec![0x11; 5]));
    }
    let mut message = encode_request(&sign(tz1(), None), &[0x11; 5]).unwrap();
    message.push(0);
    let error = decode_request(&message).unwrap_err().to_string();
    assert_eq!(
        error,
        "authentication: 1 bytes long instead of 64, 96 or 2420"
    );
}

#[test]
fn requests_about_nonces_are_known() {
    let key = "00 02298c03ed7d454a101eb7022bc95f7e5f41ac78";
    for tag in ["03", "04"] {
        let request = bytes(&format!("{tag} {key} 00000002 abcd"));
        assert_eq!(decode_request(&request), Ok(Request::Nonce(tz1())));
    }
    let request = bytes(&format!("05 {key}"));
    assert_eq!(decode_request(&request), Ok(Request::SupportsNonces(tz1())));
    assert_eq!(supports_nonces_reply(), [0, 0]);
}

#[test]
fn what_is_not_one_request_is_refused_in_words() {
    let key = "00 02298c03ed7d454a101eb7022bc95f7e5f41ac78";
    let tz4 = "fad261084d3e363c48b61d2ad617de8b798841ff";
    let table = [
        (String::new(), "ends within request"),
        ("08".to_owned(), "request tag: 8 is none of 0 to 7"),
        ("02 00".to_owned(), "1 bytes are left over"),
        ("01 00 02298c".to_owned(), "ends within public key hash"),
        (
            format!("01 05 {tz4}"),
            "public key hash: unknown curve tag 5",
        ),
        (format!("00 {key} 0000"), "ends within data"),
        (format!("00 {key} 00000003 abcd"), "ends within data"),
        (format!("00 {key} ffffffff abcd"), "ends within data"),
        (
            format!("00 03 {tz4} 00000001 11"),
            "public key hash: unknown curve tag 250",
        ),
        (
            format!("00 03 00 {tz4} 02 00000001 11"),
            "public key hash: a tz4 key is wrapped as Octez does since v23: tag, hash, version",
        ),
        (
            format!("00 03 03 {tz4} 04 00000001 11"),
            "version: 4 is not from 0 to 3",
        ),
        (
            format!("00 03 03 {tz4} ff 00000001 11"),
            "version: -1 is not from 0 to 3",
        ),
        (
            format!("07 03 {tz4} 01"),
            "presence of a key: 0x01 instead of 0x00 or 0xff",
        ),
        (
            format!("07 03 {tz4} ff 00"),
            "public key: 1 bytes long instead of 48",
        ),
        (format!("03 {key} 00000009 ab"), "ends within data"),
    ];
    for (message, expected) in table {
        let error = decode_request(&bytes(&message)).unwrap_err();
        assert_eq!(error.to_string(), expected, "{message}");
    }
}

#[test]
fn replies_are_these_bytes() {
    let none = wire::authorized_keys_body(None);
    let one = wire::authorized_keys_body(Some(&[tz1()]));
    let listed = "00 01 00000015 00 02298c03ed7d454a101eb7022bc95f7e5f41ac78";
    let signature = Signature::from_raw(vec![0xab; 64]).unwrap();
    let signed = wire::signature_body(&signature.encode(Curve::Ed25519));
    let known = wire::known_keys_body(&[tz1()]);
    let table = [
        (Route::AuthorizedKeys, none, "00 00".to_owned()),
        (Route::AuthorizedKeys, one, listed.to_owned()),
        (sign(tz1(), None), signed, format!("00 {}", "ab".repeat(64))),
        (
            Route::KnownKeys,
            known,
            "00 00000015 00 02298c03ed7d454a101eb7022bc95f7e5f41ac78".to_owned(),
        ),
    ];
    for (route, body, reply) in table {
        let reply = bytes(&reply);
        assert_eq!(
            reply_from_body(&route, true, body.as_bytes()).unwrap(),
            reply
        );
        assert_eq!(body_from_reply(&route, &reply), Ok((true, body)));
    }
}

#[test]
fn public_keys_of_every_curve_and_proofs_go_both_ways() {
    for curve in [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls] {
        let secret = crate::fixture::secret(curve, 1);
        let key = secret.public_key().clone();
        let (route, body) = (Route::PublicKey(key.hash()), wire::public_key_body(&key));
        let reply = reply_from_body(&route, true, body.as_bytes()).unwrap();
        assert_eq!(reply[..2], [0, curve.tag()]);
        assert_eq!(reply[2..], *key.raw());
        assert_eq!(body_from_reply(&route, &reply), Ok((true, body)));
    }
    let route = Route::ProvePossession {
        key: tz4(),
        subject: None,
    };
    let proof = Signature::from_raw(vec![9; 96]).unwrap();
    let body = wire::possession_body(&proof.encode(Curve::Bls));
    let reply = reply_from_body(&route, true, body.as_bytes()).unwrap();
    assert_eq!(body_from_reply(&route, &reply), Ok((true, body)));
}

#[test]
fn an_error_is_these_bytes() {
    let reply = bytes(
        "01 00000052 0000004e 4e000000 02 6b696e6400 0a000000 74656d706f7261727900 02 696400 08000000 \
         6661696c75726500 02 6d736700 1c000000 6d6167696320627974652030783034206e6f7420616c6c6f77656400 00",
    );
    let words = "magic byte 0x04 not allowed";
    assert_eq!(error_reply(ErrorKind::Temporary, words), reply);
    let (good, body) = body_from_reply(&Route::AuthorizedKeys, &reply).unwrap();
    assert!(!good);
    assert_eq!(wire::decode_error(body.as_bytes()).unwrap(), words);
}

#[test]
fn whatever_a_signer_says_when_it_refuses_comes_through() {
    let table = [
        (
            r#"[{"kind":"permanent","id":"a","msg":"one"},{"kind":"permanent","id":"b","n":[1,-2.5,true,null,{"x":"y"}]}]"#,
            "one; b",
        ),
        ("no JSON at all", "no JSON at all"),
        ("", "refused without a word"),
        ("[]", "refused without a word"),
    ];
    for (body, words) in table {
        let reply = reply_from_body(&Route::AuthorizedKeys, false, body.as_bytes()).unwrap();
        let (good, body) = body_from_reply(&Route::AuthorizedKeys, &reply).unwrap();
        assert!(!good);
        assert_eq!(wire::decode_error(body.as_bytes()).unwrap(), words);
    }
    let long = wire::error_body(ErrorKind::Permanent, &"x".repeat(60_000));
    let reply = reply_from_body(&Route::AuthorizedKeys, false, long.as_bytes()).unwrap();
    assert!(framed(&reply).is_ok());
}

#[test]
fn replies_that_are_none_are_refused() {
    let table = [
        ("", "ends within reply"),
        ("02", "reply tag: 2 is neither 0 nor 1"),
        ("00 02", "authorized keys: 2 is neither 0 nor 1"),
        ("00 00 00", "1 bytes are left over"),
        ("00 01 00000015 00", "ends within list of keys"),
        ("00 01 00000001 00", "ends within public key hash"),
        ("01 00000005 00000000", "ends within errors"),
        ("01 00000004 00000000 00", "1 bytes are left over"),
        ("01 00000004 00000000", "ends within a BSON document"),
        (
            "01 00000009 00000005 ffffffff 00",
            "BSON document: has a negative length",
        ),
        (
            "01 00000009 00000005 05000000 01",
            "BSON document: does not end with a zero byte",
        ),
        (
            "01 0000000c 00000008 08000000 99 6100 00",
            "BSON document: has an element of kind 0x99",
        ),
    ];
    for (reply, expected) in table {
        let error = body_from_reply(&Route::AuthorizedKeys, &bytes(reply)).unwrap_err();
        assert_eq!(error.to_string(), expected, "{reply}");
    }
    let reply = bytes("00 abcd");
    let error = body_from_reply(&sign(tz1(), None), &reply).unwrap_err();
    assert_eq!(
        error.to_string(),
        "signature: 2 bytes long instead of 64, 96 or 2420"
    );
}

#[test]
fn a_message_that_is_too_long_has_no_frame() {
    assert!(framed(&vec![0; MOST]).is_ok());
    assert!(framed(&vec![0; MOST + 1]).is_err());
}
