//! One TOML table while it is read.
//!
//! Looks values up, descends into tables below, and complains about what nobody asked for. Types of
//! scalars are the business of `scalar`.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reader::{Located, Place, Reader};
use super::{shown, unknown};

/// How a table appears in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The document itself.
    Root,
    /// `[name]`, whose scalar keys environment variables may set.
    Single,
    /// One of `[[name]]`, or a table of one.
    Repeated,
}

/// What a key holds: a value of the file, or the text of a variable.
#[derive(Clone, Debug)]
pub(super) enum Raw<'t> {
    /// From the file.
    File(&'t DeValue<'t>),
    /// From the environment.
    Variable(String),
}

/// One table while it is read.
#[derive(Debug)]
pub(super) struct Table<'r, 't> {
    pub(super) reader: &'r mut Reader,
    /// Absent when the file does not have this table.
    entries: Option<&'t DeTable<'t>>,
    /// Dotted key with indices.
    key: String,
    /// Dotted key without indices.
    shape: String,
    line: Option<usize>,
    kind: Kind,
    asked: Vec<&'static str>,
}

impl<'r, 't> Table<'r, 't> {
    /// Reads the document's root.
    pub(super) fn read_root<R>(
        reader: &'r mut Reader,
        entries: &'t DeTable<'t>,
        read: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let mut root = Self {
            reader,
            entries: Some(entries),
            key: String::new(),
            shape: String::new(),
            line: None,
            kind: Kind::Root,
            asked: Vec::new(),
        };
        let result = read(&mut root);
        root.finish();
        result
    }

