//! `docs/watermarks.schema.json` says of documents what the reader says: of real ones, of those in the
//! documentation, and of damaged ones.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop at once"
)]

use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};
use signer_proxy::tezos::{ChainId, ConsensusKind, Level, Position};
use signer_proxy::transfer::{Document, DocumentAccount, Halted, Mark};

const KEYS: [&str; 2] = [
    "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb",
    "tz4HVR6aty9KwsQFHh81C1G7gBdhxT8kuytm",
];

struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn load() -> Self {
        let mut schemas = Schemas::new();
        let file = root().join("docs/watermarks.schema.json");
        let index = Compiler::new().compile(file.to_str().unwrap(), &mut schemas);
        let index = index.unwrap_or_else(|error| panic!("{error:#}"));
        Self { schemas, index }
    }

    /// Why the document is refused.
    fn verdict(&self, document: &Value) -> Result<(), String> {
        let verdict = self.schemas.validate(document, self.index);
        verdict.map_err(|error| format!("{error:#}"))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn full() -> Document {
    let time = |text: &str| text.parse().unwrap();
    let accounts = KEYS
        .iter()
        .zip([ChainId::MAINNET, ChainId::from_bytes([0xff; 4])]);
    let accounts = accounts.map(|(key, chain)| DocumentAccount {
        chain,
        key: key.parse().unwrap(),
        stop_at: (chain == ChainId::MAINNET).then_some(Level::MAX),
        halted: (chain == ChainId::MAINNET).then(|| Halted {
            at: time("2026-11-23T04:05:06.789Z"),
            reason: "a signer refused bytes that it had not been asked for".to_owned(),
        }),
        watermarks: ConsensusKind::ALL
            .map(|kind| Mark {
                kind,
                position: Position::end_of_level(Level::new(12_000_000).unwrap()),
                since: time("2026-11-23T04:05:06Z"),
            })
            .to_vec(),
    });
    Document {
        lineage: "mine".to_owned(),
        created: time("2026-11-23T05:00:00Z"),
        sealed: None,
        commits: Some(4_711),
        writer: Some("00112233445566778899aabbccddeeff".to_owned()),
        accounts: accounts.collect(),
    }
}

fn value() -> Value {
    serde_json::from_str(&full().to_text()).unwrap()
}

/// The reader's verdict on `document`, as if its checksum had been made for it.
fn read(document: &Value) -> Result<Document, String> {
    let read = |document: &Value| Document::read("w.json", document.to_string().as_bytes());
    let error = match read(document) {
        Ok(document) => return Ok(document),
        Err(error) => error.to_string(),
    };
    let Some(sum) = error.split("its checksum is ").nth(1) else {
        return Err(error);
    };
    let mut summed = document.clone();
    summed["checksum"] = sum.split(',').next().unwrap().into();
    read(&summed).map_err(|error| error.to_string())
}

/// Every JSON pointer into `value`.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                pointers(value, &format!("{at}/{name}"), all);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                pointers(value, &format!("{at}/{index}"), all);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn what_is_exported_fits_the_schema() {
    let schema = Schema::load();
    let empty = Document {
        accounts: Vec::new(),
        sealed: "2026-11-23T05:00:00.001Z".parse().ok(),
        commits: None,
        writer: None,
        ..full()
    };
    for document in [full(), empty] {
        let text = document.to_text();
        let value = serde_json::from_str(&text).unwrap();
        assert_eq!(schema.verdict(&value), Ok(()), "{text}");
        assert_eq!(read(&value), Ok(document));
    }
}

#[test]
fn every_document_of_the_documentation_fits_the_schema_and_is_read() {
    let schema = Schema::load();
    let text = std::fs::read_to_string(root().join("docs/moving.md")).unwrap();
    let blocks = text.split("```json\n").skip(1);
    let documents: Vec<_> = blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(!documents.is_empty());
    for document in documents {
        let value = serde_json::from_str(document).unwrap();
        assert_eq!(schema.verdict(&value), Ok(()), "{document}");
        let read = Document::read("docs/moving.md", document.as_bytes());
        // Laid out as the program does it, too.
        assert_eq!(read.unwrap().to_text(), document);
    }
}

#[test]
fn what_the_reader_refuses_the_schema_refuses() {
    let schema = Schema::load();
    let whole = value();
    let mut all = Vec::new();
    pointers(&whole, "", &mut all);
    let strange = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0.5),
        json!(1_001),
        json!(2_147_483_648_u32),
        json!(""),
        json!("x"),
        json!("2026-11-23T04:05:06+00:00"),
        json!("2026-11-23 04:05:06Z"),
        json!("tz9VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb"),
        json!("tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcj"),
        json!("NetXdQprcVkpa"),
        json!("00112233445566778899AABBCCDDEEFF"),
        json!("00112233445566778899aabbccddeef"),
        json!("ffeeddccbbaa99887766554433221100"),
        json!([]),
        json!({}),
        json!([{}]),
    ];
    let mut refused = 0;
    // A checksum that does not fit is what the reader helps with elsewhere in this file.
    for pointer in all.iter().filter(|pointer| *pointer != "/checksum") {
        for other in &strange {
            let mut damaged = whole.clone();
            *damaged.pointer_mut(pointer).unwrap() = other.clone();
            let (reader, schema) = (read(&damaged), schema.verdict(&damaged));
            assert_eq!(
                reader.is_ok(),
                schema.is_ok(),
                "{pointer} = {other}: {reader:?} {schema:?}"
            );
            refused += usize::from(reader.is_err());
        }
    }
    assert!(refused > 500, "{refused}");
}

#[test]
fn a_field_left_out_or_added_is_refused_by_both() {
    let schema = Schema::load();
    let whole = value();
    let mut all = Vec::new();
    pointers(&whole, "", &mut all);
    for pointer in &all {
        let Some(Value::Object(fields)) = whole.pointer(pointer) else {
            continue;
        };
        let mut added = whole.clone();
        added.pointer_mut(pointer).unwrap()["extra"] = json!(1);
        let mut damaged = vec![added];
        // Only a witness has the number of commits and its writer.
        let is_required = |name: &&String| !["commits", "writer"].contains(&name.as_str());
        for name in fields.keys().filter(is_required) {
            let mut without = whole.clone();
            let fields = without.pointer_mut(pointer).unwrap().as_object_mut();
            fields.unwrap().remove(name);
            damaged.push(without);
        }
        for damaged in damaged {
            assert!(schema.verdict(&damaged).is_err(), "{pointer}: {damaged}");
            assert!(read(&damaged).is_err(), "{pointer}: {damaged}");
        }
    }
}

#[test]
fn what_no_schema_can_say_the_reader_says() {
    let schema = Schema::load();
    let mut twice = value();
    let first = twice["accounts"][0].clone();
    twice["accounts"].as_array_mut().unwrap().push(first);
    let mut mistyped = value();
    mistyped["accounts"][0]["key"] = json!("tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjc");
    let mut no_day = value();
    no_day["created"] = json!("2026-02-30T04:05:06Z");
    for damaged in [twice, mistyped, no_day] {
        assert_eq!(schema.verdict(&damaged), Ok(()));
        assert!(read(&damaged).is_err());
    }
}
