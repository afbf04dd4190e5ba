//! The one JSON format of watermarks: what `watermark export` prints and every part of this program that
//! saves watermarks aside writes. `docs/watermarks.schema.json` says the same to other programs.
//!
//! The document holds floors, stops and halts, and not the claims and signatures below them: whoever imports
//! it signs above its floors only, so it needs no more. The checksum finds files that were cut or changed by
//! mistake; it protects against no one who means to change them.

mod write;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::guard::{Account, AccountState, Book, Halt};
use crate::tezos::{ChainId, ConsensusKind, Level, Position, PublicKeyHash};

use super::canonical::checksum;
use super::json::Json;
use super::reader::{Fields, Place, ReadError, shown};

/// The value of the field `format`.
const FORMAT: &str = "signer-proxy watermarks";
/// The value of the field `version`.
const VERSION: u32 = 1;

/// The watermarks of one store at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The identity of the store that they are from.
    pub lineage: String,
    /// When the document was made.
    pub created: Timestamp,
    /// Since when the store signs nothing any more; absent means that it may still sign.
    pub sealed: Option<Timestamp>,
    /// How many commits made the store; only a witness has it, to be compared with the store itself.
    pub commits: Option<u64>,
    /// Who wrote it, 32 hexadecimal digits that each opening of a store draws anew; only a witness has it, to tell
    /// the processes apart that write one.
    pub writer: Option<String>,
    /// All accounts, each once.
    pub accounts: Vec<DocumentAccount>,
}

/// The watermarks of one key on one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentAccount {
    /// The chain.
    pub chain: ChainId,
    /// The key.
    pub key: PublicKeyHash,
    /// The level above which this store never signs.
    pub stop_at: Option<Level>,
    /// Why signing with the key was halted.
    pub halted: Option<Halted>,
    /// One for each kind that has a watermark.
    pub watermarks: Vec<Mark>,
}

/// A halt that stood when the document was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halted {
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

impl From<Halt> for Halted {
    fn from(Halt { at, reason }: Halt) -> Self {
        Self { at, reason }
    }
}

/// One watermark: nothing at or below it may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The kind.
    pub kind: ConsensusKind,
    /// The position; round 1000 bars the whole level.
    pub position: Position,
    /// When it last rose.
    pub since: Timestamp,
}

impl Document {
    /// Everything that a store of this lineage holds, but for its claims, its signatures and the number of its
    /// commits.
    #[must_use]
    pub fn of_book(lineage: &str, book: &Book, created: Timestamp) -> Self {
        let mut accounts: BTreeMap<Account, DocumentAccount> = BTreeMap::new();
        // Sorted, so that the same contents give the same document.
        let streams: BTreeMap<_, _> = book.streams.iter().collect();
        for (stream, state) in streams {
            let account = DocumentAccount::entry(&mut accounts, (*stream).into());
            account.watermarks.push(Mark {
                kind: stream.kind,
                position: state.floor,
                since: state.floor_at,
            });
        }
        let limited = book.accounts.iter();
        for (account, state) in limited.filter(|(_, state)| **state != AccountState::default()) {
            let account = DocumentAccount::entry(&mut accounts, *account);
            account.stop_at = state.stop_at;
            account.halted = state.halt.clone().map(Halted::from);
        }
        Self {
            lineage: lineage.to_owned(),
            created,
            sealed: book.sealed,
            commits: None,
            writer: None,
            accounts: accounts.into_values().collect(),
        }
    }

    /// Reads a document. `file` is its name in errors.
    ///
    /// # Errors
    /// [`ReadError`] for anything but a document of this format, whole and unchanged.
    pub fn read(file: &str, text: &[u8]) -> Result<Self, ReadError> {
        let json = Json::parse(text)
            .map_err(|error| ReadError::whole(file, format!("not JSON: {error}")))?;
        Self::from_json(file, &json)
    }

    /// Whether `text`, which [`Self::read`] refuses, is all the same a document as it was meant: one of a version,
    /// or with words, that this program does not know. A newer program wrote it, and it may say much.
    #[must_use]
    pub fn is_newer(text: &[u8]) -> bool {
        let Ok(json) = Json::parse(text) else {
            return false;
        };
        let Json::Object(fields) = &json else {
            return false;
        };
        let find = |wanted: &str| {
            let found = fields.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value)
        };
        let is_text = |name: &str, text: &str| match find(name) {
            Some(Json::Text(found)) => found == text,
            Some(
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_),
            )
            | None => false,
        };
        let version = match find("version") {
            Some(Json::Number(number)) => number.as_u64(),
            Some(Json::Null | Json::Bool(_) | Json::Text(_) | Json::List(_) | Json::Object(_))
            | None => None,
        };
        is_text("format", FORMAT)
            && version.is_some_and(|version| {
                // How another version makes its checksum is not known.
                version != u64::from(VERSION)
                    || is_text("checksum", &checksum(fields, "checksum").to_string())
            })
    }

    /// Whether `json` says of itself that it is one.
    pub(super) fn is_meant(json: &Json) -> bool {
        matches!(json, Json::Object(fields) if fields.iter().any(|(name, _)| name == "format"))
    }

    pub(super) fn from_json(file: &str, json: &Json) -> Result<Self, ReadError> {
        let root = Place::root(file, json);
        check_version(&root)?;
        let fields = root.object(&[
            "format", "version", "lineage", "created", "sealed", "commits", "writer", "accounts",
            "checksum",
        ])?;
        check_sum(&fields)?;
        let lineage = fields.required("lineage")?;
        if printable(&lineage, "the lineage of a store")?.is_empty() {
            return Err(lineage.error("an empty text is not the lineage of a store"));
        }
        let mut accounts = Vec::new();
        let mut seen = BTreeSet::new();
        for place in fields.required("accounts")?.list()? {
            let account = account(place.clone())?;
            if !seen.insert((account.chain, account.key)) {
                let (chain, key) = (account.chain, account.key);
                return Err(place.error(format!("{key} on {chain} stands twice")));
            }
            accounts.push(account);
        }
        Ok(Self {
            lineage: lineage.text()?.to_owned(),
            created: fields.required("created")?.time()?,
            sealed: match fields.required("sealed")?.nullable() {
                Some(place) => Some(place.time()?),
                None => None,
            },
            commits: match fields.optional("commits") {
                Some(place) => Some(place.count()?),
                None => None,
            },
            writer: match fields.optional("writer") {
                Some(place) => Some(writer(&place)?),
                None => None,
            },
            accounts,
        })
    }
}

