//! Requests as bakers, browsers and mistaken people send them.

use proptest::prelude::*;

use super::*;
use crate::tezos::key::Curve;

const TZ1: &str = "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb";

fn tz1() -> PublicKeyHash {
    TZ1.parse().unwrap()
}

fn get(path: &str) -> Result<Route, RouteError> {
    Route::parse("GET", path, None)
}

fn post(query: &str) -> Result<Route, RouteError> {
    Route::parse("POST", &format!("/keys/{TZ1}"), Some(query))
}

fn is_malformed(result: &Result<Route, RouteError>, blamed: &str) -> bool {
    matches!(result, Err(RouteError::Malformed { field, .. }) if *field == blamed)
}

#[test]
fn every_request_of_the_protocol_has_a_route() {
    let sign = Route::Sign {
        key: tz1(),
        authentication: None,
        version: None,
    };
    let possession = Route::ProvePossession {
        key: tz1(),
        subject: None,
    };
    assert_eq!(get("/authorized_keys"), Ok(Route::AuthorizedKeys));
    assert_eq!(get("/known_keys"), Ok(Route::KnownKeys));
    assert_eq!(get(&format!("/keys/{TZ1}")), Ok(Route::PublicKey(tz1())));
    assert_eq!(get(&format!("/bls_prove_possession/{TZ1}")), Ok(possession));
    assert_eq!(
        Route::parse("POST", &format!("/keys/{TZ1}"), None),
        Ok(sign)
    );
}

#[test]
fn slashes_prefixes_and_encoding_do_not_matter() {
    let paths = [
        format!("//keys/{TZ1}"),
        format!("/keys//{TZ1}/"),
        format!("/some/prefix/keys/{TZ1}"),
        format!("/a%zz/keys/{TZ1}"),
        format!("/%6beys/%74{}", TZ1.strip_prefix('t').unwrap()),
        format!("keys/{TZ1}"),
    ];
    for path in paths {
        assert_eq!(get(&path), Ok(Route::PublicKey(tz1())), "{path}");
    }
    assert_eq!(get("/prefix//authorized_keys/"), Ok(Route::AuthorizedKeys));
}

#[test]
fn hashes_of_every_curve_are_accepted() {
    for curve in Curve::ALL {
        let hash = PublicKeyHash::new(curve, [7; 20]);
        assert_eq!(get(&format!("/keys/{hash}")), Ok(Route::PublicKey(hash)));
    }
}

#[test]
fn other_paths_are_not_found() {
    for path in [
        "",
        "/",
        "//",
        "/keys",
        "/keys/",
        "/authorized_keys/x",
        "/Keys/x",
        "/metrics",
        "/key/x",
    ] {
        assert_eq!(get(path), Err(RouteError::NotFound), "{path}");
    }
}

#[test]
fn other_methods_are_named_with_those_that_work() {
    let get_only = Err(RouteError::MethodNotAllowed { allow: "GET" });
    let both = Err(RouteError::MethodNotAllowed { allow: "GET, POST" });
    for method in ["POST", "HEAD", "PUT", "get", ""] {
        assert_eq!(Route::parse(method, "/authorized_keys", None), get_only);
        assert_eq!(Route::parse(method, "/known_keys", None), get_only);
        assert_eq!(
            Route::parse(method, &format!("/bls_prove_possession/{TZ1}"), None),
            get_only
        );
    }
    for method in ["DELETE", "HEAD", "OPTIONS", "post"] {
        assert_eq!(Route::parse(method, &format!("/keys/{TZ1}"), None), both);
    }
}

#[test]
fn a_bad_hash_is_malformed() {
    for bad in [
        "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjc",
        "tz9x",
        "alice",
        "tz1%2f",
        "%ff",
    ] {
        let results = [
            get(&format!("/keys/{bad}")),
            Route::parse("POST", &format!("/keys/{bad}"), None),
            get(&format!("/bls_prove_possession/{bad}")),
        ];
        for result in results {
            assert!(
                matches!(result, Err(RouteError::Malformed { .. })),
                "{bad}: {result:?}"
            );
        }
    }
}

