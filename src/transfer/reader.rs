//! Typed reading of JSON that knows where it is, so that each error names file, field and value.

use jiff::Timestamp;

use crate::tezos::{ChainId, ConsensusKind, Level, PublicKeyHash, Round};

use super::json::Json;

/// The longest value that a sentence repeats, in characters.
const SHOWN: usize = 60;

/// Why a source cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {}{problem}", .field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default())]
pub struct ReadError {
    /// The file.
    pub file: String,
    /// The field, as `accounts[0].watermarks[2].level`; absent where the file as a whole is meant.
    pub field: Option<String>,
    /// What is wrong, with the value and the remedy.
    pub problem: String,
}

impl ReadError {
    pub(super) fn whole(file: &str, problem: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            field: None,
            problem: problem.into(),
        }
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    file: &'a str,
    path: String,
    value: &'a Json,
}

/// An object whose fields are all known.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    place: Place<'a>,
    fields: &'a [(String, Json)],
}

impl<'a> Place<'a> {
    /// The whole of a file.
    pub(super) const fn root(file: &'a str, value: &'a Json) -> Self {
        Self {
            file,
            path: String::new(),
            value,
        }
    }

    /// The error that `problem` is here.
    pub(super) fn error(&self, problem: impl Into<String>) -> ReadError {
        ReadError {
            file: self.file.to_owned(),
            field: (!self.path.is_empty()).then(|| self.path.clone()),
            problem: problem.into(),
        }
    }

    fn wanted(&self, wanted: &str) -> ReadError {
        let value = match self.value {
            Json::Text(text) => shown(text),
            Json::Number(number) => shown_raw(&number.to_string()),
            Json::Bool(value) => value.to_string(),
            Json::Null | Json::List(_) | Json::Object(_) => self.value.what().to_owned(),
        };
        self.error(format!("{value} is not {wanted}"))
    }

    fn below(&self, name: &str, value: &'a Json) -> Self {
        let name = shown_raw(name).replace(char::is_control, "?");
        let path = if self.path.is_empty() {
            name
        } else {
            format!("{}.{name}", self.path)
        };
        Self {
            file: self.file,
            path,
            value,
        }
    }

    /// Nothing, where `null` stands.
    pub(super) fn nullable(self) -> Option<Self> {
        (*self.value != Json::Null).then_some(self)
    }

    /// The entries of an object whose field names are values themselves.
    pub(super) fn entries(&self) -> Result<Vec<(&'a str, Self)>, ReadError> {
        match self.value {
            Json::Object(fields) => Ok(fields
                .iter()
                .map(|(name, value)| (name.as_str(), self.below(name, value)))
                .collect()),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => {
                Err(self.wanted("an object"))
            }
        }
    }

