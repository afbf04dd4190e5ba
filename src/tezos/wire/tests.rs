//! Bodies as bakers and signers write them.

use proptest::prelude::*;

use super::*;
use crate::tezos::key::Curve;
use crate::tezos::signature::Signature;

const TZ1: &str = "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb";
const EDPK: &str = "edpkvGfYw3LyB1UcCahKQk4rF2tvbMUk8GFiTuMjL75uGXrpvKXhjn";

#[test]
fn a_sign_body_is_one_string_of_hex_in_either_case() {
    for body in [
        "\"13ed9d\"",
        " \"13ED9d\"\n",
        "\r\n\t\"13ed9D\" ",
        r#""\u0031\u0033ed9d""#,
    ] {
        assert_eq!(
            decode_sign_body(body.as_bytes()),
            Ok(vec![0x13, 0xed, 0x9d]),
            "{body}"
        );
    }
    assert_eq!(decode_sign_body(b"\"\""), Ok(vec![]));
    assert_eq!(
        decode_sign_body(sign_body(&[0x13, 0xed]).as_bytes()),
        Ok(vec![0x13, 0xed])
    );
    assert_eq!(sign_body(&[0x13, 0xed]), "\"13ed\"");
}

#[test]
fn any_other_sign_body_is_refused() {
    let bodies = [
        "",
        " ",
        "13ed",
        "\"13e\"",
        "\"0x13\"",
        "\"13 ed\"",
        "\"1g\"",
        "\"é1\"",
        "[\"13\"]",
        "{\"data\":\"13\"}",
        "null",
        "13",
        "\"13\" \"ed\"",
        "\"13\"x",
        "\"13",
    ];
    for body in bodies {
        assert!(decode_sign_body(body.as_bytes()).is_err(), "{body}");
    }
    assert!(decode_sign_body(&[b'"', 0xff, b'"']).is_err());
}

#[test]
fn answers_are_minified_and_end_with_a_newline() {
    let hash: PublicKeyHash = TZ1.parse().unwrap();
    assert_eq!(signature_body("edsigx"), "{\"signature\":\"edsigx\"}\n");
    assert_eq!(
        public_key_body(&EDPK.parse().unwrap()),
        format!("{{\"public_key\":\"{EDPK}\"}}\n")
    );
    assert_eq!(authorized_keys_body(None), "{}\n");
    assert_eq!(
        authorized_keys_body(Some(&[hash])),
        format!("{{\"authorized_keys\":[\"{TZ1}\"]}}\n")
    );
    assert_eq!(known_keys_body(&[]), "{\"known_keys\":[]}\n");
    assert_eq!(
        possession_body("BLsigx"),
        "{\"bls_prove_possession\":\"BLsigx\"}\n"
    );
}

#[test]
fn answers_read_back() {
    let hash: PublicKeyHash = TZ1.parse().unwrap();
    let key: PublicKey = EDPK.parse().unwrap();
    let signature = Signature::from_raw(vec![7; 96]).unwrap();
    let text = signature.encode(Curve::Bls);
    assert_eq!(
        decode_signature(signature_body(&text).as_bytes()),
        Ok(signature.clone())
    );
    assert_eq!(
        decode_possession(possession_body(&text).as_bytes()),
        Ok(signature)
    );
    assert_eq!(decode_public_key(public_key_body(&key).as_bytes()), Ok(key));
    assert_eq!(
        decode_known_keys(known_keys_body(&[hash]).as_bytes()),
        Ok(vec![hash])
    );
    let keys = authorized_keys_body(Some(&[hash]));
    assert_eq!(
        decode_authorized_keys(keys.as_bytes()),
        Ok(AuthorizedKeys::Keys(vec![hash]))
    );
    assert_eq!(
        decode_authorized_keys(b"{}"),
        Ok(AuthorizedKeys::NotRequired)
    );
}

#[test]
fn keys_of_unknown_curves_are_left_out_and_damage_is_not() {
    // A sound text whose prefix is not that of a key hash.
    let body = format!("{{\"authorized_keys\":[\"{TZ1}\",\"NetXdQprcVkpaWU\"]}}");
    let known = AuthorizedKeys::Keys(vec![TZ1.parse().unwrap()]);
    assert_eq!(decode_authorized_keys(body.as_bytes()), Ok(known));
    for bad in ["tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjc", "", "tz1"] {
        let body = format!("{{\"authorized_keys\":[\"{bad}\"]}}");
        assert!(decode_authorized_keys(body.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn an_object_of_something_else_does_not_mean_that_no_authentication_is_wanted() {
    for body in [
        "{\"status\":\"ok\"}",
        "[]",
        "[null]",
        "[[]]",
        "null",
        "\"\"",
        "",
        "<html></html>",
    ] {
        assert!(decode_authorized_keys(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn unknown_fields_of_other_answers_are_ignored() {
    let body = format!("{{\"public_key\":\"{EDPK}\",\"added\":1}}");
    assert_eq!(
        decode_public_key(body.as_bytes()),
        Ok(EDPK.parse().unwrap())
    );
    assert!(decode_public_key(b"{\"added\":1}").is_err());
    assert!(decode_public_key(format!("[\"{EDPK}\"]").as_bytes()).is_err());
}

#[test]
fn an_error_is_the_array_that_bakers_print() {
    assert_eq!(
        error_body(ErrorKind::Temporary, "[policy] \"x\"\n"),
        "[{\"kind\":\"temporary\",\"id\":\"failure\",\"msg\":\"[policy] \\\"x\\\"\\n\"}]\n"
    );
    let body = error_body(ErrorKind::Permanent, "magic byte 0x03 not allowed");
    assert_eq!(
        decode_error(body.as_bytes()).as_deref(),
        Some("magic byte 0x03 not allowed")
    );
}

#[test]
fn errors_of_signers_are_read_whatever_their_shape() {
    let cases = [
        (
            r#"[{"kind":"temporary","id":"failure","msg":"a"},{"msg":"b\nc"}]"#,
            Some("a; b c"),
        ),
        (
            r#"[{"kind":"temporary","id":"signer.ledger"}]"#,
            Some("signer.ledger"),
        ),
        (r#"{"error":"locked"}"#, Some("locked")),
        (r#"{"code":4}"#, Some(r#"{"code":4}"#)),
        ("\"text\"", Some("text")),
        ("<html>\r\n  503</html>", Some("<html> 503</html>")),
        ("502", Some("502")),
        ("[]", None),
        ("{}", None),
        ("", None),
        (" \n", None),
    ];
    for (body, expected) in cases {
        assert_eq!(decode_error(body.as_bytes()).as_deref(), expected, "{body}");
    }
}

#[test]
fn long_error_texts_are_cut_between_characters() {
    let text = decode_error("é".repeat(5000).as_bytes()).unwrap();
    assert_eq!(text.chars().count(), 403);
    assert!(text.ends_with("é..."));
}

proptest! {
    #[test]
    fn arbitrary_bodies_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let results = (
            decode_sign_body(&body),
            decode_authorized_keys(&body),
            decode_error(&body),
        );
        drop(results);
    }

    #[test]
    fn sign_bodies_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(decode_sign_body(sign_body(&bytes).as_bytes()), Ok(bytes));
    }
}
