//! Every input of the committed corpus, through the check of its target.
//!
//! An input that once showed a fault stays there, so that the fault cannot come back unseen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{
    authentication, base58, configuration, decision_lines, frames, payload, route, transfer, wire,
};

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target)
}

/// Checks all inputs of a target; each prints its name first, so that a failure shows which it was.
fn replay(target: &str, check: fn(&[u8])) {
    let entries = fs::read_dir(folder(target)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "{target} has {} inputs", paths.len());
    for path in paths {
        println!("{}", path.display());
        check(&fs::read(&path).unwrap());
    }
}

#[test]
fn payloads_of_the_corpus_are_read_alike() {
    replay("payload", payload::check);
}

#[test]
fn bodies_of_the_corpus_are_read_alike() {
    replay("wire", wire::check);
}

#[test]
fn routes_of_the_corpus_are_read_in_every_spelling() {
    replay("route", route::check);
}

#[test]
fn texts_of_the_corpus_are_read_alike() {
    replay("base58", base58::check);
}

#[test]
fn configurations_of_the_corpus_are_settings_or_findings() {
    replay("configuration", configuration::check);
}

#[test]
fn watermarks_of_the_corpus_are_read_or_refused_in_a_sentence() {
    replay("transfer", transfer::check);
}

#[test]
fn lines_of_the_corpus_are_whole_or_faulty() {
    replay("decision_lines", decision_lines::check);
}

#[test]
fn configurations_that_are_shipped_are_settings_or_findings() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for name in ["every-key.toml", "minimal.toml", "two-tunnels.toml"] {
        configuration::check(&fs::read(config.join(name)).unwrap());
    }
}

#[test]
fn frames_of_the_corpus_are_read_and_written_again() {
    replay("frames", frames::check);
}

#[test]
fn authentications_of_the_corpus_let_in_who_may() {
    replay("authentication", authentication::check);
}

#[cfg(feature = "fuzzing")]
#[test]
fn connections_of_the_corpus_have_one_meaning() {
    replay("http_edge", super::http_edge::check);
}

#[cfg(feature = "fuzzing")]
#[test]
fn records_of_the_corpus_are_canonical() {
    replay("store_records", super::store_records::check);
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let names = |folder: &Path| {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let targets = names(&folder("").join("../fuzz_targets"));
    assert_eq!(names(&folder("")), targets);
}

#[test]
fn targets_are_built_of_the_same_versions_as_the_program() {
    let versions = |lock: &str| -> BTreeMap<String, BTreeSet<String>> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(lock);
        let lock: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
        let mut versions = BTreeMap::<_, BTreeSet<_>>::new();
        for package in lock["package"].as_array().unwrap() {
            let [name, version] = ["name", "version"].map(|key| package[key].as_str().unwrap());
            let of_name = versions.entry(name.to_owned()).or_default();
            of_name.insert(version.to_owned());
        }
        versions
    };
    let program = versions("Cargo.lock");
    for (name, fuzzed) in versions("fuzz/Cargo.lock") {
        if let Some(versions) = program.get(&name) {
            assert!(
                fuzzed.is_subset(versions),
                "{name}: {fuzzed:?}, {versions:?}"
            );
        }
    }
}