    /// An object with no other fields than `known`.
    pub(super) fn object(self, known: &[&str]) -> Result<Fields<'a>, ReadError> {
        let entries = self.entries()?;
        if let Some((name, place)) = entries.iter().find(|(name, _)| !known.contains(name)) {
            let known = known.join(", ");
            return Err(place.error(format!(
                "{} is not a field that this program knows; known here are {known}",
                shown(name)
            )));
        }
        let fields = match self.value {
            Json::Object(fields) => fields.as_slice(),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => &[],
        };
        Ok(Fields {
            place: self,
            fields,
        })
    }

    /// The items of a list.
    pub(super) fn list(&self) -> Result<Vec<Self>, ReadError> {
        match self.value {
            Json::List(values) => Ok(values
                .iter()
                .enumerate()
                .map(|(index, value)| Self {
                    file: self.file,
                    path: format!("{}[{index}]", self.path),
                    value,
                })
                .collect()),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Object(_) => {
                Err(self.wanted("a list"))
            }
        }
    }

    /// A text.
    pub(super) fn text(&self) -> Result<&'a str, ReadError> {
        match self.value {
            Json::Text(text) => Ok(text),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => {
                Err(self.wanted("a text"))
            }
        }
    }

    fn whole_number(&self, wanted: &str) -> Result<u32, ReadError> {
        match self.value {
            Json::Number(number) => number
                .as_u64()
                .and_then(|number| u32::try_from(number).ok())
                .ok_or_else(|| self.wanted(wanted)),
            Json::Null | Json::Bool(_) | Json::Text(_) | Json::List(_) | Json::Object(_) => {
                Err(self.wanted(wanted))
            }
        }
    }

    /// How many there are of something.
    pub(super) fn count(&self) -> Result<u64, ReadError> {
        const WANTED: &str = "a count (a whole number from 0 on)";
        match self.value {
            Json::Number(number) => number.as_u64().ok_or_else(|| self.wanted(WANTED)),
            Json::Null | Json::Bool(_) | Json::Text(_) | Json::List(_) | Json::Object(_) => {
                Err(self.wanted(WANTED))
            }
        }
    }

    /// A number as it stands.
    pub(super) fn number(&self) -> Result<u32, ReadError> {
        self.whole_number("a whole number")
    }

    /// A block level.
    pub(super) fn level(&self) -> Result<Level, ReadError> {
        const WANTED: &str = "a level (a whole number from 0 to 2147483647)";
        let number = self.whole_number(WANTED)?;
        Level::new(number).ok_or_else(|| self.wanted(WANTED))
    }

    /// A round.
    pub(super) fn round(&self) -> Result<Round, ReadError> {
        const WANTED: &str = "a round (a whole number from 0 to 1000)";
        let number = self.whole_number(WANTED)?;
        Round::new(number).ok_or_else(|| self.wanted(WANTED))
    }

    /// A chain identifier.
    pub(super) fn chain(&self) -> Result<ChainId, ReadError> {
        chain(self, self.text()?)
    }

    /// A public key hash.
    pub(super) fn key(&self) -> Result<PublicKeyHash, ReadError> {
        key(self, self.text()?)
    }

    /// A kind by our own names.
    pub(super) fn kind(&self) -> Result<ConsensusKind, ReadError> {
        let text = self.text()?;
        text.parse().map_err(|error| self.error(format!("{error}")))
    }

    /// A time in UTC, in the one form that we write.
    pub(super) fn time(&self) -> Result<Timestamp, ReadError> {
        let wanted = || self.wanted("a time such as 2026-11-23T04:05:06Z");
        let text = self.text()?;
        let time: Timestamp = text.parse().map_err(|_| wanted())?;
        if time.to_string() == text {
            Ok(time)
        } else {
            Err(wanted())
        }
    }
}

impl<'a> Fields<'a> {
    /// A field that may be left out.
    pub(super) fn optional(&self, name: &str) -> Option<Place<'a>> {
        let (_, value) = self.fields.iter().find(|(field, _)| field == name)?;
        Some(self.place.below(name, value))
    }

    /// A field that must be there.
    pub(super) fn required(&self, name: &str) -> Result<Place<'a>, ReadError> {
        self.optional(name)
            .ok_or_else(|| self.place.error(format!("the field {name} is missing")))
    }

    /// All fields, as they stand.
    pub(super) const fn all(&self) -> &'a [(String, Json)] {
        self.fields
    }
}

/// The chain that `text`, which stands at `place`, names.
pub(super) fn chain(place: &Place<'_>, text: &str) -> Result<ChainId, ReadError> {
    text.parse()
        .map_err(|error| place.error(format!("{} is {error}", shown(text))))
}

/// The key that `text`, which stands at `place`, names.
pub(super) fn key(place: &Place<'_>, text: &str) -> Result<PublicKeyHash, ReadError> {
    text.parse()
        .map_err(|error| place.error(format!("{} is {error}", shown(text))))
}

/// `text` in quotation marks, shortened if it is long.
pub(super) fn shown(text: &str) -> String {
    format!("{:?}", shown_raw(text))
}

fn shown_raw(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start}...")
}
