//! The checker over logs: what it finds and what it lets pass.

use std::fs;

use super::*;

const FIRST: &str = r#"{"at":"2026-11-22T10:00:00Z","event":"received","key":"tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb","chain":"NetXdQprcVkpaWU","kind":"attestation","level":5,"round":1,"digest":"aa"}"#;

fn logs(contents: &[String]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let files = contents
        .iter()
        .enumerate()
        .map(|(at, text)| {
            let file = folder.path().join(format!("{at}.log"));
            fs::write(&file, text).unwrap();
            file
        })
        .collect();
    (folder, files)
}

#[test]
fn two_payloads_for_one_slot_in_two_logs_are_found() {
    let (_folder, files) = logs(&[
        format!("{FIRST}\n"),
        format!("{}\n", FIRST.replace("\"aa\"", "\"bb\"")),
    ]);
    let conflicts = check(&files).unwrap_err();
    let [
        Conflict::TwoPayloads {
            slot,
            first,
            second,
        },
    ] = conflicts.as_slice()
    else {
        panic!("found {conflicts:?}");
    };
    assert_eq!(
        (slot.level, slot.round, slot.kind.as_str()),
        (5, 1, "attestation")
    );
    assert_eq!(
        (first.digest.as_str(), &first.file, first.line),
        ("aa", &files[0], 1)
    );
    assert_eq!(
        (second.digest.as_str(), &second.file, second.line),
        ("bb", &files[1], 1)
    );
}

#[test]
fn a_signature_without_a_receipt_counts_as_a_payload() {
    let signed = FIRST
        .replace("received", "signed")
        .replace("\"aa\"", "\"bb\"");
    let (_folder, files) = logs(&[format!("{FIRST}\n{signed}\n")]);
    assert_eq!(check(&files).unwrap_err().len(), 1);
}

#[test]
fn other_slots_and_repeats_are_no_conflict() {
    let other = FIRST.replace("\"aa\"", "\"bb\"");
    let lines = [
        FIRST.to_owned(),
        FIRST.to_owned(),
        FIRST.replace("received", "signed"),
        other.replace("\"round\":1", "\"round\":2"),
        other.replace("\"level\":5", "\"level\":6"),
        other.replace("attestation", "preattestation"),
        other.replace("NetXdQprcVkpaWU", "NetXo5iVw1vBoxM"),
        other.replace("received", "refused"),
        r#"{"at":"2026-11-22T10:00:00Z","event":"received","key":"tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb","kind":"other","digest":"cc"}"#.to_owned(),
    ];
    let (_folder, files) = logs(&[lines.join("\n")]);
    assert_eq!(
        check(&files),
        Ok(Summary {
            entries: 9,
            received: 7,
            signed: 1,
            slots: 5
        })
    );
}

#[test]
fn what_cannot_be_read_is_a_finding() {
    let (folder, mut files) = logs(&[format!("{FIRST}\n{FIRST:.40}")]);
    files.push(folder.path().join("missing.log"));
    let conflicts = check(&files).unwrap_err();
    let lines: Vec<_> = conflicts
        .iter()
        .map(|conflict| match conflict {
            Conflict::Unreadable { line, .. } => *line,
            Conflict::TwoPayloads { .. } => panic!("found {conflict}"),
        })
        .collect();
    assert_eq!(lines, [2, 0]);
}
