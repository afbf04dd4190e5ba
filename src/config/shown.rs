//! How a value of the file appears in a finding: short, on one line, and without secrets.
//!
//! Findings end up in terminals, logs and bug reports, so what could be a credential is cut out here,
//! once, before anything else sees it.

use toml::de::DeValue;

/// Characters of a value that are shown.
const MAX_SHOWN: usize = 80;

/// What unencrypted and encrypted Tezos secret keys start with.
const SECRET_PREFIXES: [&str; 8] = [
    "edsk", "spsk", "p2sk", "BLsk", "edesk", "spesk", "p2esk", "BLesk",
];

/// Whether a text looks like a Tezos secret key.
pub(super) fn is_secret(text: &str) -> bool {
    let text = text.trim();
    let text = text.strip_prefix("unencrypted:").unwrap_or(text);
    let text = text.strip_prefix("encrypted:").unwrap_or(text);
    SECRET_PREFIXES
        .iter()
        .any(|prefix| text.starts_with(prefix))
}

/// A text in quotes, control characters escaped.
pub(super) fn text(value: &str) -> String {
    if is_secret(value) {
        return "\"(secret key, not shown)\"".to_owned();
    }
    let safe = without_credentials(value);
    let mut short: String = safe.chars().take(MAX_SHOWN).collect();
    if short.len() < safe.len() {
        short.push_str("...");
    }
    format!("{short:?}")
}

/// A value of any type; arrays and tables only as what they are.
pub(super) fn value(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(string) => Some(text(string)),
        DeValue::Integer(integer) => Some(integer.to_string().chars().take(MAX_SHOWN).collect()),
        DeValue::Float(float) => Some(float.to_string().chars().take(MAX_SHOWN).collect()),
        DeValue::Boolean(boolean) => Some(boolean.to_string()),
        DeValue::Datetime(datetime) => Some(datetime.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// Parts of names that hold secrets in other programs; what is under them is not shown.
const SECRET_NAMES: [&str; 8] = [
    "auth",
    "credential",
    "mnemonic",
    "pass",
    "private",
    "secret",
    "signing",
    "token",
];

/// The value of a key that nobody knows, so that nobody knows either whether it is secret: its name decides.
pub(super) fn unknown(name: &str, found: &DeValue<'_>) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let shown = value(found)?;
    if SECRET_NAMES.iter().any(|part| name.contains(part)) {
        return Some("(not shown)".to_owned());
    }
    Some(shown)
}

/// Replaces user and password of a url, and its query, by three stars.
fn without_credentials(value: &str) -> String {
    let (scheme, rest) = match value.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), value),
    };
    let (start, query) = match rest.split_once('?') {
        Some((start, _)) if !scheme.is_empty() => (start, "?***"),
        Some(_) | None => (rest, ""),
    };
    match start.rsplit_once('@') {
        Some((user, host)) if !scheme.is_empty() || user.contains(':') => {
            format!("{scheme}***@{host}{query}")
        }
        Some(_) | None => format!("{scheme}{start}{query}"),
    }
}
