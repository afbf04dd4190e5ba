//! Routes: what does not matter changes nothing, and every spelling of a request is read as that request.
//!
//! The input is a request line without its version: method, blank, path and query.

use std::fmt::Write as _;

use signer_proxy::tezos::{Route, RouteError};

pub(crate) fn check(line: &[u8]) {
    let Ok(line) = std::str::from_utf8(line) else {
        return;
    };
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let route = Route::parse(method, path, query);
    what_does_not_matter(method, path, query, &route);
    match route {
        Ok(route) => every_spelling(method, &route),
        Err(error) => explained(&error),
    }
}

/// Slashes, a prefix, and arguments that nobody knows.
fn what_does_not_matter(
    method: &str,
    path: &str,
    query: Option<&str>,
    route: &Result<Route, RouteError>,
) {
    let slashes = format!("{}/", path.replace('/', "//"));
    assert_eq!(&Route::parse(method, &slashes, query), route);
    let prefixed = format!("/a/tenant/{path}");
    assert_eq!(&Route::parse(method, &prefixed, query), route);
    let more = format!("{}&unknown=1&versions=2", query.unwrap_or_default());
    assert_eq!(&Route::parse(method, path, Some(&more)), route);
}

/// The usual spelling, and one in which every character is percent-encoded.
fn every_spelling(method: &str, route: &Route) {
    for spell in [str::to_owned, percent_encoded] {
        let (verb, path, arguments) = spelled(route, spell);
        assert_eq!(method, verb);
        let query = arguments
            .iter()
            .map(|(name, value)| format!("{}={}", spell(name), spell(value)))
            .collect::<Vec<_>>();
        let joined = query.join("&");
        assert_eq!(Route::parse(verb, &path, Some(&joined)).as_ref(), Ok(route));
        // The same argument once more is a contradiction, even with the same value.
        for argument in &query {
            let twice = format!("{joined}&{argument}");
            let refused = Route::parse(verb, &path, Some(&twice));
            assert!(matches!(refused, Err(RouteError::Malformed { .. })));
        }
    }
}

type Arguments = Vec<(&'static str, String)>;

fn spelled(route: &Route, spell: impl Fn(&str) -> String) -> (&'static str, String, Arguments) {
    let of_key = |service: &str, key: &str| format!("/{}/{}", spell(service), spell(key));
    match route {
        Route::AuthorizedKeys => ("GET", format!("/{}", spell("authorized_keys")), vec![]),
        Route::KnownKeys => ("GET", format!("/{}", spell("known_keys")), vec![]),
        Route::PublicKey(key) => ("GET", of_key("keys", &key.to_string()), vec![]),
        Route::ProvePossession { key, subject } => {
            let subject = subject.iter().map(|key| ("bls_pk", key.to_string()));
            let path = of_key("bls_prove_possession", &key.to_string());
            ("GET", path, subject.collect())
        }
        Route::Sign {
            key,
            authentication,
            version,
        } => {
            let signature = authentication.iter();
            let signature = signature.map(|it| ("authentication", it.encode_generic()));
            let version = version.iter().map(|it| ("version", it.to_string()));
            let path = of_key("keys", &key.to_string());
            ("POST", path, signature.chain(version).collect())
        }
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut spelled, byte| {
        write!(spelled, "%{byte:02x}").unwrap();
        spelled
    })
}

/// An excerpt in an error is shown escaped and is short.
fn explained(error: &RouteError) {
    let text = error.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
    match error {
        RouteError::Malformed { value, .. } => assert!(value.chars().count() <= 80),
        RouteError::NotFound | RouteError::MethodNotAllowed { .. } => {}
    }
}
