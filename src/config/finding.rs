//! What is wrong with a configuration, in a form for people and for tests.
//!
//! Only data and its printing; who finds what is decided by the readers.

use std::fmt::{self, Write as _};

/// One problem, or one warning, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file's name, as it was given.
    pub file: String,
    /// Line of the value, counted from 1; absent when the file has no such place.
    pub line: Option<usize>,
    /// Dotted key, counted from 0: `signer[0].path[1].url`; empty for the file as a whole.
    pub key: String,
    /// The value found, as it is safe to show: shortened, and without credentials.
    pub value: Option<String>,
    /// What is wrong; lower case, no full stop.
    pub problem: String,
    /// What to write instead; may be empty.
    pub remedy: String,
    /// Environment variable that the value came from.
    pub variable: Option<String>,
}

impl Finding {
    /// Everything in one sentence, control characters of the file and all.
    fn sentence(&self) -> String {
        let mut text = match (&self.variable, self.line) {
            (Some(variable), _) => format!("{variable}: "),
            (None, Some(line)) => format!("{}:{line}: ", self.file),
            (None, None) => format!("{}: ", self.file),
        };
        if !self.key.is_empty() {
            text.push_str(&self.key);
            if let Some(value) = &self.value {
                text.push_str(" = ");
                text.push_str(value);
            }
            text.push_str(": ");
        }
        text.push_str(&self.problem);
        if !self.remedy.is_empty() {
            text.push_str("; ");
            text.push_str(&self.remedy);
        }
        text
    }
}

/// One line, whatever the names in the file are: control characters are escaped.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.sentence().chars() {
            if char.is_control() {
                write!(f, "{}", char.escape_debug())?;
            } else {
                f.write_char(char)?;
            }
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration.
///
/// Never empty: without a finding there are settings instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.findings))]
pub struct Report {
    /// Problems in the order of the file, then those of environment variables.
    pub findings: Vec<Finding>,
}

/// One finding per line.
fn lines(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
