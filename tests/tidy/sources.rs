//! Rules on single files of code.

use std::collections::BTreeSet;

use super::lexer::{code, split, tokens};
use super::tree::File;

/// Longer files hold two things.
const MOST_LINES: usize = 400;

/// The only file that may let time pass: its helpers wait for a state and give up at a deadline.
const WAITING: &str = "/harness/wait.rs";

/// Attributes and macros that hide what a test does not do.
const HIDING: [&str; 4] = ["ignore", "should_panic", "todo", "unimplemented"];

/// Length and first line.
pub(crate) fn shape(file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    if lines > MOST_LINES {
        findings.push(format!(
            "{}: {lines} lines, at most {MOST_LINES}",
            file.path
        ));
    }
    if !file.text.starts_with("//! ") {
        findings.push(format!(
            "{}: does not begin with //! and a sentence",
            file.path
        ));
    }
    findings
}

/// What tests must not do.
pub(crate) fn habits(file: &File) -> Vec<String> {
    let code = code(&file.text);
    let mut findings: Vec<_> = hiding(&tokens(&code))
        .into_iter()
        .map(|word| format!("{}: uses {word}", file.path))
        .collect();
    let tested = if file.is_test() {
        &code
    } else {
        split(&code).1
    };
    let sleeps = tokens(tested)
        .iter()
        .any(|token| token == "sleep" || token == "sleep_until");
    if sleeps && !file.path.ends_with(WAITING) {
        findings.push(format!("{}: a test sleeps; wait for a state", file.path));
    }
    findings
}

/// `#[ignore]`, `#[should_panic]`, `todo!()` and their like.
fn hiding(tokens: &[String]) -> BTreeSet<String> {
    tokens
        .windows(2)
        .flat_map(|pair| {
            let attribute = (pair[0] == "[").then(|| pair[1].clone());
            let call = (pair[1] == "!").then(|| pair[0].clone());
            attribute.into_iter().chain(call)
        })
        .filter(|word| HIDING.contains(&word.as_str()))
        .collect()
}

/// Names of all functions in test code.
pub(crate) fn test_names(files: &[File]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files {
        let code = code(&file.text);
        let tested = if file.is_test() {
            &code
        } else {
            split(&code).1
        };
        let tokens = tokens(tested);
        let pairs = tokens.windows(2).filter(|pair| pair[0] == "fn");
        names.extend(pairs.map(|pair| pair[1].clone()));
    }
    names
}
