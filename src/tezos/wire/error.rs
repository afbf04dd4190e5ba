//! Errors in the form that bakers print: a JSON array of objects.

use serde::Serialize;
use serde_json::Value;

use super::{print, shorten};

/// Longest error text taken over from a signer, in characters.
const MAX_MESSAGE: usize = 400;

/// Whether asking again could help, as the baker's log puts it. Bakers do not act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// It may work later.
    Temporary,
    /// It will not work with this request.
    Permanent,
}

impl ErrorKind {
    /// The word in the body.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Temporary => "temporary",
            Self::Permanent => "permanent",
        }
    }
}

/// The body of an error answer that says `msg`.
#[must_use]
pub fn error_body(kind: ErrorKind, msg: &str) -> String {
    #[derive(Serialize)]
    struct Entry<'a> {
        kind: &'static str,
        id: &'static str,
        msg: &'a str,
    }
    print(&[Entry {
        kind: kind.name(),
        id: "failure",
        msg,
    }])
}

/// What an error answer of a signer says, on one line and shortened, if it says anything.
///
/// From an array of errors the messages, else their identifiers; any other body as text.
#[must_use]
pub fn decode_error(body: &[u8]) -> Option<String> {
    let text = match serde_json::from_slice(body) {
        Ok(Value::Array(errors)) => errors
            .iter()
            .filter_map(message)
            .collect::<Vec<_>>()
            .join("; "),
        Ok(Value::Object(fields)) if fields.is_empty() => String::new(),
        Ok(error @ Value::Object(_)) => {
            message(&error).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())
        }
        Ok(Value::String(text)) => text,
        Ok(Value::Null) => String::new(),
        Ok(Value::Bool(_) | Value::Number(_)) | Err(_) => {
            String::from_utf8_lossy(body).into_owned()
        }
    };
    let text = shorten(&text, MAX_MESSAGE);
    if text.is_empty() { None } else { Some(text) }
}

fn message(error: &Value) -> Option<String> {
    if let Value::String(text) = error {
        return Some(text.clone());
    }
    ["msg", "message", "error", "id"]
        .into_iter()
        .find_map(|field| error.get(field).and_then(Value::as_str))
        .map(str::to_owned)
}
