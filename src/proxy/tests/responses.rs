//! What each failure looks like to a baker.

use http_body_util::BodyExt as _;
use hyper::header::{ALLOW, CONTENT_TYPE};

use crate::fixture::{ask, at, key, second};
use crate::guard::{
    ClaimError, Refusal, SlotText, StoreError, StreamState, TooFar, Verdict, decide,
};
use crate::signer::{AttemptError, Sighting};
use crate::tezos::ErrorKind::{self, Permanent, Temporary};

use super::super::error::ProxyError;
use super::super::respond;
use super::*;

fn refused() -> ClaimError {
    let state = StreamState::with_floor(at(100, 0), second(1));
    match decide(None, Some(&state), &ask(at(99, 0), 1)) {
        Verdict::Refused(refusal) => refusal.into(),
        other @ (Verdict::Again { .. } | Verdict::Fresh | Verdict::Recorded(_)) => {
            panic!("{other:?}")
        }
    }
}

fn claim(cause: ClaimError) -> ProxyError {
    ProxyError::Claim {
        cause,
        remedy: String::new(),
    }
}

/// A failure with its status, code and kind.
type Row = (ProxyError, u16, &'static str, ErrorKind);

const WAITED: Duration = Duration::from_secs(4);

fn words() -> String {
    "words".to_owned()
}

/// What the baker sent is at fault.
fn of_the_request() -> Vec<Row> {
    let unknown = ProxyError::UnknownKey {
        key: key(),
        reason: words(),
    };
    let not_get = ProxyError::MethodNotAllowed { allow: "GET" };
    let too_large = ProxyError::BodyTooLarge { limit: 9 };
    vec![
        (
            ProxyError::AuthenticationInvalid(words()),
            403,
            "auth",
            Permanent,
        ),
        (
            ProxyError::AuthenticationMissing(words()),
            401,
            "auth",
            Permanent,
        ),
        (ProxyError::Malformed(words()), 400, "malformed", Permanent),
        (ProxyError::NotFound, 404, "malformed", Permanent),
        (ProxyError::Policy(words()), 403, "policy", Permanent),
        (not_get, 405, "malformed", Permanent),
        (too_large, 413, "malformed", Permanent),
        (unknown, 404, "unknown-key", Permanent),
    ]
}

/// The guard refused.
fn of_the_guard() -> Vec<Row> {
    let too_far = ClaimError::TooFar(TooFar {
        level: 9,
        base: 1,
        limit: 5,
    });
    let slot = ask(at(99, 0), 1).slot;
    let sighting = Sighting {
        slot,
        signer: "home-a".to_owned(),
        words: words(),
        at: second(1),
    };
    let withheld = Refusal::Stopped {
        slot: SlotText(slot),
        stop: at(98, 0).level,
    };
    vec![
        (claim(refused()), 409, "watermark", Permanent),
        (claim(too_far), 409, "watermark", Permanent),
        (
            ProxyError::Attempts(AttemptError::Foreign(Box::new(sighting))),
            409,
            "watermark",
            Permanent,
        ),
        (
            ProxyError::Record(StoreError::Withheld(withheld)),
            409,
            "watermark",
            Permanent,
        ),
    ]
}

/// Something behind the baker's port is not well.
fn of_what_is_behind() -> Vec<Row> {
    let unavailable = || StoreError::Unavailable(words());
    let no_signer = AttemptError::NoSigner {
        waited: WAITED,
        causes: words(),
    };
    let demands = AttemptError::Unauthenticated { causes: words() };
    vec![
        (
            ProxyError::AuthenticationUnconfigured(words()),
            403,
            "auth",
            Permanent,
        ),
        (ProxyError::NoAnswer(words()), 500, "no-signer", Temporary),
        (ProxyError::Overload, 502, "overload", Temporary),
        (
            ProxyError::Attempts(AttemptError::Shed),
            502,
            "overload",
            Temporary,
        ),
        (
            ProxyError::Attempts(AttemptError::Superseded { by: words() }),
            500,
            "deadline",
            Permanent,
        ),
        (
            ProxyError::Attempts(AttemptError::Dropped),
            500,
            "no-signer",
            Temporary,
        ),
        (ProxyError::Attempts(no_signer), 500, "no-signer", Temporary),
        (ProxyError::Attempts(demands), 401, "auth", Permanent),
        (ProxyError::Record(unavailable()), 500, "store", Temporary),
        (
            ProxyError::Record(StoreError::Homeless),
            500,
            "store",
            Temporary,
        ),
        (claim(unavailable().into()), 500, "store", Temporary),
        (
            ProxyError::Record(StoreError::Unknown(words())),
            500,
            "store",
            Temporary,
        ),
    ]
}

fn table() -> Vec<Row> {
    [of_the_request(), of_the_guard(), of_what_is_behind()].concat()
}

#[tokio::test]
async fn every_failure_has_its_status_and_an_octez_error_that_begins_with_its_code() {
    for (error, status, code, kind) in table() {
        let answer = respond::error(&error);
        assert_eq!(answer.status(), status, "{error:?}");
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(answer.headers().contains_key(ALLOW), status == 405);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let expected = serde_json::json!([{
            "kind": kind.name(),
            "id": "failure",
            "msg": format!("[{code}] {error}"),
        }]);
        assert_eq!(body, expected);
        assert_eq!(respond::outcome(&error), code);
    }
}

#[test]
fn only_refusals_of_the_guard_are_counted_as_such() {
    let reasons = |rows: Vec<Row>| -> Vec<_> {
        let reason = |row: &Row| respond::refusal_reason(&row.0);
        rows.iter().map(reason).collect()
    };
    assert_eq!(
        reasons(of_the_guard()),
        [
            Some("below-floor"),
            Some("too-far"),
            Some("foreign"),
            Some("stopped")
        ]
    );
    for rows in [of_the_request(), of_what_is_behind()] {
        assert!(reasons(rows).iter().all(Option::is_none));
    }
}

#[test]
fn no_failure_is_503_and_502_is_for_overload_alone() {
    for (error, ..) in table() {
        let status = respond::placed(&error).0.as_u16();
        assert_ne!(status, 503, "{error:?}");
        assert_eq!(
            status == 502,
            matches!(
                error,
                ProxyError::Overload | ProxyError::Attempts(AttemptError::Shed)
            ),
            "{error:?}"
        );
    }
}

#[test]
fn the_sentences_of_failures_say_how_long_was_waited_and_for_what() {
    let sentences: Vec<_> = table().into_iter().map(|row| row.0.to_string()).collect();
    for sentence in [
        "no signature within 4.0s: words",
        "the body is larger than 9 bytes",
        "this path answers GET only",
        "the signature could not be recorded and stays here: words",
    ] {
        assert!(
            sentences.iter().any(|other| other == sentence),
            "{sentence}"
        );
    }
}

#[tokio::test]
async fn a_good_answer_is_json_too() {
    let answer = respond::ok("{}".to_owned());
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "{}");
}
