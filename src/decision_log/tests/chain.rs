//! Single lines: what they hold, and that any bytes can be read.

use proptest::prelude::*;

use super::super::chain::{Walk, nothing, seal};
use super::*;

fn line(entry: &Entry, seq: u64) -> Vec<u8> {
    let (mut line, _) = seal(entry, seq, &nothing());
    assert_eq!(line.pop(), Some('\n'));
    line.into_bytes()
}

#[test]
fn a_line_reads_back_as_what_was_said() {
    let full = Entry {
        chain: Some(crate::tezos::ChainId::MAINNET),
        kind: Some("attestation".into()),
        signer: Some("home \"a\"\n}".to_owned()),
        code: Some("conflict".into()),
        count: Some(3),
        ..entry(7).because("because of }\"}")
    };
    for said in [Entry::new(Event::Ended), full] {
        let read = parse(&line(&said, 41)).unwrap();
        assert_eq!(read.entry, Some(said));
        assert_eq!((read.link.seq, read.link.prev), (41, nothing()));
    }
}

#[test]
fn the_hash_of_a_line_is_that_of_the_bytes_before_it() {
    let line = String::from_utf8(line(&entry(1), 0)).unwrap();
    let (body, hash) = line.split_once(",\"hash\":\"").unwrap();
    let hash = hash.trim_end_matches("\"}");
    assert_eq!(crate::tezos::digest(body.as_bytes()).to_string(), hash);
    assert!(body.contains(&format!("\"digest\":\"{}\"", crate::fixture::bytes(1))));
}

#[test]
fn a_line_of_a_newer_version_is_whole_though_it_is_not_understood() {
    let body = format!(
        "{{\"seq\":1,\"at\":\"2026-01-01T00:00:00Z\",\"event\":\"danced\",\"prev\":\"{}\"",
        nothing()
    );
    let hash = crate::tezos::digest(body.as_bytes());
    let read = parse(format!("{body},\"hash\":\"{hash}\"}}").as_bytes()).unwrap();
    assert_eq!(read.entry.unwrap().event, Event::Unknown);
    let body = body.replace("event", "happening");
    let hash = crate::tezos::digest(body.as_bytes());
    let read = parse(format!("{body},\"hash\":\"{hash}\"}}").as_bytes()).unwrap();
    assert_eq!((read.entry, read.link.seq), (None, 1));
}

#[test]
fn each_fault_of_a_line_has_its_name() {
    let good = line(&entry(1), 0);
    let mut changed = good.clone();
    changed[10] ^= 1;
    let unplaced = {
        let hash = crate::tezos::digest(b"{\"seq\":1");
        format!("{{\"seq\":1,\"hash\":\"{hash}\"}}").into_bytes()
    };
    for (bytes, fault) in [
        (Vec::new(), Fault::NoHash),
        (b"}".to_vec(), Fault::NoHash),
        (good[1..].to_vec(), Fault::Changed),
        (good[..good.len() - 1].to_vec(), Fault::NoHash),
        (changed, Fault::Changed),
        (unplaced, Fault::NoPlace),
        (vec![b'x'; (16 << 10) + 1], Fault::TooLong),
    ] {
        assert_eq!(parse(&bytes), Err(fault));
    }
}

#[test]
fn no_entry_is_too_long_to_be_read_back() {
    let long = "\u{1}\u{ffff}\"".repeat(100_000);
    let said = Entry {
        signer: Some("s".repeat(64)),
        ..entry(u32::MAX).because(&long)
    };
    assert!(parse(&line(&said, u64::MAX)).is_ok());
}

#[test]
fn reasons_hold_nothing_that_could_be_a_payload_or_a_signature() {
    let payload = hex::encode(crate::fixture::attestation(
        crate::tezos::Curve::Ed25519,
        crate::fixture::at(5, 0),
        1,
    ));
    let signature = crate::fixture::signature(7).encode(crate::tezos::Curve::Ed25519);
    let key = crate::fixture::key().to_string();
    let said = clean(&format!(
        "home-a (http://127.0.0.1:8443) refuses: {payload} {signature}, {key}\u{1b}[31m"
    ));
    assert_eq!(
        said,
        format!(
            "home-a (http://127.0.0.1:8443) refuses: [{} characters] [{} characters], {key} [31m",
            payload.len(),
            signature.len()
        )
    );
    let long = clean(&"words and ".repeat(100));
    assert_eq!(long.chars().count(), 503);
}

#[test]
fn a_line_that_was_taken_out_put_in_or_exchanged_breaks_the_chain_at_the_next() {
    let (mut lines, mut prev) = (Vec::new(), nothing());
    for seq in 0..4 {
        let (mut line, hash) = seal(&entry(1), seq, &prev);
        line.pop();
        lines.push(line);
        prev = hash;
    }
    let breaks = |order: &[usize]| {
        let mut walk = Walk::default();
        let found = order.iter().map(|at| {
            let line = parse(lines[*at].as_bytes()).unwrap();
            walk.step(Ok(&line)).is_err()
        });
        found.collect::<Vec<_>>()
    };
    assert_eq!(breaks(&[0, 1, 2, 3]), [false; 4]);
    assert_eq!(breaks(&[2, 3]), [false; 2]);
    assert_eq!(breaks(&[0, 2, 3]), [false, true, false]);
    assert_eq!(breaks(&[0, 2, 1, 3]), [false, true, true, true]);
    assert_eq!(breaks(&[0, 1, 1, 2]), [false, false, true, false]);
}

proptest! {
    #[test]
    fn any_bytes_are_a_line_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(parse(&bytes).is_err());
    }

    #[test]
    fn a_line_with_any_bytes_exchanged_is_not_the_line(
        at in any::<prop::sample::Index>(),
        put in prop::collection::vec(any::<u8>(), 0..4),
        out in 0_usize..4,
    ) {
        let good = line(&entry(9), 3);
        let at = at.index(good.len());
        let end = at.saturating_add(out).min(good.len());
        let mut other = good.clone();
        other.splice(at..end, put);
        prop_assert_eq!(parse(&other).is_ok(), other == good);
    }
}
