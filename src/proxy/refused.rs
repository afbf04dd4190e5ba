//! The log of answers that are no signature: one line for each, and no flood.
//!
//! What an operation ends with is said by `conclude` with its slot; here is what ends before one begins.
//! Lines of one code come at most once a second, and the next one counts those left out.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use tokio::time::Instant;

use super::error::ProxyError;
use super::requester::Requester;
use super::respond;

/// Least time between two lines of one code.
const PAUSE: Duration = Duration::from_secs(1);

/// Who asked for what.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) requester: Requester,
    pub(super) method: Method,
    pub(super) path: String,
}

/// The last line of a code.
#[derive(Clone, Copy, Debug)]
struct Said {
    at: Instant,
    suppressed: u64,
}

/// What was said of late, by code.
#[derive(Debug, Default)]
pub struct RefusalLog {
    said: Mutex<BTreeMap<&'static str, Said>>,
}

impl RefusalLog {
    /// Says that a request was refused, if its turn has come.
    pub(super) fn note(&self, asked: &Asked, error: &ProxyError) {
        let code = respond::outcome(error);
        let Asked {
            requester,
            method,
            path,
        } = asked;
        let baker = &requester.name;
        if *method != Method::POST || !is_for_the_operator(error) {
            tracing::debug!(baker, %method, path, code, %error, "request refused");
        } else if let Some(suppressed) = self.turn(code, Instant::now()) {
            tracing::warn!(baker, %method, path, code, %error, suppressed, "request refused");
        }
    }

    /// How many lines of this code were left out since the last one, or `None` if this one is too.
    fn turn(&self, code: &'static str, now: Instant) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match said.get_mut(code) {
            Some(said) if now.saturating_duration_since(said.at) < PAUSE => {
                said.suppressed = said.suppressed.saturating_add(1);
                None
            }
            Some(_) | None => {
                let now = Said {
                    at: now,
                    suppressed: 0,
                };
                let before = said.insert(code, now);
                Some(before.map_or(0, |before| before.suppressed))
            }
        }
    }
}

/// Whether an operator should read of it here: it keeps a baker from signing, and no other line says so.
pub(super) fn is_for_the_operator(error: &ProxyError) -> bool {
    match error {
        ProxyError::AuthenticationInvalid(_)
        | ProxyError::AuthenticationMissing(_)
        | ProxyError::AuthenticationUnconfigured(_)
        | ProxyError::ClientUnknown(_)
        | ProxyError::NoAnswer(_)
        | ProxyError::Overload
        | ProxyError::Policy(_)
        | ProxyError::TooMuch(_)
        | ProxyError::UnknownKey { .. } => true,
        // Said by `conclude`, with the slot.
        ProxyError::Attempts(_)
        | ProxyError::Claim { .. }
        | ProxyError::Record(_)
        // Anybody can send nonsense; it is no baker that fails to sign.
        | ProxyError::BodyTooLarge { .. }
        | ProxyError::Malformed(_)
        | ProxyError::MethodNotAllowed { .. }
        | ProxyError::NotFound => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::{key, logged};

    use super::*;

    fn asked(method: Method) -> Asked {
        Asked {
            requester: Requester {
                name: "127.0.0.1:1".to_owned(),
                ..Requester::over_http(None, &hyper::HeaderMap::new(), &[])
            },
            method,
            path: "/keys/tz1".to_owned(),
        }
    }

    fn words() -> String {
        "the words".to_owned()
    }

    #[test]
    fn a_sign_request_that_fails_before_it_begins_is_one_warning() {
        let unknown = ProxyError::UnknownKey {
            key: key(),
            reason: words(),
        };
        for (error, code) in [
            (ProxyError::AuthenticationInvalid(words()), "auth"),
            (ProxyError::AuthenticationMissing(words()), "auth"),
            (ProxyError::AuthenticationUnconfigured(words()), "auth"),
            (ProxyError::NoAnswer(words()), "no-signer"),
            (ProxyError::Overload, "overload"),
            (ProxyError::Policy(words()), "policy"),
            (unknown, "unknown-key"),
        ] {
            let lines = logged(|| RefusalLog::default().note(&asked(Method::POST), &error));
            assert_eq!(lines.len(), 1, "{error:?}");
            let line = &lines[0];
            assert!(line.starts_with("WARN request refused "), "{line}");
            assert!(line.contains(&format!("code=\"{code}\"")), "{line}");
            assert!(line.contains(&error.to_string()), "{line}");
        }
    }

    #[test]
    fn nonsense_and_metadata_are_no_warnings() {
        let log = RefusalLog::default();
        let lines = logged(|| {
            log.note(&asked(Method::POST), &ProxyError::BodyTooLarge { limit: 1 });
            log.note(&asked(Method::POST), &ProxyError::Malformed(words()));
            log.note(&asked(Method::POST), &ProxyError::NotFound);
            log.note(&asked(Method::GET), &ProxyError::Policy(words()));
        });
        assert_eq!(lines, [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_one_line_a_second_for_each_code_with_the_number_left_out() {
        let log = RefusalLog::default();
        let begun = Instant::now();
        let turn = |code, millis| log.turn(code, begun + Duration::from_millis(millis));
        assert_eq!(turn("auth", 0), Some(0));
        for millis in [0, 1, 500, 999] {
            assert_eq!(turn("auth", millis), None);
        }
        assert_eq!(turn("policy", 999), Some(0));
        assert_eq!(turn("auth", 1_000), Some(4));
        assert_eq!(turn("auth", 1_500), None);
        assert_eq!(turn("auth", 60_000), Some(1));
        assert_eq!(turn("auth", 61_000), Some(0));
    }
}
