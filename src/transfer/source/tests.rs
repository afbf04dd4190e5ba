//! Which file is what, and that marks of several files are put together by their maximum.

use proptest::prelude::*;

use crate::fixture::{at, key};
use crate::transfer::document::Mark;

use super::super::document;
use super::*;

/// The account of the fixture on mainnet.
fn account() -> Account {
    Account {
        chain: ChainId::MAINNET,
        key: key(),
    }
}

fn file(name: &str, content: &str) -> SourceFile {
    SourceFile {
        name: name.to_owned(),
        shown: format!("old/{name}"),
        content: content.as_bytes().to_owned(),
    }
}

fn octez(level: u32) -> String {
    format!(
        r#"{{"NetXdQprcVkpaWU":{{"{}":{{"level":{level},"round":2,"hash":"{}"}}}}}}"#,
        key(),
        "0".repeat(64)
    )
}

#[test]
fn a_file_is_recognised_by_its_name() {
    for (name, expected) in [
        ("block_high_watermarks", Named::Octez),
        ("ballot_high_watermarks", Named::Octez),
        ("block_high_watermark", Named::Octez),
        ("block_high_watermarks.bak", Named::Octez),
        ("NetXdQprcVkpaWU.json", Named::Signatory),
        ("NetXdQprcVkpaWV.json", Named::Other),
        ("secret_keys", Named::Other),
        ("authorized_keys", Named::Other),
        ("", Named::Other),
    ] {
        assert_eq!(named(name), expected, "{name}");
    }
}

#[test]
fn of_several_files_the_higher_mark_counts_whatever_their_order() {
    let mut files = vec![
        file("endorsement_high_watermarks", &octez(70)),
        file("attestation_high_watermarks", &octez(50)),
        file("block_high_watermarks", &octez(60)),
        file("preattestation_high_watermarks", &octez(80)),
        file("preendorsement_high_watermarks", &octez(10)),
    ];
    for _ in 0..2 {
        let source = read(&files).unwrap();
        assert_eq!(source.what, "octez-signer");
        assert_eq!(source.sealed, None);
        let [one] = &source.accounts[..] else {
            panic!("{source:?}")
        };
        assert_eq!(one.account(), account());
        let expected = [
            (ConsensusKind::Attestation, at(70, 2)),
            (ConsensusKind::Block, at(60, 2)),
            (ConsensusKind::LegacyBlock, at(60, 2)),
            (ConsensusKind::LegacyEndorsement, at(70, 2)),
            (ConsensusKind::Preattestation, at(80, 2)),
        ];
        assert_eq!(one.marks, expected.into());
        files.reverse();
    }
}

#[test]
fn a_document_gives_what_stands_in_it() {
    let text = document::tests::full().to_text();
    let source = read(&[file("anything.txt", &text)]).unwrap();
    let document = document::tests::full();
    assert_eq!(source, from_document(document.clone()));
    assert_eq!(source.sealed, document.sealed);
    assert!(source.what.contains(&document.lineage), "{}", source.what);
    let (one, theirs) = (&source.accounts[0], &document.accounts[0]);
    assert_eq!((one.stop_at, &one.halted), (theirs.stop_at, &theirs.halted));
    let marks = theirs
        .watermarks
        .iter()
        .map(|mark: &Mark| (mark.kind, mark.position));
    assert_eq!(one.marks, marks.collect());
}

#[test]
fn what_is_no_source_is_named_with_the_reason() {
    let document = document::tests::full().to_text();
    for (files, expected) in [
        (
            vec![file("block_high_watermarks", " \n")],
            "old/block_high_watermarks: the file is empty",
        ),
        (
            vec![file("block_high_watermarks", "{")],
            "old/block_high_watermarks: not JSON",
        ),
        (
            vec![file("w.json", "{}")],
            "old/w.json: not a file of watermarks",
        ),
        (
            vec![file("w.json", "[]")],
            "old/w.json: not a file of watermarks",
        ),
        (
            vec![
                file("block_high_watermarks", &octez(1)),
                file("NetXdQprcVkpaWU.json", &document),
            ],
            "old/NetXdQprcVkpaWU.json: this is a document of watermarks",
        ),
    ] {
        let sentence = read(&files).unwrap_err().to_string();
        assert!(sentence.starts_with(expected), "{sentence}");
    }
}

#[test]
fn a_source_crosses_the_control_socket_unchanged() {
    let source = from_document(document::tests::full());
    let text = serde_json::to_string(&source).unwrap();
    assert_eq!(serde_json::from_str::<Source>(&text).unwrap(), source);
}

proptest! {
    #[test]
    fn any_bytes_are_a_source_or_a_sentence(
        name in "(block|attestation|endorsement)_high_watermarks|NetXdQprcVkpaWU\\.json|w",
        content: Vec<u8>,
    ) {
        let file = SourceFile { name: name.clone(), shown: name.clone(), content };
        if let Err(error) = read(&[file]) {
            prop_assert!(error.to_string().starts_with(&name));
        }
    }

    #[test]
    fn a_changed_byte_of_a_file_is_no_panic(at: proptest::sample::Index, to: u8) {
        for name in ["block_high_watermarks", "NetXdQprcVkpaWU.json"] {
            let mut content = octez(5).into_bytes();
            *at.get_mut(&mut content) = to;
            let (name, shown) = (name.to_owned(), name.to_owned());
            drop(read(&[SourceFile { name, shown, content }]));
        }
    }
}