#[test]
fn versions_are_one_digit_up_to_three() {
    for (text, expected) in [("0", 0), ("1", 1), ("2", 2), ("3", 3), ("%33", 3)] {
        let sign = Route::Sign {
            key: tz1(),
            authentication: None,
            version: Some(expected),
        };
        assert_eq!(post(&format!("version={text}")), Ok(sign));
    }
    for text in [
        "", "4", "9", "-1", "+1", "01", "0x1", "two", "1.0", "%", "256",
    ] {
        assert!(
            is_malformed(&post(&format!("version={text}")), "version"),
            "{text}"
        );
    }
    assert!(is_malformed(&post("version"), "version"));
}

#[test]
fn authentication_is_a_signature_in_any_text_form() {
    let signature = Signature::from_raw(vec![7; 64]).unwrap();
    let sign = Route::Sign {
        key: tz1(),
        authentication: Some(signature.clone()),
        version: Some(2),
    };
    for text in [
        signature.encode(Curve::Ed25519),
        signature.encode(Curve::P256),
        signature.encode_generic(),
    ] {
        assert_eq!(
            post(&format!("authentication={text}&version=2")),
            Ok(sign.clone())
        );
    }
    for text in ["", "edsig", TZ1] {
        assert!(
            is_malformed(&post(&format!("authentication={text}")), "authentication"),
            "{text}"
        );
    }
}

#[test]
fn a_known_argument_may_be_given_once() {
    assert!(is_malformed(&post("version=1&version=1"), "version"));
    assert!(is_malformed(&post("version=1&%76ersion=2"), "version"));
}

#[test]
fn unknown_arguments_are_ignored() {
    let sign = Route::Sign {
        key: tz1(),
        authentication: None,
        version: Some(3),
    };
    for query in [
        "x=1&version=3",
        "version=3&x",
        "&&version=3&",
        "%zz=1&version=3",
        "Version=9&version=3",
        "bls_pk=x&version=3",
    ] {
        assert_eq!(post(query), Ok(sign.clone()), "{query}");
    }
    let path = format!("/keys/{TZ1}");
    assert_eq!(
        Route::parse("GET", &path, Some("version=99")),
        Ok(Route::PublicKey(tz1()))
    );
}

#[test]
fn the_subject_of_a_proof_is_a_public_key() {
    let subject = "BLpk1wdBzZKshyhkdge3cXvWdTWhCWDsih8X1pbEdvjTapd1PvsESzTjMTwNWpephX8wyhshSFCp";
    let path = format!("/bls_prove_possession/{TZ1}");
    let parse = |query: &str| Route::parse("GET", &path, Some(query));
    assert_eq!(
        parse(&format!("bls_pk={subject}")),
        Ok(Route::ProvePossession {
            key: tz1(),
            subject: Some(subject.parse().unwrap())
        })
    );
    assert!(is_malformed(&parse("bls_pk=BLpk1"), "bls_pk"));
    assert!(is_malformed(
        &parse(&format!("bls_pk={subject}&bls_pk={subject}")),
        "bls_pk"
    ));
}

#[test]
fn refused_values_are_quoted_and_cut() {
    let error = get(&format!("/keys/{}", "\u{7}".repeat(500))).unwrap_err();
    let RouteError::Malformed { value, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(value.len(), 80);
    assert!(!error.to_string().contains('\u{7}'));
}

proptest! {
    #[test]
    fn arbitrary_requests_never_panic(path in ".*", query in ".*", tail in "[%a-z0-9=&/]*") {
        for method in ["GET", "POST"] {
            drop(Route::parse(method, &path, Some(&query)));
            drop(Route::parse(method, &format!("/keys/{TZ1}/{tail}"), Some(&tail)));
            drop(Route::parse(method, &format!("/keys/{TZ1}"), Some(&tail)));
        }
    }
}