    /// Reads the single table `[key]`, present or not.
    pub(super) fn table<R>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Table<'_, 't>) -> R,
    ) -> R {
        self.ask(key);
        let found = self.find(key);
        let entries = found.and_then(|value| value.get_ref().as_table());
        if let (Some(value), None) = (found, entries) {
            let remedy = format!("write it as one table, [{}]", self.shape_of(key));
            self.wrong_type(key, value, "a table", &remedy);
        }
        let line = found.map(|value| self.reader.line_at(value.span().start));
        self.child(key, None, line, entries, read)
    }

    /// Reads every `[[key]]`, with its index.
    pub(super) fn tables<R>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Table<'_, 't>, usize) -> R,
    ) -> Vec<R> {
        self.ask(key);
        let Some(value) = self.find(key) else {
            return Vec::new();
        };
        let remedy = format!(
            "write each as a table of its own, [[{}]]",
            self.shape_of(key)
        );
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list of tables", &remedy);
            return Vec::new();
        };
        let mut all = Vec::new();
        for (index, element) in array.iter().enumerate() {
            let line = self.reader.line_at(element.span().start);
            if let Some(entries) = element.get_ref().as_table() {
                let read = |table: &mut Table<'_, 't>| read(table, index);
                all.push(self.child(key, Some(index), Some(line), Some(entries), read));
            } else {
                self.wrong_type(&format!("{key}[{index}]"), element, "a table", &remedy);
            }
        }
        all
    }

    /// Whether a key is given, usable or not.
    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some() || (self.is_single() && self.reader.overrides.has(&self.key, key))
    }

    /// Complains when a key is not given.
    pub(super) fn require(&mut self, key: &str, remedy: &str) {
        if !self.has(key) {
            let place = self.place_of(key);
            self.reader.missing(&place, "is required", remedy);
        }
    }

    /// Where this table stands.
    pub(super) fn place(&self) -> Place {
        Place {
            line: self.line,
            ..Place::of_key(self.key.clone())
        }
    }

    /// Where a key of this table stands, or would stand.
    pub(super) fn place_of(&self, key: &str) -> Place {
        let found = self.find(key);
        Place {
            line: found.map_or(self.line, |value| {
                Some(self.reader.line_at(value.span().start))
            }),
            ..Place::of_key(self.key_of(key))
        }
    }

    /// Whether this table is in the file.
    pub(super) fn is_given(&self) -> bool {
        self.entries.is_some()
    }

    /// Elements of the list under a key: none when it is absent, unknown when it is no list.
    pub(super) fn count(&self, key: &str) -> Option<usize> {
        let Some(value) = self.find(key) else {
            return Some(0);
        };
        value.get_ref().as_array().map(|array| array.len())
    }

    /// A default value, placed at its key.
    pub(super) fn default<T>(&self, key: &str, value: T) -> Located<T> {
        Located {
            value,
            place: Place::of_key(self.key_of(key)),
        }
    }

    /// A scalar, from the environment if it is set there.
    pub(super) fn scalar(&mut self, key: &'static str) -> Option<Located<Raw<'t>>> {
        self.ask(key);
        if self.is_single() {
            self.reader.settable.insert(self.shape_of(key));
            if let Some(variable) = self.reader.overrides.take(&self.key, key) {
                let place = Place {
                    value: Some(shown::text(&variable.value)),
                    variable: Some(variable.name),
                    ..Place::of_key(self.key_of(key))
                };
                let value = Raw::Variable(variable.value);
                return Some(Located { value, place });
            }
        }
        let found = self.find(key)?;
        Some(self.located(key, found))
    }

    /// The elements of an array.
    pub(super) fn elements(&mut self, key: &'static str) -> Option<Vec<Located<Raw<'t>>>> {
        self.ask(key);
        let found = self.find(key)?;
        let Some(array) = found.get_ref().as_array() else {
            self.wrong_type(key, found, "a list", "put it in square brackets");
            return None;
        };
        let located = array.iter().enumerate();
        let located = located.map(|(index, value)| self.located(&format!("{key}[{index}]"), value));
        Some(located.collect())
    }

    fn child<R>(
        &mut self,
        key: &str,
        index: Option<usize>,
        line: Option<usize>,
        entries: Option<&'t DeTable<'t>>,
        read: impl FnOnce(&mut Table<'_, 't>) -> R,
    ) -> R {
        let name = self.key_of(key);
        let mut table = Table {
            entries,
            key: index.map_or_else(|| name.clone(), |index| format!("{name}[{index}]")),
            shape: self.shape_of(key),
            line,
            // What lies below one of several is not single either.
            kind: match (index, self.kind) {
                (None, Kind::Root | Kind::Single) => Kind::Single,
                (Some(_), _) | (None, Kind::Repeated) => Kind::Repeated,
            },
            asked: Vec::new(),
            reader: self.reader,
        };
        let result = read(&mut table);
        table.finish();
        result
    }

    /// Complains about every key that nobody asked for.
    fn finish(self) {
        for (key, value) in self.entries.into_iter().flatten() {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let place = Place {
                line: Some(self.reader.line_at(key.span().start)),
                value: shown::unknown(name, value.get_ref()),
                ..Place::of_key(self.key_of(name))
            };
            let is_table = value.get_ref().is_table();
            let verdict = unknown::key(name, &self.asked, is_table);
            self.reader
                .complain(&place, verdict.problem, verdict.remedy);
        }
    }

    fn wrong_type(&mut self, key: &str, value: &Spanned<DeValue<'_>>, needed: &str, remedy: &str) {
        let place = self.located(key, value).place;
        let found = type_name(value.get_ref());
        self.reader
            .complain(&place, format!("is {found}, {needed} is needed"), remedy);
    }

    fn located<'v>(&self, key: &str, value: &'v Spanned<DeValue<'v>>) -> Located<Raw<'v>> {
        let place = Place {
            key: self.key_of(key),
            line: Some(self.reader.line_at(value.span().start)),
            value: shown::value(value.get_ref()),
            variable: None,
        };
        Located {
            value: Raw::File(value.get_ref()),
            place,
        }
    }

    fn ask(&mut self, key: &'static str) {
        self.asked.push(key);
        self.reader.asked.insert(self.shape_of(key));
    }

    fn find(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.entries?.get(key)
    }

    fn is_single(&self) -> bool {
        self.kind == Kind::Single
    }

    fn key_of(&self, key: &str) -> String {
        dotted(&self.key, key)
    }

    fn shape_of(&self, key: &str) -> String {
        dotted(&self.shape, key)
    }
}

/// A type with its article.
pub(super) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn dotted(table: &str, key: &str) -> String {
    if table.is_empty() {
        return key.to_owned();
    }
    format!("{table}.{key}")
}
