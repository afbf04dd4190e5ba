//! Scalars of a table in the types that settings need.
//!
//! Each returns nothing when the key is absent or unusable; in the second case a finding says why.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::reader::{Located, Place};
use super::table::{Raw, Table, type_name};

/// Longest name of a signer or a path, in characters: it is a label in metrics and logs.
const MAX_LABEL: usize = 64;

impl<'t> Table<'_, 't> {
    /// A string.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Located<String>> {
        let raw = self.scalar(key)?;
        self.as_text(raw, "put it in quotes")
    }

    /// A list of strings.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<Located<String>>> {
        let elements = self.elements(key)?;
        let texts = elements.into_iter();
        Some(
            texts
                .filter_map(|raw| self.as_text(raw, "put it in quotes"))
                .collect(),
        )
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<Located<bool>> {
        let raw = self.scalar(key)?;
        let value = match &raw.value {
            Raw::File(value) => value.as_bool(),
            Raw::Variable(text) => text.parse().ok(),
        };
        if value.is_none() {
            self.not_a(&raw, "true or false", "write true or false, without quotes");
        }
        Some(raw.with(value?))
    }

    /// A whole number within a range.
    pub(super) fn integer<T>(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<T>,
    ) -> Option<Located<T>>
    where
        T: TryFrom<i128> + PartialOrd + Display,
    {
        let raw = self.scalar(key)?;
        let (start, end) = (range.start(), range.end());
        let remedy = format!("write a whole number from {start} to {end}, without quotes");
        let Some(value) = whole_number(&raw.value) else {
            self.not_a(&raw, "a whole number", &remedy);
            return None;
        };
        let value = T::try_from(value).ok();
        if let Some(value) = value.filter(|value| range.contains(value)) {
            return Some(raw.with(value));
        }
        self.reader.complain(
            &raw.place,
            "out of range",
            format!("write {start} to {end}"),
        );
        None
    }

    /// A length of time with its unit, within a range.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<Duration>,
    ) -> Option<Located<Duration>> {
        let raw = self.scalar(key)?;
        let text = self.as_text(
            raw,
            "write a number with its unit in quotes, such as \"500ms\"",
        )?;
        let value = match humantime::parse_duration(&text.value) {
            Ok(value) => value,
            Err(error) => {
                let remedy = "write a number with its unit, such as \"500ms\" or \"6s\"";
                self.reader
                    .complain(&text.place, duration_problem(&error), remedy);
                return None;
            }
        };
        if !range.contains(&value) {
            let start = humantime::format_duration(*range.start());
            let end = humantime::format_duration(*range.end());
            let problem = if value.is_zero() {
                "must not be zero"
            } else {
                "out of range"
            };
            self.reader
                .complain(&text.place, problem, format!("write {start} to {end}"));
            return None;
        }
        Some(text.with(value))
    }

    /// An address and port to listen on.
    pub(super) fn address(&mut self, key: &'static str) -> Option<Located<SocketAddr>> {
        let text = self.text(key)?;
        let Ok(address) = text.value.parse() else {
            let problem = if text.value.contains("://") {
                "has a scheme, only address and port are needed"
            } else {
                "not an address with a port"
            };
            let remedy = "write one such as 127.0.0.1:6733 or [::1]:6733";
            self.reader.complain(&text.place, problem, remedy);
            return None;
        };
        Some(text.with(address))
    }

    /// A name that is fit for a label.
    pub(super) fn label(&mut self, key: &'static str) -> Option<Located<String>> {
        let text = self.text(key)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let problem = if text.value.is_empty() {
            "is empty"
        } else if text.value.chars().nth(MAX_LABEL).is_some() {
            "is too long"
        } else if !text.value.chars().all(fits) {
            "has characters that do not belong in a label"
        } else {
            return Some(text);
        };
        let remedy = format!("use 1 to {MAX_LABEL} of a-z A-Z 0-9 . _ -");
        self.reader.complain(&text.place, problem, remedy);
        None
    }

    /// One of several words.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Option<Located<T>> {
        let text = self.text(key)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(text.with(*value));
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.unknown_word(&text.place, &text.value, &known);
        None
    }

    /// Complains about a word that is none of the known ones.
    pub(super) fn unknown_word(&mut self, place: &Place, word: &str, known: &[&str]) {
        let quoted: Vec<String> = known.iter().map(|word| format!("\"{word}\"")).collect();
        let remedy = match super::unknown::nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if quoted.len() == 1 => format!("write {}", quoted.join("")),
            None => format!("write one of {}", quoted.join(", ")),
        };
        self.reader.complain(place, "not a known value", remedy);
    }

    fn as_text(&mut self, raw: Located<Raw<'t>>, remedy: &str) -> Option<Located<String>> {
        let text = match &raw.value {
            Raw::File(value) => value.as_str().map(str::to_owned),
            Raw::Variable(text) => Some(text.clone()),
        };
        if text.is_none() {
            self.not_a(&raw, "a string", remedy);
        }
        Some(raw.with(text?))
    }

    fn not_a(&mut self, raw: &Located<Raw<'_>>, needed: &str, remedy: &str) {
        let problem = match raw.value {
            Raw::File(value) => format!("is {}, {needed} is needed", type_name(value)),
            Raw::Variable(_) => format!("is not {needed}"),
        };
        self.reader.complain(&raw.place, problem, remedy);
    }
}

/// The number, if it is one; the largest there is when it is too large for any of our ranges.
fn whole_number(raw: &Raw<'_>) -> Option<i128> {
    match raw {
        Raw::File(DeValue::Integer(integer)) => {
            let number = i128::from_str_radix(integer.as_str(), integer.radix());
            Some(number.unwrap_or(i128::MAX))
        }
        Raw::File(
            DeValue::String(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_),
        ) => None,
        Raw::Variable(text) => text.parse().ok(),
    }
}

/// What is wrong with a length of time.
fn duration_problem(error: &humantime::DurationError) -> &'static str {
    use humantime::DurationError as E;
    match error {
        E::Empty => "is empty",
        E::InvalidCharacter(_) => "has characters that do not belong in a duration",
        E::NumberExpected(_) => "has no number before the unit",
        E::NumberOverflow => "too large or too fine a number",
        E::UnknownUnit { unit, .. } if unit.is_empty() => "has no unit",
        E::UnknownUnit { .. } => "has an unknown unit",
    }
}
