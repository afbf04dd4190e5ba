//! House rules that no compiler checks, read off the files themselves.
//!
//! Each rule is a pure function from text to findings, so that `teeth` can show it a bad text and see it
//! bite. The rules on modules have their one truth in the table of `ARCHITECTURE.md`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop at once"
)]

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/lexer.rs"]
mod lexer;
#[path = "tidy/sources.rs"]
mod sources;
#[path = "tidy/teeth.rs"]
mod teeth;
#[path = "tidy/tree.rs"]
mod tree;

use layers::Layers;
use tree::{File, files, text};

/// Fails with every finding at once.
fn tidy(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

fn rust() -> Vec<File> {
    files(
        &[
            "src",
            "tests",
            "benches",
            "fuzz/checks",
            "fuzz/fuzz_targets",
        ],
        "rs",
    )
}

fn documents() -> Vec<File> {
    let mut all = files(&["docs"], "md");
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        all.push(File::new(name, text(name)));
    }
    all
}

fn layers() -> Layers {
    Layers::parse(&text("ARCHITECTURE.md"), &text("src/lib.rs")).unwrap()
}

#[test]
fn modules_import_only_what_the_table_of_layers_allows() {
    let layers = layers();
    tidy(&layers.order());
    tidy(&layers.completeness());
    let findings = files(&["src"], "rs")
        .iter()
        .flat_map(|file| layers.imports(file))
        .collect::<Vec<_>>();
    tidy(&findings);
}

#[test]
fn vocabulary_and_core_touch_neither_clock_nor_disk_nor_network() {
    let layers = layers();
    let findings = files(&["src"], "rs")
        .iter()
        .flat_map(|file| layers.purity(file))
        .collect::<Vec<_>>();
    tidy(&findings);
}

#[test]
fn every_file_of_code_is_short_and_says_what_it_is_for() {
    tidy(&rust().iter().flat_map(sources::shape).collect::<Vec<_>>());
}

#[test]
fn no_test_is_ignored_expects_a_panic_or_sleeps() {
    tidy(&rust().iter().flat_map(sources::habits).collect::<Vec<_>>());
}

#[test]
fn every_dependency_says_why_it_is_there() {
    tidy(&documents::dependencies(&text("Cargo.toml")));
}

#[test]
fn every_decision_is_listed_and_whole() {
    let index = text("docs/adr/README.md");
    tidy(&documents::decisions(&index, &files(&["docs/adr"], "md")));
}

#[test]
fn every_claim_of_the_safety_argument_names_tests_that_exist() {
    let tests = sources::test_names(&rust());
    tidy(&documents::claims(&text("docs/safety.md"), &tests));
}

#[test]
fn every_fault_in_the_table_is_made_by_a_test() {
    let tests = sources::test_names(&rust());
    tidy(&documents::faults(&text("docs/failure-modes.md"), &tests));
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    tidy(
        &documents()
            .iter()
            .flat_map(|file| documents::links(file, tree::exists))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_file_of_code_that_a_document_names_is_there() {
    tidy(
        &documents()
            .iter()
            .flat_map(|file| documents::files_named(file, tree::exists))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn the_architecture_fits_on_a_few_pages() {
    let lines = text("ARCHITECTURE.md").lines().count();
    assert!(lines <= 200, "ARCHITECTURE.md has {lines} lines");
}
