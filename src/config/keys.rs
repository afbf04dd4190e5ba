//! `[[key]]` and `[auth]`: which keys are served, what they may sign, and who may ask.

use std::collections::BTreeMap;
use std::error::Error;
use std::str::FromStr;

use super::reader::Located;
use super::shown;
use super::table::Table;
use super::tables::path;
use crate::settings::{Allow, Auth, AuthMode, Key};
use crate::tezos::{ConsensusKind, PublicKey, PublicKeyHash};

/// Operations that are not consensus, by the file's words.
const GENERIC: &str = "generic";
/// Packed data.
const MICHELSON: &str = "michelson";

/// What a baker needs and nothing else.
const DEFAULT_ALLOW: [ConsensusKind; 3] = [
    ConsensusKind::Block,
    ConsensusKind::Preattestation,
    ConsensusKind::Attestation,
];

/// Words of `auth.mode`.
const MODES: [(&str, AuthMode); 2] = [
    ("pass-through", AuthMode::PassThrough),
    ("own", AuthMode::Own),
];

/// `[auth]`
pub(super) fn auth(table: &mut Table<'_, '_>) -> Auth {
    let mode = table.word("mode", &MODES);
    let signing_key_file = path(table, "signing-key-file", "the proxy's own key");
    let mut seen = BTreeMap::new();
    let texts = table.texts("authorized-keys").unwrap_or_default();
    let mut authorized_keys = Vec::new();
    for text in texts {
        let Some(key) = public_key(table, text) else {
            continue;
        };
        let text = key.clone().with(key.value.to_string());
        table.unique(&mut seen, &text, "list it once");
        authorized_keys.push(key.value);
    }
    Auth {
        mode: mode.map(|at| at.value).unwrap_or_default(),
        authorized_keys,
        signing_key_file: signing_key_file.map(|at| at.value),
    }
}

/// Every `[[key]]`.
pub(super) fn keys(root: &mut Table<'_, '_>) -> Vec<Key> {
    let mut seen = BTreeMap::new();
    let keys = root.tables("key", |table, _| key(table, &mut seen));
    keys.into_iter().flatten().collect()
}

fn key(table: &mut Table<'_, '_>, seen: &mut BTreeMap<PublicKeyHash, String>) -> Option<Key> {
    table.require("hash", "write the key's hash, tz1... to tz5...");
    let hash = table.base58::<PublicKeyHash>("hash", "write a key hash, tz1... to tz5...");
    let text = table.text("public-key");
    let public_key = text.and_then(|text| public_key(table, text));
    let allow = allow(table);
    let deterministic = table.boolean("deterministic").map(|at| at.value);
    let clients = clients(table);
    let hash = hash?;
    table.unique(seen, &hash, "write one [[key]] for it");
    if let Some(public_key) = &public_key {
        check_hash(table, &hash.value, public_key);
    }
    Some(Key {
        hash: hash.value,
        public_key: public_key.map(|at| at.value),
        allow,
        deterministic: deterministic
            .unwrap_or_else(|| hash.value.curve().is_deterministic_by_default()),
        clients,
    })
}

/// `key.clients`
fn clients(table: &mut Table<'_, '_>) -> Option<Vec<String>> {
    let texts = table.texts("clients")?;
    let mut seen = BTreeMap::new();
    for text in &texts {
        if text.value.trim().is_empty() {
            let remedy = "write a name of the baker's certificate";
            table.reader.complain(&text.place, "is empty", remedy);
        }
        table.unique(&mut seen, text, "list it once");
    }
    if texts.is_empty() {
        let place = table.place_of("clients");
        let remedy = "leave clients out to let every baker ask";
        table
            .reader
            .warn(&place, "nobody may ask for this key", remedy);
    }
    Some(texts.into_iter().map(|text| text.value).collect())
}

/// The public key must be the one that the hash is of.
fn check_hash(table: &mut Table<'_, '_>, hash: &PublicKeyHash, public_key: &Located<PublicKey>) {
    let actual = public_key.value.hash();
    if actual == *hash {
        return;
    }
    let (ours, theirs) = (hash.curve(), public_key.value.curve());
    let problem = if ours == theirs {
        format!("hashes to {actual}, not to {hash}")
    } else {
        format!(
            "is a {} key, the hash is of a {} key",
            theirs.name(),
            ours.name()
        )
    };
    let remedy = "write the public key of this hash, or leave it out: it is learnt from a signer";
    table.reader.complain(&public_key.place, problem, remedy);
}

/// `key.allow`
fn allow(table: &mut Table<'_, '_>) -> Allow {
    let mut allow = Allow {
        consensus: Vec::new(),
        generic: false,
        michelson: false,
    };
    let Some(words) = table.texts("allow") else {
        allow.consensus = DEFAULT_ALLOW.to_vec();
        return allow;
    };
    let mut known: Vec<&str> = ConsensusKind::ALL.iter().map(|kind| kind.name()).collect();
    known.extend([GENERIC, MICHELSON]);
    let mut seen = BTreeMap::new();
    for word in &words {
        let text = word.value.as_str();
        if text == GENERIC {
            allow.generic = true;
        } else if text == MICHELSON {
            allow.michelson = true;
        } else if let Ok(kind) = text.parse() {
            allow.consensus.push(kind);
        } else {
            table.unknown_word(&word.place, text, &known);
            continue;
        }
        table.unique(&mut seen, word, "list it once");
    }
    if words.is_empty() {
        let place = table.place_of("allow");
        let remedy = "leave allow out for the three kinds that a baker needs";
        table
            .reader
            .warn(&place, "this key may sign nothing", remedy);
    }
    allow
}

fn public_key(table: &mut Table<'_, '_>, text: Located<String>) -> Option<Located<PublicKey>> {
    let remedy = "write a public key, edpk... sppk... p2pk... BLpk... or mdpk...";
    table.parse_base58(text, remedy)
}

/// An error with its causes: `Display` alone leaves them out.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl Table<'_, '_> {
    /// Something in base58 with a checksum.
    pub(super) fn base58<T>(&mut self, key: &'static str, remedy: &str) -> Option<Located<T>>
    where
        T: FromStr,
        T::Err: Error,
    {
        let text = self.text(key)?;
        self.parse_base58(text, remedy)
    }

    fn parse_base58<T>(&mut self, text: Located<String>, remedy: &str) -> Option<Located<T>>
    where
        T: FromStr,
        T::Err: Error,
    {
        // A secret key in the wrong place is the one mistake that must not be repeated in a log.
        let problem = if shown::is_secret(&text.value) {
            "is a secret key, which does not belong here".to_owned()
        } else {
            match text.value.parse() {
                Ok(value) => return Some(text.with(value)),
                Err(error) => with_causes(&error),
            }
        };
        self.reader.complain(&text.place, problem, remedy);
        None
    }

    /// Complains about a value that an earlier place has too.
    pub(super) fn unique<T: Ord + Clone>(
        &mut self,
        seen: &mut BTreeMap<T, String>,
        value: &Located<T>,
        remedy: &str,
    ) {
        if let Some(first) = seen.get(&value.value) {
            let problem = format!("the same as {first}");
            self.reader.complain(&value.place, problem, remedy);
            return;
        }
        seen.insert(value.value.clone(), value.place.key.clone());
    }
}
