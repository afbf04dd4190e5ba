//! octez-signer's files as they are written, and everything about them that must be refused.

use crate::fixture::{at, key};
use crate::tezos::{ChainId, Curve};
use crate::transfer::source::{Source, SourceFile, read};

use super::*;

const BLOCKS: &str = "block_high_watermarks";

fn parse(name: &str, content: &str) -> Result<Source, ReadError> {
    read(&[SourceFile {
        name: name.to_owned(),
        shown: name.to_owned(),
        content: content.as_bytes().to_owned(),
    }])
}

fn file(mark: &str) -> String {
    format!(r#"{{ "NetXdQprcVkpaWU": {{ "{}": {mark} }} }}"#, key())
}

fn hash() -> String {
    "1f".repeat(32)
}

/// A mark as octez-signer writes it today.
fn whole() -> String {
    let signature = crate::fixture::signature(7).encode(Curve::Ed25519);
    format!(
        r#"{{ "level": 12345678, "round": 1, "hash": "{}", "signature": "{signature}" }}"#,
        hash()
    )
}

#[test]
fn each_file_stands_for_the_kinds_that_were_written_to_it() {
    use ConsensusKind::{Attestation, Block, LegacyBlock, LegacyEndorsement, Preattestation};
    for (name, kinds) in [
        ("attestation_high_watermarks", vec![Attestation]),
        (BLOCKS, vec![Block, LegacyBlock]),
        (
            "endorsement_high_watermarks",
            vec![Attestation, LegacyEndorsement],
        ),
        ("preattestation_high_watermarks", vec![Preattestation]),
        ("preendorsement_high_watermarks", vec![Preattestation]),
    ] {
        let source = parse(name, &file(&whole())).unwrap();
        let [account] = &source.accounts[..] else {
            panic!("{source:?}")
        };
        assert_eq!((account.chain, account.key), (ChainId::MAINNET, key()));
        let marks: Vec<_> = account
            .marks
            .iter()
            .map(|(kind, at)| (*kind, *at))
            .collect();
        let expected: Vec<_> = kinds
            .into_iter()
            .map(|kind| (kind, at(12_345_678, 1)))
            .collect();
        assert_eq!(marks, expected, "{name}");
    }
}

#[test]
fn a_mark_without_a_round_bars_its_whole_level() {
    let source = parse(
        BLOCKS,
        &file(&format!(r#"{{"level":9,"hash":"{}"}}"#, hash())),
    )
    .unwrap();
    assert_eq!(source.accounts[0].marks[&ConsensusKind::Block], at(9, 1000));
}

#[test]
fn several_chains_and_keys_are_all_read() {
    let text = format!(
        r#"{{"NetXdQprcVkpaWU":{{"{}":{m},"tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb":{m}}},"NetXxkAx4woPLyu":{{"{}":{m}}}}}"#,
        key(),
        key(),
        m = whole()
    );
    assert_eq!(parse(BLOCKS, &text).unwrap().accounts.len(), 3);
    assert!(parse(BLOCKS, "{}").unwrap().accounts.is_empty());
}

#[test]
fn a_file_that_only_resembles_one_is_named() {
    for name in [
        "ballot_high_watermarks",
        "block_high_watermark",
        "block_high_watermarks~",
    ] {
        let sentence = parse(name, &file(&whole())).unwrap_err().to_string();
        let expected =
            format!("{name}: {name:?} is not a file that octez-signer is known to write");
        assert!(sentence.starts_with(&expected), "{sentence}");
    }
}

#[test]
fn what_is_not_understood_is_named_with_file_field_and_value() {
    let field = format!("NetXdQprcVkpaWU.{}", key());
    // What is replaced in a good file, by what, and how the sentence goes on after the name of the file.
    let table = [
        (
            "12345678",
            "-1",
            format!("{field}.level: -1 is not a level"),
        ),
        (
            "12345678",
            "\"5\"",
            format!("{field}.level: \"5\" is not a level"),
        ),
        (
            "12345678",
            "2147483648",
            format!("{field}.level: 2147483648 is not a level"),
        ),
        (
            "\"round\": 1",
            "\"round\": 1001",
            format!("{field}.round: 1001 is not a round"),
        ),
        (
            "\"round\": 1",
            "\"round\": null",
            format!("{field}.round: null is not a round"),
        ),
        (
            "\"level\"",
            "\"levle\"",
            format!("{field}.levle: \"levle\" is not a field"),
        ),
        (
            "\"level\": 12345678, ",
            "",
            format!("{field}: the field level is missing"),
        ),
        (
            "\"hash\"",
            "\"signature\"",
            "not JSON: field \"signature\" stands twice".to_owned(),
        ),
        ("1f1f", "1f1", format!("{field}.hash: \"1f1")),
        ("1f1f", "zzzz", format!("{field}.hash: \"zzzz")),
        (
            "edsig",
            "edsgi",
            format!("{field}.signature: not a signature"),
        ),
        (
            "NetXdQprcVkpaWU",
            "NetXdQprcVkpaWV",
            "NetXdQprcVkpaWV: \"NetXdQprcVkpaWV\" is not a chain id".to_owned(),
        ),
        ("tz1", "tz9", "NetXdQprcVkpaWU.tz9".to_owned()),
    ];
    for (from, to, expected) in table {
        let text = file(&whole());
        assert!(text.contains(from), "{from}");
        let sentence = parse(BLOCKS, &text.replace(from, to))
            .unwrap_err()
            .to_string();
        let expected = format!("{BLOCKS}: {expected}");
        assert!(sentence.starts_with(&expected), "{expected}: {sentence}");
    }
    let sentence = parse(BLOCKS, "[]").unwrap_err().to_string();
    assert_eq!(sentence, format!("{BLOCKS}: a list is not an object"));
}

#[test]
fn a_long_name_makes_no_long_sentence() {
    let long = "x".repeat(1 << 20);
    let text = format!(r#"{{"{long}":{{}}}}"#);
    let sentence = parse(BLOCKS, &text).unwrap_err().to_string();
    assert!(sentence.len() < 500, "{}", sentence.len());
}

#[test]
fn a_key_that_stands_twice_is_refused_and_not_read_once() {
    let text = format!(
        r#"{{"NetXdQprcVkpaWU":{{"{k}":{m},"{k}":{m}}}}}"#,
        k = key(),
        m = whole()
    );
    let sentence = parse(BLOCKS, &text).unwrap_err().to_string();
    assert!(sentence.contains("stands twice"), "{sentence}");
}

#[test]
fn a_signature_in_a_file_is_not_shown_in_an_error() {
    let secret = crate::fixture::signature(7).encode(Curve::Ed25519);
    let text = file(&whole().replace(&secret, &format!("{secret}x")));
    let sentence = parse(BLOCKS, &text).unwrap_err().to_string();
    let start: String = secret.chars().take(20).collect();
    assert!(!sentence.contains(&start), "{sentence}");
}
