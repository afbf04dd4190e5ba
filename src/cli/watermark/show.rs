//! `watermark show`: the watermarks as a table or as JSON.

use std::fmt::{self, Write as _};

use crate::cli::{Failure, Outcome, code, print};
use crate::control::{Reply, Watermarks};
use crate::tezos::Round;

use super::unexpected;

/// Prints all watermarks; fails if the store does not sign by them.
pub(super) fn show(reply: Reply, json: bool) -> Outcome {
    let Reply::Watermarks(watermarks) = reply else {
        return Err(unexpected(reply));
    };
    let text = if json {
        let text = serde_json::to_string_pretty(&watermarks)
            .map_err(|error| Failure::new(code::IO, error))?;
        text + "\n"
    } else {
        table(&watermarks)?
    };
    print(&text)?;
    // What could be read is shown, but it is not what will be signed by.
    match watermarks.refusing {
        Some(reason) => Err(Failure::new(code::PROBLEM, reason)),
        None => Ok(()),
    }
}

fn table(watermarks: &Watermarks) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let lineage = match (&watermarks.lineage, &watermarks.refusing) {
        (Some(lineage), _) => lineage.as_str(),
        (None, Some(_)) => "unknown: the store refuses",
        (None, None) => "none: there is no store yet",
    };
    writeln!(text, "lineage {lineage}")?;
    if let Some(sealed) = watermarks.sealed {
        writeln!(
            text,
            "sealed since {sealed}: nothing is ever signed again by this store"
        )?;
    }
    for key in &watermarks.keys {
        if let Some(level) = key.stop_at {
            writeln!(
                text,
                "{} {} stops: nothing above level {level}",
                key.chain, key.key
            )?;
        }
        if let Some(halt) = &key.halted {
            let (chain, key) = (key.chain, key.key);
            writeln!(
                text,
                "{chain} {key} halted since {}: {}",
                halt.at, halt.reason
            )?;
        }
    }
    for row in &watermarks.watermarks {
        let whole_level = row.round == Round::MAX.get();
        let round = if whole_level {
            "all rounds".to_owned()
        } else {
            format!("round {}", row.round)
        };
        writeln!(
            text,
            "{} {} {:<18} level {} {round} (since {})",
            row.chain,
            row.key,
            row.kind.name(),
            row.level,
            row.at
        )?;
    }
    Ok(text)
}
