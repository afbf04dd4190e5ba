//! What needs the inside of the reader; everything else is tested from outside.

mod accepted;
mod deep_probe;
mod doors;
mod keys;
mod store;
mod urls;
mod variables;

use proptest::prelude::*;

use super::environment::Overrides;
use super::reader::Reader;
use super::{Loaded, Report, from_text, shown, tables};

const EVERY_KEY: &str = include_str!("../../config/every-key.toml");
const MANUAL: &str = include_str!("../../docs/configuration.md");

/// Lines that look enough like a configuration to get past the syntax.
const LINE: &str = "\\[{0,2}\
    (listen|admin|state|signer|signer\\.path|key|chain|probe|auth)?\\]{0,2}|\
    (http|url|hash|name|path|period|capacity|allow|directory|public-key|block-time|prefix)\
    \x20?= ?(\"[ -~]{0,12}\"|\
    -?[0-9]{1,40}|\\[[^\\n]{0,8}\\]|\\{[^\\n]{0,8}\\}|true|[^\\n]{0,8})";

/// Every key that the reader asks for, dotted, without indices.
fn keys_asked_for(text: &str) -> Vec<String> {
    let mut reader = Reader::new("every-key.toml", text, Overrides::default());
    reader.document(text, tables::document);
    reader.asked.iter().cloned().collect()
}

/// Every key that a document has, dotted, without indices.
fn keys_given(table: &toml::Table, prefix: &str, keys: &mut Vec<String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        let tables = value.as_array().into_iter().flatten().chain([value]);
        for table in tables.filter_map(toml::Value::as_table) {
            keys_given(table, &key, keys);
        }
        keys.push(key);
    }
}

/// A state directory and a signer, for texts that are about something else.
const REST: &str = "
[state]
directory = \"/s\"
[[signer]]
name = \"a\"
[[signer.path]]
url = \"http://h:1\"
";

fn read(text: &str) -> Result<Loaded, Report> {
    from_text("t", text, std::iter::empty())
}

/// The findings of a text, as people see them.
fn lines_of(result: &Result<Loaded, Report>) -> Vec<String> {
    match result {
        Ok(_) => Vec::new(),
        Err(report) => report.findings.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_example_of_every_key_has_every_key() {
    let mut given = Vec::new();
    keys_given(&EVERY_KEY.parse().unwrap(), "", &mut given);
    for key in keys_asked_for(EVERY_KEY) {
        assert!(given.contains(&key), "config/every-key.toml lacks {key}");
    }
}

#[test]
fn the_manual_describes_every_key() {
    for key in keys_asked_for(EVERY_KEY) {
        let named = [
            format!("`{key}`"),
            format!("`[{key}]`"),
            format!("`[[{key}]]`"),
        ];
        assert!(
            named.iter().any(|name| MANUAL.contains(name)),
            "docs/configuration.md lacks {key}"
        );
    }
}

#[test]
fn every_scalar_of_a_single_table_can_be_set_by_a_variable() {
    let mut reader = Reader::new("t", "", Overrides::default());
    reader.document("", tables::document);
    let settable: Vec<&str> = reader.settable.iter().map(String::as_str).collect();
    assert_eq!(
        settable,
        [
            "admin.listen",
            "admin.socket",
            "admin.tls.certificate",
            "admin.tls.key",
            "admin.token-file",
            "auth.mode",
            "auth.signing-key-file",
            "deadline.consensus",
            "deadline.other",
            "guard.level-gap",
            "guard.two-bakers",
            "limits.client-burst",
            "limits.client-concurrency",
            "limits.client-rate",
            "listen.http",
            "listen.https",
            "listen.known-keys",
            "listen.tcp",
            "listen.tls.certificate",
            "listen.tls.client-ca",
            "listen.tls.key",
            "listen.unix",
            "node.url",
            "probe.period",
            "probe.timeout",
            "state.directory",
            "state.lineage",
            "state.witness",
            "store.kind",
            "store.password-file",
            "store.prefix",
            "store.timeout",
            "store.tls.ca",
            "store.tls.certificate",
            "store.tls.key",
            "store.tls.server-name",
            "store.user",
        ]
    );
}

#[test]
fn shown_values_hide_credentials() {
    assert_eq!(
        shown::text("http://me:pw@host:1/x"),
        "\"http://***@host:1/x\""
    );
    assert_eq!(
        shown::text("http://host:1?token=pw"),
        "\"http://host:1?***\""
    );
    assert_eq!(shown::text("me:pw@host:1"), "\"***@host:1\"");
    assert_eq!(
        shown::text("edsk3gUfUPyBSfrS9C"),
        "\"(secret key, not shown)\""
    );
    assert_eq!(shown::text("a\nb\u{1b}"), "\"a\\nb\\u{1b}\"");
    assert!(shown::text(&"x".repeat(1000)).len() < 100);
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        lines_of(&read(&text));
    }

    #[test]
    fn an_effective_text_loads_to_itself_whatever_the_names(directory in "[^\0]{1,20}") {
        let quoted = toml::Value::String(directory.clone()).to_string();
        let first = read(&REST.replace("\"/s\"", &quoted)).unwrap();
        prop_assert_eq!(first.settings.state.directory.to_str(), Some(directory.as_str()));
        let second = read(&first.effective).unwrap();
        prop_assert_eq!(first.effective, second.effective);
    }

    #[test]
    fn arbitrary_toml_like_text_never_panics(
        lines in proptest::collection::vec(
            LINE,
            0..20,
        )
    ) {
        lines_of(&read(&lines.join("\n")));
    }

    #[test]
    fn arbitrary_values_of_variables_never_panic(name in "[A-Z_]{0,12}", value in any::<String>()) {
        let env = [
            (format!("SIGNER_PROXY__{name}"), value.clone()),
            ("SIGNER_PROXY__LISTEN__HTTP".to_owned(), value.clone()),
            ("SIGNER_PROXY__PROBE__PERIOD".to_owned(), value.clone()),
            ("SIGNER_PROXY__NODE__URL".to_owned(), value),
        ];
        let refused = from_text("t", "", env.into_iter()).is_err();
        prop_assert!(refused);
    }
}
