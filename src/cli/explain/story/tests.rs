//! What people read of entries, word for word.

use crate::fixture::{bytes, key, second};

use super::*;

fn entry(event: Event, level: u32, name: u8) -> Entry {
    Entry {
        at: second(1_000),
        key: Some(key()),
        chain: Some(ChainId::MAINNET),
        kind: Some("block".into()),
        level: Some(level),
        round: Some(0),
        digest: Some(bytes(name)),
        requester: Some("127.0.0.1:4711".to_owned()),
        ..Entry::new(event)
    }
}

fn told(entries: &[Entry]) -> String {
    let mut stories = Stories::default();
    for entry in entries {
        stories.take("the line", Some(entry));
    }
    stories.text().unwrap()
}

fn by(signer: &str, entry: Entry) -> Entry {
    Entry {
        signer: Some(signer.to_owned()),
        ..entry
    }
}

#[test]
fn a_slot_is_told_from_its_claim_to_its_last_refusal() {
    let conflict = entry(Event::Refused, 5, 2).coded("conflict");
    let told = told(&[
        entry(Event::Claimed, 5, 1),
        conflict.because("claimed by other bytes"),
        by("home-a", entry(Event::Released, 5, 1)),
        by("home-a", entry(Event::Replayed, 5, 1)),
    ]);
    let (ours, theirs, key) = (bytes(1), bytes(2), key());
    assert_eq!(
        told,
        format!(
            "block level 5 round 0 of {key} on NetXdQprcVkpaWU\n  \
             1970-01-01T00:16:40.000Z  asked by 127.0.0.1:4711 for bytes {ours}: claimed\n  \
             1970-01-01T00:16:40.000Z  asked by 127.0.0.1:4711 for other bytes {theirs}: refused (conflict): \
             claimed by other bytes\n  \
             1970-01-01T00:16:40.000Z  signed by home-a, released to 127.0.0.1:4711\n  \
             1970-01-01T00:16:40.000Z  asked by 127.0.0.1:4711 for bytes {}: given the signature of home-a \
             from before\n\n",
            ours.short()
        )
    );
}

#[test]
fn slots_that_are_mixed_in_the_log_are_told_one_by_one() {
    let told = told(&[
        entry(Event::Claimed, 5, 1),
        entry(Event::Claimed, 6, 2),
        by("home-b", entry(Event::Released, 6, 2)),
        by("home-a", entry(Event::Released, 5, 1)),
    ]);
    let order = ["level 5", "home-a", "level 6", "home-b"].map(|part| told.find(part).unwrap());
    assert!(order.is_sorted(), "{told}");
}

#[test]
fn a_claim_without_an_end_is_said_to_have_none() {
    let open = "how it went on is not in the log";
    let claimed = entry(Event::Claimed, 5, 1);
    let other = entry(Event::Refused, 5, 2);
    let own = entry(Event::Refused, 5, 1);
    assert!(told(std::slice::from_ref(&claimed)).contains(open));
    assert!(told(&[claimed.clone(), other.clone()]).contains(open));
    assert!(!told(&[claimed.clone(), other, own]).contains(open));
    let again = entry(Event::ClaimedAgain, 5, 1);
    let recorded = by("home-a", entry(Event::Recorded, 5, 1));
    assert!(told(&[claimed.clone(), again.clone()]).contains(open));
    assert!(!told(&[claimed, again, recorded]).contains(open));
}

#[test]
fn what_belongs_to_no_slot_is_a_line_of_its_own() {
    let mut raised = Entry::new(Event::WatermarkRaised);
    (raised.key, raised.level) = (Some(key()), Some(7));
    let mut gap = Entry::gap(Some(3), "the disk was full");
    let mut counted = Entry::gap(Some(9), "beyond those listed").coded("policy");
    let mut started = Entry::new(Event::Started).because("version 1");
    for entry in [&mut raised, &mut gap, &mut counted, &mut started] {
        entry.at = second(1_000);
    }
    let mut stories = Stories::default();
    for entry in [&started, &raised, &gap, &counted] {
        stories.take("", Some(entry));
    }
    stories.take("{\"seq\":9}", None);
    let key = key();
    assert_eq!(
        stories.text().unwrap(),
        format!(
            "1970-01-01T00:16:40.000Z  proxy started: version 1\n\n\
             1970-01-01T00:16:40.000Z  watermark of {key} raised to level 7\n\n\
             1970-01-01T00:16:40.000Z  3 entries are missing here: the disk was full\n\n\
             1970-01-01T00:16:40.000Z  9 more not listed (policy): beyond those listed\n\n\
             written by a newer version: {{\"seq\":9}}\n\n"
        )
    );
}

#[test]
fn a_long_log_is_told_from_its_end_and_a_long_story_from_its_beginning() {
    let many: Vec<_> = (0..500)
        .map(|level| entry(Event::Claimed, level, 1))
        .collect();
    let told_many = told(&many);
    assert!(
        told_many.starts_with("only the newest 200 are told"),
        "{told_many}"
    );
    assert!(!told_many.contains("level 299 ") && told_many.contains("level 300 "));
    // A story that gave way begins anew.
    let again = [many, vec![by("home-a", entry(Event::Released, 0, 1))]].concat();
    assert!(told(&again).contains("level 0 "));

    let mut long = vec![entry(Event::Claimed, 5, 1)];
    long.extend((0..150).map(|_| entry(Event::Refused, 5, 2)));
    let told_long = told(&long);
    assert!(
        told_long.contains("and 51 more; --json prints all"),
        "{told_long}"
    );
}

#[test]
fn what_came_from_outside_does_not_steer_the_terminal() {
    let mut refused = entry(Event::Refused, 5, 1);
    refused.reason = Some("\u{1b}[2Jgone\nfor good\u{7f}".to_owned());
    let text = told(&[refused]);
    let controls = text.chars().filter(|c| c.is_control() && *c != '\n');
    assert_eq!(controls.count(), 0);
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[test]
fn the_end_of_the_chain_is_told_only_of_a_whole_one() {
    let summary = Summary {
        files: 2,
        entries: 9,
        times: Some((second(1), second(2))),
        head: Some((12, bytes(1))),
        missing: 4,
        unfinished: 17,
        ..Summary::default()
    };
    let text = closing(&summary).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "4 entries are missing, as the log itself says");
    assert!(lines[1].starts_with("the last 17 bytes are no line yet"));
    assert_eq!(
        lines[2],
        format!(
            "the chain is whole: 9 entries in 2 files, from 1970-01-01T00:00:01Z to \
             1970-01-01T00:00:02Z; the last is number 12 with hash {}",
            bytes(1)
        )
    );
    let broken = Summary {
        broken: 1,
        ..summary
    };
    assert!(!closing(&broken).unwrap().contains("the chain is whole"));
}
