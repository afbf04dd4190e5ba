//! A reader over the spanned TOML tree that notes a finding and goes on.
//!
//! It knows types and places, not meanings: what a key is for is said by the callers. A key is known
//! because somebody asked for it, so there is no second list of keys that could fall behind.
//!
//! Invariant: a value that could not be used leaves a finding, and the caller's default takes its place
//! only so that the rest can be read; settings with a finding are never handed out.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::DeTable;

use super::environment::Overrides;
use super::finding::Finding;
use super::table::Table;
use super::unknown;

/// Where a value stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Dotted key with indices.
    pub(super) key: String,
    /// Line in the file, from 1.
    pub(super) line: Option<usize>,
    /// The value as it may be shown.
    pub(super) value: Option<String>,
    /// The environment variable that it came from.
    pub(super) variable: Option<String>,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    /// The value.
    pub(super) value: T,
    /// Its place.
    pub(super) place: Place,
}

impl<T> Located<T> {
    /// The same place with another value.
    pub(super) fn with<U>(self, value: U) -> Located<U> {
        Located {
            value,
            place: self.place,
        }
    }
}

/// Collects the findings of one document.
#[derive(Debug)]
pub(super) struct Reader {
    file: String,
    /// Offset of each line's first byte.
    line_starts: Vec<usize>,
    /// Lines that are not TOML: what they seem to say is not judged.
    broken_lines: BTreeSet<usize>,
    pub(super) overrides: Overrides,
    /// Every key that was asked for, dotted, without indices.
    pub(super) asked: BTreeSet<String>,
    /// Those that an environment variable may set.
    pub(super) settable: BTreeSet<String>,
    findings: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Reader {
    /// A reader of `text`, which is called `file` in findings.
    pub(super) fn new(file: &str, text: &str, overrides: Overrides) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at.saturating_add(1));
        Self {
            file: file.to_owned(),
            line_starts: std::iter::once(0).chain(ends).collect(),
            broken_lines: BTreeSet::new(),
            overrides,
            asked: BTreeSet::new(),
            settable: BTreeSet::new(),
            findings: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Parses `text` and lets `read` walk its root; then complains about what nobody asked for.
    pub(super) fn document<R>(
        &mut self,
        text: &str,
        read: impl FnOnce(&mut Table<'_, '_>) -> R,
    ) -> R {
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let offset = error.span().map_or(0, |span| span.start);
            let line = self.line_at(offset).saturating_sub(1);
            let start = self.line_starts.get(line).copied().unwrap_or_default();
            let line = text.get(start..).and_then(|rest| rest.lines().next());
            let remedy = remedy_for(line.unwrap_or_default());
            self.syntax(error.message(), error.span(), remedy);
        }
        let result = Table::read_root(self, root.get_ref(), read);
        unknown::variables(self);
        result
    }

    /// Findings and warnings, each in the order of the file, then of the environment.
    pub(super) fn into_findings(mut self) -> (Vec<Finding>, Vec<Finding>) {
        for list in [&mut self.findings, &mut self.warnings] {
            list.sort_by_cached_key(|finding| {
                let line = finding.line.unwrap_or(usize::MAX);
                (finding.variable.clone(), line, finding.key.clone())
            });
        }
        (self.findings, self.warnings)
    }

    /// Notes that a value cannot be used.
    pub(super) fn complain(
        &mut self,
        place: &Place,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if place
            .line
            .is_some_and(|line| self.broken_lines.contains(&line))
        {
            return;
        }
        let finding = self.finding(place, problem.into(), remedy.into());
        self.findings.push(finding);
    }

    /// Notes that something is not there. Silent after a syntax error, which may have swallowed it.
    pub(super) fn missing(
        &mut self,
        place: &Place,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.broken_lines.is_empty() {
            self.complain(place, problem, remedy);
        }
    }

    /// Notes what may be used and is worth a word.
    pub(super) fn warn(
        &mut self,
        place: &Place,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let finding = self.finding(place, problem.into(), remedy.into());
        self.warnings.push(finding);
    }

    fn finding(&self, place: &Place, problem: String, remedy: String) -> Finding {
        Finding {
            file: self.file.clone(),
            line: place.line,
            key: place.key.clone(),
            value: place.value.clone(),
            problem,
            remedy,
            variable: place.variable.clone(),
        }
    }

    fn syntax(&mut self, message: &str, span: Option<Range<usize>>, remedy: &str) {
        let span = span.unwrap_or(0..0);
        let (first, last) = (self.line_at(span.start), self.line_at(span.end));
        let place = Place {
            line: Some(first),
            ..Place::of_key("")
        };
        let problem = format!("not valid TOML: {message}");
        let finding = self.finding(&place, problem, remedy.to_owned());
        self.findings.push(finding);
        self.broken_lines.extend(first..=last);
    }

    /// The line of a byte offset, counted from 1.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }
}

impl Place {
    /// A place that the file does not have.
    pub(super) fn of_key(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            line: None,
            value: None,
            variable: None,
        }
    }
}

/// What probably helps on a line that is not TOML: bare text is the usual mistake.
fn remedy_for(line: &str) -> &'static str {
    let value = line.split_once('=').map(|(_, value)| value.trim());
    match value.and_then(|value| value.chars().next()) {
        Some(first) if !matches!(first, '"' | '\'' | '[' | '{' | '#') => {
            "put text in double quotes"
        }
        Some(_) | None => "",
    }
}
