//! Documents: what is written is read back, and nothing else is read.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture::{at, key, second};

use super::*;

/// A document with every field in use.
pub(in crate::transfer) fn full() -> Document {
    let mark = |kind, position| Mark {
        kind,
        position,
        since: second(1_000),
    };
    Document {
        lineage: "0123456789abcdef0123456789abcdef".to_owned(),
        created: second(2_000),
        sealed: Some(second(1_999)),
        commits: Some(u64::MAX),
        writer: Some("00112233445566778899aabbccddeeff".to_owned()),
        accounts: vec![
            DocumentAccount {
                chain: ChainId::MAINNET,
                key: key(),
                stop_at: Level::new(110),
                halted: Some(Halted {
                    at: second(1_500),
                    reason: "home-a signed \"other\" bytes \\ at é".to_owned(),
                }),
                watermarks: vec![
                    mark(ConsensusKind::Attestation, at(100, 3)),
                    mark(ConsensusKind::Block, at(99, 1000)),
                ],
            },
            DocumentAccount {
                chain: ChainId::from_bytes([0xff; 4]),
                key: key(),
                stop_at: None,
                halted: None,
                watermarks: Vec::new(),
            },
        ],
    }
}

fn read(text: &str) -> Result<Document, ReadError> {
    Document::read("w.json", text.as_bytes())
}

/// The sentence about the full document after `change`, with a checksum that fits.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut value: Value = serde_json::from_str(&full().to_text()).unwrap();
    change(&mut value);
    if let Value::Object(fields) = &mut value {
        let Json::Object(ours) =
            Json::parse(Value::Object(fields.clone()).to_string().as_bytes()).unwrap()
        else {
            panic!("an object");
        };
        if fields.contains_key("checksum") {
            let sum = checksum(&ours, "checksum").to_string();
            fields.insert("checksum".to_owned(), sum.into());
        }
    }
    read(&value.to_string()).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read_back() {
    let text = full().to_text();
    assert_eq!(read(&text), Ok(full()));
    assert_eq!(read(&text).unwrap().to_text(), text);
}

#[test]
fn a_document_is_these_lines() {
    let text = full().to_text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "{",
            "  \"format\": \"signer-proxy watermarks\",",
            "  \"version\": 1,",
            "  \"lineage\": \"0123456789abcdef0123456789abcdef\","
        ]
    );
    let mark = "        { \"kind\": \"block\", \"level\": 99, \"round\": 1000, \"since\": \"1970-01-01T00:16:40Z\" }";
    assert!(lines.contains(&mark), "{text}");
    assert!(lines.contains(&"      \"watermarks\": []"), "{text}");
    // Whoever reads it by other means sees the same.
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["accounts"][0]["stop-at"], 110);
    assert_eq!(
        value["accounts"][0]["halted"]["reason"],
        "home-a signed \"other\" bytes \\ at é"
    );
}

#[test]
fn the_checksum_is_that_of_the_sorted_text_without_white_space() {
    let mut value: Value = serde_json::from_str(&full().to_text()).unwrap();
    let sum = value.as_object_mut().unwrap().remove("checksum").unwrap();
    // `serde_json` sorts the fields of a value, unless a feature is switched on somewhere.
    let text = value.to_string();
    assert!(text.starts_with("{\"accounts\":[{\"chain\":"), "{text}");
    assert_eq!(sum, crate::tezos::digest(text.as_bytes()).to_string());
}

#[test]
fn layout_does_not_matter_but_any_other_change_is_found_out() {
    let value: Value = serde_json::from_str(&full().to_text()).unwrap();
    assert_eq!(read(&value.to_string()), Ok(full()));
    let edited = full().to_text().replace("\"level\": 99", "\"level\": 98");
    let sentence = read(&edited).unwrap_err().to_string();
    assert!(
        sentence.starts_with("w.json: checksum: the content was changed"),
        "{sentence}"
    );
    // The sentence holds what makes a meant change valid.
    let sum = sentence
        .split("its checksum is ")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    let old = value["checksum"].as_str().unwrap();
    let meant = read(&edited.replace(old, sum)).unwrap();
    assert_eq!(meant.accounts[0].watermarks[1].position, at(98, 1000));
}

#[test]
fn a_document_cut_anywhere_is_refused() {
    let text = full().to_text();
    let whole = text.trim_end().chars().count();
    for end in 0..whole {
        let cut: String = text.chars().take(end).collect();
        assert!(read(&cut).is_err(), "cut at {end}");
    }
}

/// The sentences about the full document with the value at a JSON pointer replaced.
fn assert_named(table: &[(&str, Value, &str)]) {
    for (pointer, value, expected) in table {
        let sentence = changed(|document| *document.pointer_mut(pointer).unwrap() = value.clone());
        assert!(sentence.starts_with("w.json: "), "{sentence}");
        assert!(sentence.contains(expected), "{expected}: {sentence}");
    }
}

#[test]
fn a_wrong_field_of_the_document_is_named_with_its_value() {
    assert_named(&[
        (
            "/version",
            json!(2),
            "version: version 2 of the format is not known",
        ),
        (
            "/version",
            json!("1"),
            "version: \"1\" is not a whole number",
        ),
        (
            "/format",
            json!("other"),
            "format: only \"signer-proxy watermarks\"",
        ),
        ("/lineage", json!(""), "lineage: an empty text"),
        ("/lineage", json!(null), "lineage: null is not a text"),
        (
            "/lineage",
            json!("a\u{1b}[2J"),
            "lineage: \"a\\u{1b}[2J\" is not the lineage",
        ),
        (
            "/created",
            json!("yesterday"),
            "created: \"yesterday\" is not a time",
        ),
        (
            "/created",
            json!("1970-01-01T01:33:20+01:00"),
            "created: \"1970",
        ),
        ("/sealed", json!(true), "sealed: true is not a text"),
        ("/accounts", json!({}), "accounts: an object is not a list"),
        (
            "/accounts/0",
            json!([]),
            "accounts[0]: a list is not an object",
        ),
    ]);
    let minus = changed(|document| document["commits"] = json!(-1));
    assert!(minus.contains("commits: -1 is not a count"), "{minus}");
    let extra = changed(|document| document["extra"] = json!(1));
    assert!(extra.contains("extra: \"extra\" is not a field"), "{extra}");
}

