//! Shows each rule a text that breaks it: a check that cannot fail is decoration.

use super::layers::Layers;
use super::lexer::code;
use super::tree::File;
use super::{documents, sources};

const TABLE: &str = "\
| layer | module | what | may import |
|---|---|---|---|
| 0 | `tezos` | words | nothing |
| 1 | `guard` | core | `tezos` |
| 1 | `signer::health` | core | `tezos` |
| 2 | `signer` | adapter | `guard`, `tezos` |
| 4 | `config` | edge | `tezos` |
| 5 | `app` | wiring | `config`, `guard`, `signer` |
";

const LIBRARY: &str = "\
    pub mod tezos; pub mod guard; pub mod signer; pub mod config; pub mod app;
    #[cfg(test)]
    mod fixture;";

fn layers() -> Layers {
    Layers::parse(TABLE, LIBRARY).unwrap()
}

/// What the table says of a file with this code.
fn imports(path: &str, code: &str) -> Vec<String> {
    layers().imports(&File::new(path, code))
}

#[test]
fn comments_and_literals_are_no_code() {
    let blanked = code(
        "a /* b /* c */ d */ e // f\n\"g \\\" h\" i r#\"j \" k\"# l b\"m\" 'n' '\\'' o<'p> r#q",
    );
    let words: Vec<_> = blanked.split_whitespace().collect();
    assert_eq!(words, ["a", "e", "i", "l", "b", "o<'p>", "r#q"]);
}

#[test]
fn an_import_against_the_table_is_found_in_every_form() {
    for bad in [
        "use crate::config::Loaded;",
        "use crate::{tezos::Level, config};",
        "use crate::{tezos::{Level, Round}, config::Loaded};",
        "fn f() { crate::config::load() }",
        "use super::config;",
    ] {
        let found = imports("src/guard.rs", bad);
        assert_eq!(
            found,
            ["src/guard.rs: guard may not import config"],
            "{bad}"
        );
    }
    let deep = imports("src/guard/permit.rs", "use super::super::signer::Path;");
    assert_eq!(deep, ["src/guard/permit.rs: guard may not import signer"]);
    let part = imports("src/signer/health.rs", "use crate::guard::Permit;");
    assert_eq!(
        part,
        ["src/signer/health.rs: signer::health may not import guard"]
    );
}

#[test]
fn an_allowed_import_a_test_and_a_mention_are_no_findings() {
    for good in [
        "use crate::tezos::Level;",
        "use self::permit::Permit;",
        "/// See [`crate::config`].\nuse crate::guard::permit;",
        "#[cfg(test)]\nmod tests {\n    use crate::config::load;\n}\n",
    ] {
        assert!(imports("src/guard.rs", good).is_empty(), "{good}");
    }
    assert!(imports("src/guard/tests.rs", "use crate::config::load;").is_empty());
    assert!(imports("src/fixture.rs", "use crate::config::load;").is_empty());
}

#[test]
fn a_table_that_allows_a_cycle_or_knowledge_of_the_file_is_refused() {
    assert!(layers().order().is_empty());
    let cycle = TABLE.replace("| core | `tezos` |", "| core | `signer` |");
    assert!(!Layers::parse(&cycle, LIBRARY).unwrap().order().is_empty());
    let knows = TABLE.replace(
        "| 5 | `app`",
        "| 5 | `server` | edge | `config` |\n| 5 | `app`",
    );
    let found = Layers::parse(&knows, LIBRARY).unwrap().order();
    assert_eq!(found, ["server may not know the configuration file"]);
    assert!(Layers::parse("no table", LIBRARY).is_err());
}

#[test]
fn a_module_without_a_row_and_a_row_without_a_module_are_found() {
    assert!(layers().completeness().is_empty());
    let library = LIBRARY.replace("mod app", "mod extra");
    let found = Layers::parse(TABLE, &library).unwrap().completeness();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("app "));
    assert!(found[1].starts_with("extra "));
}

