//! What to say about keys and variables that nobody knows: the nearest known one, or all of them.

use super::environment::{table_and_key, variable_name};
use super::reader::{Place, Reader};
use super::shown;

/// Largest distance, in edits, at which a name is taken for a misspelt one; short names allow less.
const MAX_EDITS: usize = 3;

/// A problem and its remedy.
#[derive(Debug)]
pub(super) struct Verdict {
    /// What is wrong.
    pub(super) problem: String,
    /// What to do.
    pub(super) remedy: String,
}

/// What to say about an unknown key.
pub(super) fn key(name: &str, allowed: &[&'static str], is_table: bool) -> Verdict {
    let what = if is_table {
        "unknown table"
    } else {
        "unknown key"
    };
    let remedy = match nearest(name, allowed.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known here: {}", allowed.join(", ")),
    };
    Verdict {
        problem: what.to_owned(),
        remedy,
    }
}

/// Complains about every variable that names no key.
pub(super) fn variables(reader: &mut Reader) {
    let rest = reader.overrides.rest();
    for variable in rest {
        let dotted = table_and_key(&variable.name).map(|(table, key)| format!("{table}.{key}"));
        let verdict = match &dotted {
            Some(key) if reader.settable.contains(key) => Verdict {
                problem: "sets a key that another variable sets too".to_owned(),
                remedy: "keep one of them".to_owned(),
            },
            Some(key) if reader.asked.contains(key) => Verdict {
                problem: "cannot be set by a variable, only in the file".to_owned(),
                remedy: String::new(),
            },
            Some(key) => unknown_variable(reader, key),
            None => unknown_variable(reader, ""),
        };
        let place = Place {
            value: dotted.as_ref().map(|_| shown::text(&variable.value)),
            variable: Some(variable.name),
            ..Place::of_key(dotted.unwrap_or_default())
        };
        reader.complain(&place, verdict.problem, verdict.remedy);
    }
}

/// The candidate nearest to a name, if one is near enough to be meant.
pub(super) fn nearest<'c>(
    name: &str,
    candidates: impl Iterator<Item = &'c str>,
) -> Option<&'c str> {
    let length = name.chars().count();
    if length > 64 {
        // The distance is quadratic in the length, and nothing of ours is this long.
        return None;
    }
    let limit = length.div_ceil(3).min(MAX_EDITS);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn unknown_variable(reader: &Reader, key: &str) -> Verdict {
    let remedy = nearest(key, reader.settable.iter().map(String::as_str)).map_or_else(
        || {
            let known = reader.settable.iter().map(|key| variable_name(key));
            format!("known: {}", known.collect::<Vec<_>>().join(", "))
        },
        |near| format!("did you mean {}?", variable_name(near)),
    );
    Verdict {
        problem: "names no key of the configuration".to_owned(),
        remedy,
    }
}