impl DocumentAccount {
    /// The entry of `account`, empty if it is new.
    fn entry(accounts: &mut BTreeMap<Account, Self>, account: Account) -> &mut Self {
        accounts.entry(account).or_insert_with(|| Self {
            chain: account.chain,
            key: account.key,
            stop_at: None,
            halted: None,
            watermarks: Vec::new(),
        })
    }
}

/// Format and version come first: of a newer version nothing else can be said.
fn check_version(root: &Place<'_>) -> Result<(), ReadError> {
    let entries = root.entries()?;
    let find = |wanted: &str| {
        let found = entries.iter().find(|(name, _)| *name == wanted);
        found
            .map(|(_, place)| place)
            .ok_or_else(|| root.error(format!("the field {wanted} is missing")))
    };
    let format = find("format")?;
    if format.text()? != FORMAT {
        return Err(format.error(format!("only {FORMAT:?} can be read here")));
    }
    let version = find("version")?;
    match version.number()? {
        VERSION => Ok(()),
        other => Err(version.error(format!(
            "version {other} of the format is not known, this program reads version {VERSION}; use the \
             program that wrote it, or a newer one"
        ))),
    }
}

fn check_sum(fields: &Fields<'_>) -> Result<(), ReadError> {
    let place = fields.required("checksum")?;
    let (says, is) = (
        place.text()?,
        checksum(fields.all(), "checksum").to_string(),
    );
    if says == is {
        return Ok(());
    }
    Err(place.error(format!(
        "the content was changed after it was written: its checksum is {is}, not {}; export it \
         again, or, if the change is meant, write the first of the two here",
        shown(says)
    )))
}

fn account(place: Place<'_>) -> Result<DocumentAccount, ReadError> {
    let fields = place.object(&["chain", "key", "stop-at", "halted", "watermarks"])?;
    let mut watermarks: Vec<Mark> = Vec::new();
    for place in fields.required("watermarks")?.list()? {
        let mark = mark(place.clone())?;
        if watermarks.iter().any(|other| other.kind == mark.kind) {
            return Err(place.error(format!("{} stands twice", mark.kind)));
        }
        watermarks.push(mark);
    }
    Ok(DocumentAccount {
        chain: fields.required("chain")?.chain()?,
        key: fields.required("key")?.key()?,
        stop_at: match fields.required("stop-at")?.nullable() {
            Some(place) => Some(place.level()?),
            None => None,
        },
        halted: match fields.required("halted")?.nullable() {
            Some(place) => Some(halted(place)?),
            None => None,
        },
        watermarks,
    })
}

/// A text that can stand in a sentence: somebody else may have written it.
fn printable<'a>(place: &Place<'a>, what: &str) -> Result<&'a str, ReadError> {
    let text = place.text()?;
    if text.contains(char::is_control) {
        return Err(place.error(format!("{} is not {what}", shown(text))));
    }
    Ok(text)
}

fn writer(place: &Place<'_>) -> Result<String, ReadError> {
    let text = place.text()?;
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() == 32 && text.bytes().all(is_digit) {
        return Ok(text.to_owned());
    }
    Err(place.error(format!(
        "{} is not a writer (32 hexadecimal digits, 0-9 and a-f)",
        shown(text)
    )))
}

fn halted(place: Place<'_>) -> Result<Halted, ReadError> {
    let fields = place.object(&["at", "reason"])?;
    Ok(Halted {
        at: fields.required("at")?.time()?,
        reason: printable(&fields.required("reason")?, "a reason")?.to_owned(),
    })
}

fn mark(place: Place<'_>) -> Result<Mark, ReadError> {
    let fields = place.object(&["kind", "level", "round", "since"])?;
    Ok(Mark {
        kind: fields.required("kind")?.kind()?,
        position: Position::new(
            fields.required("level")?.level()?,
            fields.required("round")?.round()?,
        ),
        since: fields.required("since")?.time()?,
    })
}

#[cfg(test)]
pub(super) mod tests;
