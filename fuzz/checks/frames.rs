//! The socket protocol: what is read can be written and read again, and errors fit on a line.
//!
//! The first byte of the input chooses what the rest is: a request of a baker, or a signer's reply to one.

use signer_proxy::tezos::frame::{
    FrameError, Request, body_from_reply, decode_request, encode_request, framed, reply_from_body,
};
use signer_proxy::tezos::{Curve, PublicKeyHash, Route, decode_error};

/// Longest error of ours.
const LONGEST_COMPLAINT: usize = 400;

pub(crate) fn check(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else {
        return;
    };
    let key = |curve: Curve| {
        PublicKeyHash::from_tagged(&[&[curve.tag()][..], &[7; 20]].concat()).unwrap()
    };
    let route = match choice % 6 {
        0 => Route::AuthorizedKeys,
        1 => Route::KnownKeys,
        2 => Route::PublicKey(key(Curve::Ed25519)),
        3 => Route::ProvePossession {
            key: key(Curve::Bls),
            subject: None,
        },
        4 => Route::Sign {
            key: key(Curve::P256),
            authentication: None,
            version: None,
        },
        _ => return request(rest),
    };
    reply(&route, rest);
}

fn request(message: &[u8]) {
    match sound(decode_request(message)) {
        Some(Request::Route(route, bytes)) => {
            let again = encode_request(&route, &bytes).unwrap();
            assert!(framed(&again).is_ok() == (again.len() <= 65_535));
            let Some(Request::Route(read, same)) = sound(decode_request(&again)) else {
                panic!("{route:?} is not read again")
            };
            assert_eq!(same, bytes);
            assert_eq!(without_version(&read), without_version(&route));
            // Nothing of a request is lost but that 3 is asked for as 2.
            assert_eq!(again.len(), message.len());
        }
        Some(Request::Nonce(_) | Request::SupportsNonces(_)) | None => {}
    }
}

fn without_version(route: &Route) -> Route {
    match route.clone() {
        Route::Sign {
            key,
            authentication,
            version,
        } => Route::Sign {
            key,
            authentication,
            version: version.map(|version| version.min(2)),
        },
        other @ (Route::AuthorizedKeys
        | Route::KnownKeys
        | Route::PublicKey(_)
        | Route::ProvePossession { .. }) => other,
    }
}

fn reply(route: &Route, message: &[u8]) {
    let Some((good, body)) = sound(body_from_reply(route, message)) else {
        return;
    };
    serde_json_is(&body);
    let again = reply_from_body(route, good, body.as_bytes()).unwrap();
    let read = body_from_reply(route, &again).unwrap();
    if good {
        assert_eq!(read, (good, body));
    } else {
        assert!(!read.0);
        if let Some(words) = decode_error(body.as_bytes()) {
            assert_eq!(decode_error(read.1.as_bytes()), Some(words));
        }
    }
}

/// A body is JSON on one line.
fn serde_json_is(body: &str) {
    assert!(!body.trim_end().contains('\n'), "{body:?}");
    assert!(body.starts_with(['{', '[']), "{body:?}");
}

fn sound<T>(result: Result<T, FrameError>) -> Option<T> {
    if let Err(error) = &result {
        let text = error.to_string();
        assert!(!text.contains(char::is_control), "{text:?}");
        assert!(text.chars().count() <= LONGEST_COMPLAINT, "{text:?}");
    }
    result.ok()
}
