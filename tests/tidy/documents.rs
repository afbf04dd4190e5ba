//! Rules on documents and the manifest.

use std::collections::BTreeSet;

use super::tree::File;

/// Headings that every decision has.
const PARTS: [&str; 4] = [
    "## Context",
    "## Decision",
    "## Consequences",
    "## Rejected",
];

/// Dependency lines without a reason.
pub(crate) fn dependencies(manifest: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut within = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            within = line.contains("dependencies");
        } else if within && line.contains('=') {
            let reason = line.split_once('#').map_or("", |(_, reason)| reason.trim());
            if reason.is_empty() {
                findings.push(format!("Cargo.toml: no reason: {line}"));
            }
        }
    }
    findings
}

/// Decisions that the index does not link, holes in their numbers, missing parts.
pub(crate) fn decisions(index: &str, files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    let names: Vec<_> = files
        .iter()
        .filter_map(|file| Some((file, file.path.rsplit('/').next()?)))
        .filter(|(_, name)| *name != "README.md")
        .collect();
    for (number, (file, name)) in (1..).zip(&names) {
        if !index.contains(&format!("({name})")) {
            findings.push(format!("{name} is not linked from docs/adr/README.md"));
        }
        if !name.starts_with(&format!("{number:04}-")) {
            findings.push(format!("{name} should have number {number:04}"));
        }
        for part in PARTS {
            if !file.text.contains(part) {
                findings.push(format!("{name} has no {part:?}"));
            }
        }
    }
    findings
}

/// Claims (`### C1. ...`) without tests, and tests that do not exist.
pub(crate) fn claims(document: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut findings = Vec::new();
    let mut sections = document.split("\n### ");
    sections.next();
    let mut expected = 1;
    for section in sections {
        let title = section.lines().next().unwrap_or_default();
        if !title.starts_with(&format!("C{expected}. ")) {
            findings.push(format!("claim {expected} is missing before {title:?}"));
        }
        expected += 1;
        // A section ends at the next heading of any depth.
        let section = section.split("\n## ").next().unwrap_or_default();
        let named = named_tests(section);
        if named.is_empty() {
            findings.push(format!("{title:?} names no test"));
        }
        for name in named {
            if !tests.contains(name) {
                findings.push(format!("{title:?} names {name}, which is no test"));
            }
        }
    }
    if expected == 1 {
        findings.push("the safety argument has no claims".to_owned());
    }
    findings
}

/// The names in the paragraph that begins with `Tests:`.
fn named_tests(section: &str) -> Vec<&str> {
    let Some((_, after)) = section.split_once("\nTests:") else {
        return Vec::new();
    };
    let paragraph = after.split("\n\n").next().unwrap_or_default();
    paragraph.split('`').skip(1).step_by(2).collect()
}

/// Rows of a table whose header ends with "made by" and whose last cell names no test.
pub(crate) fn faults(document: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let table: Vec<_> = document
        .lines()
        .skip_while(|line| cells(line).last().is_none_or(|cell| cell != "made by"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    if table.is_empty() {
        return vec!["there is no table of faults".to_owned()];
    }
    table
        .into_iter()
        .filter(|line| {
            let last = cells(line).pop().unwrap_or_default();
            !tests.contains(last.trim_matches('`'))
        })
        .map(|line| format!("docs/failure-modes.md: no such test: {line}"))
        .collect()
}

/// Files of code that are named between backticks, below `src` or as a path, and are not there.
pub(crate) fn files_named(file: &File, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let words = file.text.split('`').skip(1).step_by(2);
    words
        .filter(|word| word.contains(".rs") && !word.contains(char::is_whitespace))
        .filter(|word| !exists(word) && !exists(&format!("src/{word}")))
        .map(|word| format!("{}: there is no {word}", file.path))
        .collect()
}

/// Links to files that are not there.
pub(crate) fn links(file: &File, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let targets = file
        .text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .filter(|target| !exists(&joined(folder, target)))
        .map(|target| format!("{}: {target} does not exist", file.path))
        .collect()
}

/// `docs` and `../README.md` give `README.md`.
fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<_> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}
