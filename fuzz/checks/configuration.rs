//! Configurations: either findings that point into the text, or settings whose effective text means the same.
//!
//! The input is a configuration. A line `#env NAME=value` in it sets an environment variable.

use signer_proxy::config::{Finding, Loaded, from_text};

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    // What an environment cannot carry is no question for a reader of one.
    let variables = text
        .lines()
        .filter_map(|line| line.strip_prefix("#env ")?.split_once('='))
        .filter(|(name, value)| !name.contains('\0') && !value.contains('\0'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    match from_text("c.toml", text, variables) {
        Ok(loaded) => {
            placed(text, &loaded.warnings);
            effective(&loaded);
        }
        Err(report) => {
            assert!(!report.findings.is_empty());
            placed(text, &report.findings);
        }
    }
}

/// One line each, in order, each within the text.
fn placed(text: &str, findings: &[Finding]) {
    let last = text.matches('\n').count() + 1;
    let mut before = 0;
    for finding in findings {
        let shown = finding.to_string();
        assert!(!shown.contains(char::is_control), "{shown:?}");
        assert!(!finding.problem.is_empty());
        if let Some(line) = finding.line {
            assert!((1..=last).contains(&line), "{shown:?} of {last} lines");
            assert!(finding.variable.is_none(), "{shown:?}");
            assert!(before <= line, "{shown:?} after line {before}");
            before = line;
        }
    }
}

/// The effective text, loaded again without any variable, is the same configuration.
fn effective(first: &Loaded) {
    let none = std::iter::empty();
    let second = from_text("effective", &first.effective, none).unwrap();
    assert_eq!(first.effective, second.effective);
    let [first, second] = [first, &second].map(|loaded| format!("{:?}", loaded.settings));
    assert_eq!(first, second);
}
