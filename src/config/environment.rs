//! Overrides from the environment: `SIGNER_PROXY__SECTION__KEY`.
//!
//! Only scalar keys of single tables can be set this way. Which those are is not listed here: the reader
//! takes what it asks for, and whatever is left at the end named no key.

use std::collections::{BTreeMap, BTreeSet};

/// What every override starts with; a single underscore (`SIGNER_PROXY_LOG`) is somebody else's.
pub(super) const PREFIX: &str = "SIGNER_PROXY__";

/// One variable.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    /// Its full name, as it stands in the environment.
    pub(super) name: String,
    /// Its value, unparsed.
    pub(super) value: String,
}

/// The overrides that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    /// By table and key, as the file writes them.
    by_key: BTreeMap<(String, String), Variable>,
    /// Keys whose override was taken.
    taken: BTreeSet<(String, String)>,
    /// Names without a table and a key, and second names of the same key.
    stray: Vec<Variable>,
}

impl Overrides {
    /// Picks the overrides out of all variables.
    pub(super) fn collect(env: impl Iterator<Item = (String, String)>) -> Self {
        let mut all: Vec<Variable> = env
            .filter(|(name, _)| name.starts_with(PREFIX))
            .map(|(name, value)| Variable { name, value })
            .collect();
        // The environment has no order; findings must.
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let mut overrides = Self::default();
        for variable in all {
            match table_and_key(&variable.name) {
                Some(place) if !overrides.by_key.contains_key(&place) => {
                    overrides.by_key.insert(place, variable);
                }
                Some(_) | None => overrides.stray.push(variable),
            }
        }
        overrides
    }

    /// Whether a key has an override, taken or not.
    pub(super) fn has(&self, table: &str, key: &str) -> bool {
        let place = (table.to_owned(), key.to_owned());
        self.by_key.contains_key(&place) || self.taken.contains(&place)
    }

    /// Takes the override of a key.
    pub(super) fn take(&mut self, table: &str, key: &str) -> Option<Variable> {
        let place = (table.to_owned(), key.to_owned());
        let variable = self.by_key.remove(&place)?;
        self.taken.insert(place);
        Some(variable)
    }

    /// Whatever was never taken.
    pub(super) fn rest(&mut self) -> Vec<Variable> {
        let mut rest = std::mem::take(&mut self.stray);
        rest.extend(std::mem::take(&mut self.by_key).into_values());
        rest.sort_by(|a, b| a.name.cmp(&b.name));
        rest
    }
}

/// Table and key of a variable's name, in the file's spelling.
pub(super) fn table_and_key(name: &str) -> Option<(String, String)> {
    let (table, key) = name.strip_prefix(PREFIX)?.rsplit_once("__")?;
    let spelled = |part: &str| part.to_ascii_lowercase().replace('_', "-");
    let table: Vec<String> = table.split("__").map(spelled).collect();
    if key.is_empty() || table.iter().any(String::is_empty) {
        return None;
    }
    Some((table.join("."), spelled(key)))
}

/// The variable that sets a dotted key.
pub(super) fn variable_name(key: &str) -> String {
    let spelled = key
        .replace('.', "__")
        .replace('-', "_")
        .to_ascii_uppercase();
    format!("{PREFIX}{spelled}")
}