#[test]
fn a_wrong_field_of_an_account_is_named_with_its_value() {
    let twice = changed(|v| v["accounts"][1] = v["accounts"][0].clone());
    assert!(
        twice.contains("accounts[1]: tz1") && twice.contains("stands twice"),
        "{twice}"
    );
    assert_named(&[
        (
            "/accounts/0/chain",
            json!("NetXdQprcVkpaWV"),
            "accounts[0].chain: \"NetXdQprcVkpaWV\"",
        ),
        (
            "/accounts/0/key",
            json!("tz1nobody"),
            "accounts[0].key: \"tz1nobody\" is not a public key hash",
        ),
        (
            "/accounts/0/stop-at",
            json!(-1),
            "accounts[0].stop-at: -1 is not a level",
        ),
        (
            "/accounts/0/halted",
            json!({"at": "1970-01-01T00:00:00Z"}),
            "accounts[0].halted: the field reason is missing",
        ),
        (
            "/accounts/0/watermarks/1/level",
            json!(2_147_483_648_u32),
            "watermarks[1].level: 2147483648 is not a level",
        ),
        (
            "/accounts/0/watermarks/1/level",
            json!(1.5),
            "watermarks[1].level: 1.5 is not a level",
        ),
        (
            "/accounts/0/watermarks/1/round",
            json!(1001),
            "watermarks[1].round: 1001 is not a round",
        ),
        (
            "/accounts/0/watermarks/1/kind",
            json!("blok"),
            "watermarks[1].kind: unknown kind \"blok\"",
        ),
        (
            "/accounts/0/watermarks/1/kind",
            json!("attestation"),
            "watermarks[1]: attestation stands twice",
        ),
        (
            "/accounts/0/watermarks/1",
            json!({"kind": "block"}),
            "watermarks[1]: the field level is missing",
        ),
    ]);
}

#[test]
fn every_field_must_be_there() {
    for name in [
        "format", "version", "lineage", "created", "sealed", "accounts", "checksum",
    ] {
        let sentence = changed(|value| drop(value.as_object_mut().unwrap().remove(name)));
        assert_eq!(sentence, format!("w.json: the field {name} is missing"));
    }
    for name in ["chain", "key", "stop-at", "halted", "watermarks"] {
        let sentence =
            changed(|value| drop(value["accounts"][0].as_object_mut().unwrap().remove(name)));
        assert_eq!(
            sentence,
            format!("w.json: accounts[0]: the field {name} is missing")
        );
    }
}

#[test]
fn the_number_of_commits_and_the_writer_may_be_left_out_and_are_then_not_written() {
    let uncounted = Document {
        commits: None,
        writer: None,
        ..full()
    };
    let text = uncounted.to_text();
    assert!(
        !text.contains("commits") && !text.contains("writer"),
        "{text}"
    );
    assert_eq!(read(&text), Ok(uncounted));
    assert!(
        full()
            .to_text()
            .contains("\n  \"commits\": 18446744073709551615,\n")
    );
}

#[test]
fn a_newer_version_is_named_before_anything_else_is_complained_about() {
    let sentence = read(r#"{"novelty":1,"version":7,"format":"signer-proxy watermarks"}"#);
    let sentence = sentence.unwrap_err().to_string();
    assert!(
        sentence.contains("version 7 of the format is not known"),
        "{sentence}"
    );
}

#[test]
fn a_document_of_a_newer_program_is_told_from_a_damaged_one() {
    let text = full().to_text();
    let is_newer = |text: &str| Document::is_newer(text.as_bytes());
    let sum = |changed: &str| {
        let error = read(changed).unwrap_err().to_string();
        error.split("its checksum is ").nth(1).map(|rest| {
            let sum = rest.split(',').next().unwrap().to_owned();
            changed.replace(text.rsplit('"').nth(1).unwrap(), &sum)
        })
    };
    assert!(is_newer(
        &text.replace("\"version\": 1,", "\"version\": 2,")
    ));
    // Whole, and with a kind that is not known here.
    let kind = text.replace("\"kind\": \"block\"", "\"kind\": \"vote\"");
    assert!(!is_newer(&kind));
    let kind = sum(&kind).unwrap();
    assert!(read(&kind).is_err() && is_newer(&kind), "{kind}");
    for damaged in [
        text.split_at(text.len() / 2).0,
        "",
        "[]",
        "{\"version\":2}",
        &text.replace("\"level\": 99", "\"level\": 98"),
        &text.replace("\"version\": 1,", "\"version\": \"2\","),
        &text.replace("signer-proxy watermarks", "somebody's watermarks"),
    ] {
        assert!(!is_newer(damaged), "{damaged}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_document_or_a_sentence(bytes: Vec<u8>) {
        if let Err(error) = Document::read("w.json", &bytes) {
            prop_assert!(error.to_string().starts_with("w.json: "));
        }
    }

    #[test]
    fn a_changed_byte_is_never_read_as_another_document(at: proptest::sample::Index, to: u8) {
        let mut bytes = full().to_text().into_bytes();
        *at.get_mut(&mut bytes) = to;
        if let Ok(document) = Document::read("w.json", &bytes) {
            prop_assert_eq!(document, full());
        }
    }
}
