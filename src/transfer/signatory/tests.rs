//! Signatory's files as they are written, and everything about them that must be refused.

use crate::fixture::{at, key};
use crate::transfer::source::{Source, SourceFile, read};

use super::*;

const NAME: &str = "NetXdQprcVkpaWU.json";
const HASH: &str = "vh2Sqiiseutbb13hthkf2usRi3rko4wTcq5yQKn6zubBDwoCHJoT";

fn parse(content: &str) -> Result<Source, ReadError> {
    read(&[SourceFile {
        name: NAME.to_owned(),
        shown: NAME.to_owned(),
        content: content.as_bytes().to_owned(),
    }])
}

fn file(kind: &str, mark: &str) -> String {
    format!(
        "{{\n    \"{}\": {{\n        \"{kind}\": {mark}\n    }}\n}}",
        key()
    )
}

fn whole(level: u32) -> String {
    format!(r#"{{"level": {level}, "round": 2, "hash": "{HASH}"}}"#)
}

#[test]
fn the_kinds_of_all_versions_are_known() {
    for (name, kind, position) in [
        ("attestation", ConsensusKind::Attestation, at(7, 2)),
        ("attestation_with_dal", ConsensusKind::Attestation, at(7, 2)),
        ("endorsement", ConsensusKind::Attestation, at(7, 2)),
        ("preattestation", ConsensusKind::Preattestation, at(7, 2)),
        ("preendorsement", ConsensusKind::Preattestation, at(7, 2)),
    ] {
        let source = parse(&file(name, &whole(7))).unwrap();
        assert_eq!(source.what, "Signatory");
        assert_eq!(source.accounts[0].chain, ChainId::MAINNET);
        assert_eq!(
            source.accounts[0].marks,
            [(kind, position)].into(),
            "{name}"
        );
    }
}

#[test]
fn a_block_bars_its_whole_level_because_its_round_is_that_of_the_payload() {
    let source = parse(&file("block", &whole(7))).unwrap();
    let expected = [(ConsensusKind::Block, at(7, 1000))];
    assert_eq!(source.accounts[0].marks, expected.into());
}

#[test]
fn votes_with_and_without_data_availability_are_one_stream() {
    let text = format!(
        r#"{{"{}":{{"attestation":{},"attestation_with_dal":{},"endorsement":{}}}}}"#,
        key(),
        whole(7),
        whole(9),
        whole(8)
    );
    let source = parse(&text).unwrap();
    let expected = [(ConsensusKind::Attestation, at(9, 2))];
    assert_eq!(source.accounts[0].marks, expected.into());
}

#[test]
fn a_mark_without_a_hash_is_a_mark() {
    let text = file("attestation", r#"{"level":7,"round":0,"hash":null}"#);
    let expected = [(ConsensusKind::Attestation, at(7, 0))];
    assert_eq!(parse(&text).unwrap().accounts[0].marks, expected.into());
}

#[test]
fn what_is_not_understood_is_named_with_file_field_and_value() {
    let mark = |from: &str, to: &str| file("block", &whole(7).replace(from, to));
    let field = format!("{}.block", key());
    let long = "1".repeat(1 << 20);
    let table = [
        ("[]".to_owned(), "a list is not an object".to_owned()),
        (
            file("generic", &whole(7)),
            "\"generic\" is not a kind".to_owned(),
        ),
        (
            file("block", "[]"),
            format!("{field}: a list is not an object"),
        ),
        (mark("7", "-7"), format!("{field}.level: -7 is not a level")),
        (
            mark("\"round\": 2", "\"round\": 1001"),
            format!("{field}.round: 1001 is not a round"),
        ),
        (
            mark("\"round\": 2, ", ""),
            format!("{field}: the field round is missing"),
        ),
        (
            mark("\"round\"", "\"order\""),
            format!("{field}.order: \"order\" is not a field"),
        ),
        (
            mark(HASH, "vh2"),
            format!("{field}.hash: \"vh2\" is not a hash of the form vh..."),
        ),
        (mark(HASH, &long), format!("{field}.hash: ")),
        (mark("vh2", "vh0"), format!("{field}.hash: ")),
        (
            file("block", &whole(7)).replace("tz1", "tz9"),
            "is not a public key hash".to_owned(),
        ),
    ];
    for (text, expected) in table {
        let sentence = parse(&text).unwrap_err().to_string();
        assert!(sentence.starts_with(&format!("{NAME}: ")), "{sentence}");
        assert!(sentence.contains(&expected), "{expected}: {sentence}");
        assert!(sentence.len() < 500, "{sentence}");
    }
}