#[test]
fn a_clock_a_disk_and_a_network_in_the_core_are_found() {
    for bad in [
        "use std::fs::File;",
        "fn f() { let now = Instant::now(); }",
        "use tokio::net::TcpStream;",
        "use tokio::{net, sync};",
        "use hyper::Request;",
        "fn f() { tokio :: time :: sleep(d) }",
    ] {
        let found = layers().purity(&File::new("src/guard.rs", bad));
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
    }
    let channel = File::new("src/guard.rs", "use tokio::sync::watch; // no Instant::now");
    assert!(layers().purity(&channel).is_empty());
    let adapter = File::new("src/signer/client.rs", "use tokio::net::TcpStream;");
    assert!(layers().purity(&adapter).is_empty());
}

#[test]
fn a_long_file_and_one_that_says_nothing_are_found() {
    let long = File::new("src/a.rs", format!("//! A.\n{}", "\n".repeat(400)));
    assert_eq!(sources::shape(&long).len(), 1);
    assert_eq!(sources::shape(&File::new("src/a.rs", "fn a() {}")).len(), 1);
}

#[test]
fn hidden_and_sleeping_tests_are_found() {
    for bad in [
        "#[ignore]",
        "#[ignore = \"slow\"]",
        "#[should_panic(expected = \"x\")]",
        "fn f() { todo!() }",
        "async fn f() { tokio::time::sleep(d).await }",
    ] {
        let found = sources::habits(&File::new("tests/it/a.rs", bad));
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
    }
    let inline = "#[cfg(test)]\nmod tests { fn f() { sleep(d) } }";
    assert_eq!(sources::habits(&File::new("src/a.rs", inline)).len(), 1);
    let ships = "fn f() { sleep(d) } // #[ignore]";
    assert!(sources::habits(&File::new("src/a.rs", ships)).is_empty());
    let waits = File::new("tests/it/harness/wait.rs", "fn until() { sleep(d) }");
    assert!(sources::habits(&waits).is_empty());
}

#[test]
fn a_dependency_without_a_reason_is_found() {
    let manifest =
        "[package]\nname = \"x\"\n[dependencies]\na = \"1\"   # because of b\nc = \"1\"\n";
    let found = documents::dependencies(manifest);
    assert_eq!(found, ["Cargo.toml: no reason: c = \"1\""]);
}

#[test]
fn an_unlisted_a_misnumbered_and_a_hollow_decision_are_found() {
    let whole = "## Context\n## Decision\n## Consequences\n## Rejected options\n";
    let files = [
        File::new("docs/adr/0001-a.md", whole),
        File::new(
            "docs/adr/0003-b.md",
            "## Context\n## Decision\n## Consequences\n",
        ),
        File::new("docs/adr/README.md", ""),
    ];
    let found = documents::decisions("[a](0001-a.md)", &files);
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn a_claim_without_a_real_test_is_found() {
    let files = [File::new("tests/a.rs", "#[test]\nfn it_holds() {}")];
    let tests = sources::test_names(&files);
    let safety = "# Safety\n\n### C1. One\nText.\n\nTests: `it_holds`.\n\n### C2. Two\n\nTests: `gone`\n\n### C4. Four\n";
    let found = documents::claims(safety, &tests);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].contains("gone"));
    assert!(!documents::claims("nothing", &tests).is_empty());
}

#[test]
fn a_fault_that_no_test_makes_is_found() {
    let files = [File::new("tests/a.rs", "#[test]\nfn it_holds() {}")];
    let tests = sources::test_names(&files);
    let table = "| fault | made by |\n|---|---|\n| a | `it_holds` |\n| b | `gone` |\n\n| c | d |";
    let found = documents::faults(table, &tests);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(documents::faults("no table", &tests).len(), 1);
}

#[test]
fn a_file_that_was_renamed_is_found() {
    let file = File::new("ARCHITECTURE.md", "`guard.rs` and `guard/gone.rs`, `fn x`");
    let found = documents::files_named(&file, |path| path == "src/guard.rs");
    assert_eq!(found, ["ARCHITECTURE.md: there is no guard/gone.rs"]);
}

#[test]
fn a_dead_link_is_found() {
    let text = "[a](../README.md) [b](gone.md#part) [c](https://example.org/x) [d](#here)";
    let file = File::new("docs/a.md", text);
    let found = documents::links(&file, |path| path == "README.md");
    assert_eq!(
        found,
        ["docs/a.md: docs/gone.md does not exist"].map(|s| s.replace("docs/gone", "gone"))
    );
}
