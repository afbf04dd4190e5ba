//! Who may import whom, by the table in `ARCHITECTURE.md`.

use std::collections::BTreeSet;

use super::lexer::{code, split, tokens};
use super::tree::File;

/// What vocabulary and core must not name. `tokio::sync` is allowed: channels do no I/O.
const IMPURE: [&str; 20] = [
    "getrandom",
    "hyper",
    "Instant::now",
    "redb",
    "std::env",
    "std::fs",
    "std::io",
    "std::net::Tcp",
    "std::net::Udp",
    "std::os",
    "std::process",
    "std::thread",
    "SystemTime::now",
    "Timestamp::now",
    "tokio::fs",
    "tokio::net",
    "tokio::spawn",
    "tokio::time::sleep",
    "tokio::{",
    "tracing_subscriber",
];

/// The one place for each impurity that vocabulary cannot do without.
const EXEMPT: [(&str, &str); 2] = [
    // Nonces of the development signer's keys.
    ("src/tezos/crypto/secret/entropy.rs", "getrandom"),
    // The one reader of the wall clock.
    ("src/time.rs", "Timestamp::now"),
];

/// The highest layer that must be pure.
const LAST_PURE_LAYER: u8 = 1;

/// The only modules that may know the configuration file.
const KNOW_CONFIG: [&str; 2] = ["app", "cli"];

/// A row of the table.
#[derive(Debug)]
struct Row {
    layer: u8,
    /// `guard`, or `signer::health` for a part with a layer of its own.
    module: String,
    imports: Vec<String>,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Layers {
    rows: Vec<Row>,
    /// Modules that exist in tests only.
    test_modules: BTreeSet<String>,
    /// Modules that ship.
    modules: BTreeSet<String>,
}

impl Layers {
    /// Reads the rows whose first cell is a number: layer, module, what it is, what it may import. The
    /// library's root says which modules there are.
    pub(crate) fn parse(document: &str, library: &str) -> Result<Self, String> {
        let mut rows = Vec::new();
        for line in document.lines() {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [layer, module, _, imports] = cells.as_slice() else {
                continue;
            };
            let Ok(layer) = layer.parse() else { continue };
            rows.push(Row {
                layer,
                module: module.trim_matches('`').to_owned(),
                imports: quoted(imports),
            });
        }
        if rows.is_empty() {
            return Err("there is no table of layers".to_owned());
        }
        let (test_modules, modules) = declared(library);
        Ok(Self {
            rows,
            test_modules,
            modules,
        })
    }

    /// Rows name only rows above them, so there is no cycle; only the wiring knows the configuration.
    pub(crate) fn order(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            let module = &row.module;
            let above = &self.rows[..index];
            if above.last().is_some_and(|last| last.layer > row.layer) {
                findings.push(format!("{module} stands below a higher layer"));
            }
            for import in &row.imports {
                if !above.iter().any(|other| other.module == *import) {
                    findings.push(format!("{module} may not import {import}, a row below it"));
                }
                if import == "config" && !KNOW_CONFIG.contains(&module.as_str()) {
                    findings.push(format!("{module} may not know the configuration file"));
                }
            }
        }
        findings
    }

    /// Every module that ships has a row and every row a module. One that exists in tests only may have a
    /// row, for readers.
    pub(crate) fn completeness(&self) -> Vec<String> {
        let rows: BTreeSet<_> = self
            .rows
            .iter()
            .map(|row| row.module.clone())
            .filter(|module| module != "main" && !module.contains(':'))
            .filter(|module| !self.test_modules.contains(module))
            .collect();
        self.modules
            .symmetric_difference(&rows)
            .map(|module| format!("{module} is not both in src/lib.rs and in the table of layers"))
            .collect()
    }

    /// Imports that the table does not allow.
    pub(crate) fn imports(&self, file: &File) -> Vec<String> {
        let Some((path, row)) = self.row_of(file) else {
            return Vec::new();
        };
        let code = code(&file.text);
        imported(&path, split(&code).0)
            .into_iter()
            .filter(|module| !row.imports.contains(module))
            .map(|module| format!("{}: {} may not import {module}", file.path, row.module))
            .collect()
    }

    /// Words that a pure layer must not use.
    pub(crate) fn purity(&self, file: &File) -> Vec<String> {
        let Some((_, row)) = self.row_of(file) else {
            return Vec::new();
        };
        if row.layer > LAST_PURE_LAYER {
            return Vec::new();
        }
        let code = code(&file.text);
        let dense = tokens(split(&code).0).join(" ").replace(" :: ", "::");
        IMPURE
            .into_iter()
            .filter(|word| !EXEMPT.contains(&(&file.path, word)))
            .filter(|word| dense.contains(word))
            .map(|word| format!("{}: layer {} may not use {word}", file.path, row.layer))
            .collect()
    }

    /// The module path of a file that ships, and the row that speaks for it: the longest that fits.
    fn row_of(&self, file: &File) -> Option<(Vec<String>, &Row)> {
        if file.is_test() || file.path == "src/lib.rs" {
            return None;
        }
        let name = file.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let path: Vec<String> = name.split('/').map(str::to_owned).collect();
        if self.test_modules.contains(&path[0]) {
            return None;
        }
        let row = self
            .rows
            .iter()
            .filter(|row| {
                path.starts_with(
                    &row.module
                        .split("::")
                        .map(str::to_owned)
                        .collect::<Vec<_>>(),
                )
            })
            .max_by_key(|row| row.module.len())
            .unwrap_or_else(|| panic!("{} has no row in the table of layers", file.path));
        Some((path, row))
    }
}

/// Modules of the library's root: those under `#[cfg(test)]`, and the others.
fn declared(library: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let tokens = tokens(&code(library));
    let of_tests = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut tests, mut others) = (BTreeSet::new(), BTreeSet::new());
    for at in (0..tokens.len()).filter(|at| tokens[*at] == "mod") {
        let before = tokens[..at].strip_suffix(&["pub".to_owned()]);
        let list = if before
            .unwrap_or(&tokens[..at])
            .ends_with(&of_tests.map(str::to_owned))
        {
            &mut tests
        } else {
            &mut others
        };
        list.insert(tokens[at + 1].clone());
    }
    (tests, others)
}

fn quoted(cell: &str) -> Vec<String> {
    let words = cell.split('`').skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

/// Top-level modules that the code of module `path` names, but for its own.
fn imported(path: &[String], code: &str) -> BTreeSet<String> {
    let tokens = tokens(code);
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut found = BTreeSet::new();
    for start in 0..tokens.len() {
        let is_root = matches!(token(start), "crate" | "signer_proxy" | "super");
        if !is_root || token(start + 1) != "::" || (start > 0 && token(start - 1) == "::") {
            continue;
        }
        let mut at = start + 2;
        let mut ups = usize::from(token(start) == "super");
        while token(at) == "super" && token(at + 1) == "::" {
            (at, ups) = (at + 2, ups + 1);
        }
        if token(start) == "super" && ups < path.len() {
            continue;
        }
        if token(at) == "{" {
            found.extend(first_words(&tokens[at..]));
        } else {
            found.insert(token(at).to_owned());
        }
    }
    found.remove(&path[0]);
    found
}

/// The first word of each entry of the group that `tokens` begin with.
fn first_words(tokens: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    let mut depth = 0_usize;
    for pair in tokens.windows(2) {
        match pair[0].as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && matches!(pair[0].as_str(), "{" | ",") && pair[1] != "}" {
            words.push(pair[1].clone());
        }
    }
    words
}
