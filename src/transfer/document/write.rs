//! Writing a document: the same content gives the same bytes, a line for each watermark.

use std::fmt::Display;

use crate::transfer::canonical::{canonical, checksum};
use crate::transfer::json::Json;

use super::{Document, DocumentAccount, FORMAT, Halted, Mark, VERSION};

impl Document {
    /// The document as JSON for people and programs, with its checksum and a line end.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut accounts: Vec<_> = self.accounts.iter().collect();
        accounts.sort_by_key(|account| (account.chain, account.key));
        let mut fields = vec![
            field("format", text(FORMAT)),
            field("version", number(VERSION)),
            field("lineage", text(&self.lineage)),
            field("created", text(self.created)),
            field("sealed", self.sealed.map_or(Json::Null, text)),
        ];
        if let Some(commits) = self.commits {
            fields.push(field("commits", Json::Number(commits.into())));
        }
        if let Some(writer) = &self.writer {
            fields.push(field("writer", text(writer)));
        }
        fields.push(field(
            "accounts",
            Json::List(accounts.into_iter().map(account).collect()),
        ));
        let sum = checksum(&fields, "checksum");
        fields.push(field("checksum", text(sum)));
        let mut written = String::new();
        write(&Json::Object(fields), 0, &mut written);
        written.push('\n');
        written
    }
}

fn account(account: &DocumentAccount) -> Json {
    let mut marks: Vec<_> = account.watermarks.iter().collect();
    marks.sort_by_key(|mark| mark.kind);
    Json::Object(vec![
        field("chain", text(account.chain)),
        field("key", text(account.key)),
        field(
            "stop-at",
            account
                .stop_at
                .map_or(Json::Null, |level| number(level.get())),
        ),
        field("halted", account.halted.as_ref().map_or(Json::Null, halted)),
        field(
            "watermarks",
            Json::List(marks.into_iter().map(mark).collect()),
        ),
    ])
}

fn halted(halted: &Halted) -> Json {
    Json::Object(vec![
        field("at", text(halted.at)),
        field("reason", text(&halted.reason)),
    ])
}

fn mark(mark: &Mark) -> Json {
    Json::Object(vec![
        field("kind", text(mark.kind)),
        field("level", number(mark.position.level.get())),
        field("round", number(mark.position.round.get())),
        field("since", text(mark.since)),
    ])
}

fn field(name: &str, value: Json) -> (String, Json) {
    (name.to_owned(), value)
}

fn text(value: impl Display) -> Json {
    Json::Text(format!("{value}"))
}

fn number(value: u32) -> Json {
    Json::Number(value.into())
}

/// Whether `value` is written on one line.
fn is_flat(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => true,
        Json::List(_) | Json::Object(_) => false,
    }
}

fn write(value: &Json, depth: usize, written: &mut String) {
    match value {
        Json::Object(fields) => {
            let parts = fields.iter().map(|(name, value)| (Some(name), value));
            // A watermark is one line: that is what people compare.
            if depth > 0 && fields.iter().all(|(_, value)| is_flat(value)) {
                joined("{ ", parts, ", ", " }", depth, written);
            } else {
                lines('{', parts, '}', depth, written);
            }
        }
        Json::List(values) if !values.is_empty() => {
            let parts = values.iter().map(|value| (None, value));
            lines('[', parts, ']', depth, written);
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => {
            written.push_str(&canonical(value));
        }
    }
}

fn lines<'a>(
    open: char,
    parts: impl Iterator<Item = (Option<&'a String>, &'a Json)>,
    close: char,
    depth: usize,
    written: &mut String,
) {
    let outer = "  ".repeat(depth);
    joined(
        &format!("{open}\n{outer}  "),
        parts,
        &format!(",\n{outer}  "),
        &format!("\n{outer}{close}"),
        depth,
        written,
    );
}

fn joined<'a>(
    open: &str,
    parts: impl Iterator<Item = (Option<&'a String>, &'a Json)>,
    between: &str,
    close: &str,
    depth: usize,
    written: &mut String,
) {
    written.push_str(open);
    for (index, (name, value)) in parts.enumerate() {
        if index > 0 {
            written.push_str(between);
        }
        if let Some(name) = name {
            written.push_str(&canonical(&text(name)));
            written.push_str(": ");
        }
        write(value, depth.saturating_add(1), written);
    }
    written.push_str(close);
}
