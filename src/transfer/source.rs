//! What watermarks are taken over from, in one shape, and which files of another signer hold them.
//!
//! A file is recognised by its name and its content. Files of a signer's directory that hold no watermarks,
//! its keys above all, are not asked for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::guard::Account;
use crate::tezos::{ChainId, ConsensusKind, Level, Position, PublicKeyHash};

use super::document::{Document, Halted};
use super::json::Json;
use super::reader::{Place, ReadError};
use super::{octez, signatory};

/// The watermarks of somebody who signed with the same keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Source {
    /// What it was, for sentences: `a document of lineage ...`, `octez-signer`, `Signatory`.
    pub what: String,
    /// Since when it signs nothing any more; absent means that it may still sign.
    pub sealed: Option<Timestamp>,
    /// Each account once.
    pub accounts: Vec<SourceAccount>,
}

/// What a source says of one key on one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SourceAccount {
    /// The chain.
    pub chain: ChainId,
    /// The key.
    pub key: PublicKeyHash,
    /// The level above which the source itself refuses to sign.
    pub stop_at: Option<Level>,
    /// Why signing was halted.
    pub halted: Option<Halted>,
    /// The highest position that may have been signed, by kind.
    pub marks: BTreeMap<ConsensusKind, Position>,
}

impl SourceAccount {
    /// The account.
    #[must_use]
    pub const fn account(&self) -> Account {
        Account {
            chain: self.chain,
            key: self.key,
        }
    }
}

/// A file of a source.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its name without the folder.
    pub name: String,
    /// How errors call it.
    pub shown: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// What the name of a file in a signer's folder says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Watermarks of octez-signer, or something that is called like them.
    Octez,
    /// Watermarks of Signatory for a chain.
    Signatory,
    /// Nothing of ours to read.
    Other,
}

/// What the file `name` in a folder is. A name that only resembles that of octez-signer's watermarks is taken
/// for one, so that reading it fails with a sentence instead of leaving it out.
#[must_use]
pub fn named(name: &str) -> Named {
    if name.contains("high_watermark") {
        Named::Octez
    } else if signatory::chain_of(name).is_some() {
        Named::Signatory
    } else {
        Named::Other
    }
}

/// Reads the files of one source: a document, files of octez-signer or files of Signatory.
///
/// # Errors
/// [`ReadError`] for whatever is not understood, in any of them.
pub fn read(files: &[SourceFile]) -> Result<Source, ReadError> {
    let mut merged = Merged::default();
    let mut what = Vec::new();
    for file in files {
        let json = parse(file)?;
        if Document::is_meant(&json) {
            // A document speaks for a whole store, so it comes alone.
            return if files.len() == 1 {
                Document::from_json(&file.shown, &json).map(from_document)
            } else {
                Err(ReadError::whole(
                    &file.shown,
                    "this is a document of watermarks; name the file and not its folder",
                ))
            };
        }
        let place = Place::root(&file.shown, &json);
        let name = match named(&file.name) {
            Named::Octez => {
                octez::read(&file.name, &place, &mut merged)?;
                "octez-signer"
            }
            Named::Signatory => {
                signatory::read(&file.name, &place, &mut merged)?;
                "Signatory"
            }
            Named::Other => {
                return Err(ReadError::whole(
                    &file.shown,
                    "not a file of watermarks that this program knows: neither a document of `watermark \
                     export`, nor ..._high_watermarks of octez-signer, nor watermark_v2/NetX....json of \
                     Signatory; their names must be kept",
                ));
            }
        };
        if !what.contains(&name) {
            what.push(name);
        }
    }
    Ok(Source {
        what: what.join(" and "),
        sealed: None,
        accounts: merged.into_accounts(),
    })
}

fn parse(file: &SourceFile) -> Result<Json, ReadError> {
    if file.content.trim_ascii().is_empty() {
        return Err(ReadError::whole(
            &file.shown,
            "the file is empty: its content was lost, as in a power cut, so nobody can say from it what was \
             signed; set a watermark above everything ever signed with `signer-proxy watermark init`",
        ));
    }
    Json::parse(&file.content)
        .map_err(|error| ReadError::whole(&file.shown, format!("not JSON: {error}")))
}

/// What a document says.
#[must_use]
pub fn from_document(document: Document) -> Source {
    let accounts = document.accounts.into_iter().map(|account| SourceAccount {
        chain: account.chain,
        key: account.key,
        stop_at: account.stop_at,
        halted: account.halted,
        marks: account
            .watermarks
            .into_iter()
            .map(|mark| (mark.kind, mark.position))
            .collect(),
    });
    Source {
        what: format!("the store of lineage {}", document.lineage),
        sealed: document.sealed,
        accounts: accounts.collect(),
    }
}

/// Marks of several files, put together.
#[derive(Debug, Default)]
pub(super) struct Merged(BTreeMap<Account, BTreeMap<ConsensusKind, Position>>);

impl Merged {
    /// Notes that `kind` may have been signed up to `position`; of two marks the higher one counts.
    pub(super) fn note(&mut self, account: Account, kind: ConsensusKind, position: Position) {
        let mark = self.0.entry(account).or_default().entry(kind);
        mark.and_modify(|present| *present = position.max(*present))
            .or_insert(position);
    }

    fn into_accounts(self) -> Vec<SourceAccount> {
        let accounts = self.0.into_iter().map(|(account, marks)| SourceAccount {
            chain: account.chain,
            key: account.key,
            stop_at: None,
            halted: None,
            marks,
        });
        accounts.collect()
    }
}

#[cfg(test)]
mod tests;
