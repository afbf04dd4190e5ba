//! The bearer token of the admin port.

use std::path::Path;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Response, StatusCode};
use zeroize::Zeroizing;

/// Shorter ones could be guessed.
const LEAST: usize = 16;

/// A token. Never printed.
pub struct Token(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(...)")
    }
}

impl Token {
    /// Reads the first line of a file.
    ///
    /// # Errors
    /// It cannot be read, or is too short or no header could carry it. With the remedy.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map(Zeroizing::new);
        let text = text.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let token = text.lines().next().unwrap_or_default().trim();
        if token.len() < LEAST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{} has no token of at least {LEAST} visible characters; make one by: head -c 24 /dev/urandom | base64",
                file.display()
            ));
        }
        Ok(Self(Zeroizing::new(token.as_bytes().to_vec())))
    }

    /// The value of a header that shows it.
    #[must_use]
    pub fn header(&self) -> Option<HeaderValue> {
        let mut text = Zeroizing::new(b"Bearer ".to_vec());
        text.extend_from_slice(&self.0);
        let mut value = HeaderValue::from_bytes(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Whether a request shows it. Takes as long whatever it shows.
    pub(super) fn is_shown_by(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let shown = shown.and_then(|value| {
            let (scheme, token) = value.split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
        });
        shown.is_some_and(|shown| is_equal(shown, &self.0))
    }
}

fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let differs = |differs: u8, (a, b): (&u8, &u8)| differs | (a ^ b);
    one.len() == other.len() && one.iter().zip(other).fold(0, differs) == 0
}

/// The answer to who does not show it.
pub(super) fn unauthorized() -> Response<Full<Bytes>> {
    let mut answer = super::text(
        StatusCode::UNAUTHORIZED,
        "this port needs the token of admin.token-file\n",
    );
    answer
        .headers_mut()
        .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Token, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, text).unwrap();
        Token::read(&file)
    }

    #[test]
    fn only_the_very_token_opens() {
        let token = read("0123456789abcdef\nmore\n").unwrap();
        let shown = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            token.is_shown_by(&headers)
        };
        assert!(shown("Bearer 0123456789abcdef"));
        assert!(shown("bearer 0123456789abcdef"));
        for other in [
            "Bearer 0123456789abcdeF",
            "Bearer 0123456789abcde",
            "Basic 0123456789abcdef",
            "Bearer",
            "",
        ] {
            assert!(!shown(other), "{other}");
        }
        assert!(!token.is_shown_by(&HeaderMap::new()));
        assert!(token.header().unwrap().is_sensitive());
        assert_eq!(format!("{token:?}"), "Token(...)");
    }

    #[test]
    fn a_token_that_could_be_guessed_is_refused() {
        for text in ["", "short\n", "has some spaces in it\n"] {
            let error = read(text).unwrap_err();
            assert!(error.contains("no token of at least 16"), "{error}");
        }
    }
}
