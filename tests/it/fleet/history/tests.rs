//! That the verdict bites: doctored histories with a finding that must be there, and ones without.

use signer_proxy::dev_signer::keys_from_seed;
use signer_proxy::dev_signer::log::Event;
use signer_proxy::tezos::{ChainId, Curve, digest};

use crate::harness::payload::attestation;
use crate::harness::scene::Scene;

use super::super::plan::Fault;
use super::super::timeline::Place;
use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn key() -> PublicKeyHash {
    let keys = keys_from_seed("doctored", &[Curve::Ed25519]);
    keys[0].public_key().hash()
}

fn payload(fill: u8) -> String {
    digest(&attestation(7).bytes(Curve::Ed25519, fill)).to_string()
}

/// What a signer writes when it makes `signature` over the bytes of `fill`.
fn entry(event: Event, fill: u8, signature: Option<&str>) -> Entry {
    Entry {
        at: signer_proxy::time::now(),
        event,
        key: key(),
        chain: Some(ChainId::MAINNET),
        kind: "attestation".to_owned(),
        level: Some(7),
        round: Some(0),
        digest: payload(fill),
        signature_digest: signature.map(str::to_owned),
        reason: None,
    }
}

/// A baker asked after ten seconds and was told after eleven.
fn ask(fill: u8, answer: Answer) -> Ask {
    Ask {
        baker: "one",
        key: key(),
        slot: attestation(7),
        digest: payload(fill),
        asked: s(10),
        ended: s(11),
        answer,
        again: 0,
    }
}

fn signed(fill: u8, signature: &str) -> Ask {
    ask(fill, Answer::Signed(signature.to_owned()))
}

fn failed() -> Ask {
    ask(1, Answer::Failed("500 [store]".to_owned()))
}

/// The findings about what two signers wrote and bakers were told.
fn found(signers: [&[Entry]; 2], asks: &[Ask], timeline: &Timeline) -> Verdict {
    let scene = Scene::new();
    let logs = ["a.jsonl", "b.jsonl"].map(|name| scene.file(name));
    for (log, entries) in logs.iter().zip(signers) {
        let lines = entries.iter().map(serde_json::to_string);
        let text: String = lines.map(|line| line.unwrap() + "\n").collect();
        std::fs::write(log, text).unwrap();
    }
    judge(&logs, asks, timeline)
}

fn ill(spans: &[(Place, u64, u64)]) -> Timeline {
    let mut timeline = Timeline::default();
    for (place, from, to) in spans {
        let number = timeline.begin(*place, Fault::MemberKilled, s(*from));
        timeline.end(number, s(*to));
    }
    timeline
}

#[test]
fn one_signature_that_is_repeated_and_a_refusal_of_other_bytes_are_right() {
    let made = [
        entry(Event::Received, 1, None),
        entry(Event::Signed, 1, Some("x")),
    ];
    // Another signer was asked for the same as well; its signature was not released.
    let other = [entry(Event::Signed, 1, Some("y"))];
    let refused = ask(2, Answer::Refused("[watermark]".to_owned()));
    let asks = [signed(1, "x"), refused, signed(1, "x")];
    let verdict = found([&made, &other], &asks, &Timeline::default());
    assert_eq!(verdict.findings, []);
    assert_eq!((verdict.slots, verdict.signed, verdict.released), (1, 1, 2));
    assert_eq!((verdict.made, verdict.excused.len()), (2, 0));
    assert_eq!(verdict.contested, 1);
}

#[test]
fn two_payloads_at_one_signer_or_at_two_are_found() {
    let (one, two) = (
        entry(Event::Signed, 1, Some("x")),
        // It need not have signed: one that answers nothing may have.
        entry(Event::Received, 2, None),
    );
    let both = [one.clone(), two.clone()];
    for signers in [[&both[..], &[]], [&[one], &[two]]] {
        let verdict = found(signers, &[signed(1, "x")], &Timeline::default());
        let [Finding::AtSigners(Conflict::TwoPayloads { .. })] = verdict.findings[..] else {
            panic!("{verdict:?}");
        };
    }
}

#[test]
fn a_log_with_a_hole_is_found() {
    let scene = Scene::new();
    let log = scene.file("a.jsonl");
    std::fs::write(&log, "{\"at\"\n").unwrap();
    let verdict = judge(&[log], &[], &Timeline::default());
    assert!(
        matches!(
            verdict.findings[..],
            [Finding::AtSigners(Conflict::Unreadable { .. })]
        ),
        "{verdict:?}"
    );
}

#[test]
fn signatures_over_different_bytes_are_found() {
    let made = [entry(Event::Signed, 1, Some("x"))];
    let other = [entry(Event::Signed, 2, Some("y"))];
    let asks = [signed(1, "x"), signed(2, "y")];
    let verdict = found([&made, &other], &asks, &Timeline::default());
    let of_bakers = Finding::TwoPayloads(key(), attestation(7));
    assert!(verdict.findings.contains(&of_bakers), "{verdict:?}");
}

#[test]
fn different_signatures_over_the_same_bytes_are_found() {
    let made = [entry(Event::Signed, 1, Some("x"))];
    let other = [entry(Event::Signed, 1, Some("y"))];
    let asks = [signed(1, "x"), signed(1, "y")];
    let verdict = found([&made, &other], &asks, &Timeline::default());
    let two = Finding::TwoSignatures(key(), attestation(7));
    assert_eq!(verdict.findings, [two]);
}

#[test]
fn a_signature_that_no_signer_made_is_found() {
    let verdict = found([&[], &[]], &[signed(1, "x")], &Timeline::default());
    assert_eq!(verdict.findings, [Finding::NotMade(key(), attestation(7))]);
}

/// Whether the loss of a slot that two bakers asked for is held against the fleet, with troubles at places.
fn is_held_against(spans: &[(Place, u64, u64)]) -> bool {
    let refused = ask(2, Answer::Refused("[watermark]".to_owned()));
    let verdict = found([&[], &[]], &[failed(), refused], &ill(spans));
    assert_eq!(
        verdict.findings.len() + verdict.excused.len(),
        1,
        "{verdict:?}"
    );
    matches!(verdict.findings[..], [Finding::Lost(_, _, _)])
}

#[test]
fn a_slot_that_is_lost_although_all_was_well_is_found() {
    assert!(is_held_against(&[]));
}

#[test]
fn a_slot_that_is_signed_too_late_is_lost() {
    let made = [entry(Event::Signed, 1, Some("x"))];
    let mut late = signed(1, "x");
    late.ended = s(17);
    let verdict = found([&made, &[]], &[late], &Timeline::default());
    assert!(matches!(verdict.findings[..], [Finding::Lost(_, _, _)]));
}

#[test]
fn a_lost_slot_is_excused_where_a_quorum_a_proxy_or_a_tunnel_was_not_well_for_long_enough() {
    use Place::{Link, Member, Peer, Proxy, Tunnel};
    let (from, to) = (0, 100);
    for (spans, is_held) in [
        // One of each may fail, for as long as it likes.
        (vec![(Member(0), from, to)], true),
        (vec![(Peer(2), from, to)], true),
        (vec![(Proxy(0), from, to), (Proxy(2), from, to)], true),
        (vec![(Tunnel(0), from, to), (Tunnel(1), from, to)], true),
        (
            vec![
                (Member(1), from, to),
                (Proxy(1), from, to),
                (Tunnel(2), from, to),
            ],
            true,
        ),
        // No two members.
        (vec![(Member(0), from, to), (Member(1), from, to)], false),
        (vec![(Member(0), from, to), (Peer(1), from, to)], false),
        // Back while there was time, and too late.
        (vec![(Member(0), from, 12), (Member(1), from, to)], true),
        (vec![(Member(0), from, 13), (Member(1), from, to)], false),
        // Well at first, for long enough or not.
        (vec![(Member(0), 14, to), (Member(1), 14, to)], true),
        (vec![(Member(0), 13, to), (Member(1), 13, to)], false),
        // Never the same two for long enough.
        (
            vec![
                (Member(0), from, 13),
                (Member(1), from, to),
                (Member(2), 13, to),
            ],
            false,
        ),
        // No proxy, and one that is cut off from the quorum though not from everybody.
        (
            vec![
                (Proxy(0), from, to),
                (Proxy(1), from, to),
                (Proxy(2), from, to),
            ],
            false,
        ),
        (
            vec![
                (Proxy(0), from, to),
                (Proxy(1), from, to),
                (Member(0), from, to),
                (Link(2, 1), from, to),
                (Link(2, 2), from, to),
            ],
            false,
        ),
        (
            vec![
                (Proxy(0), from, to),
                (Proxy(1), from, to),
                (Member(0), from, to),
                (Link(2, 1), from, to),
            ],
            true,
        ),
        // No tunnel.
        (
            vec![
                (Tunnel(0), from, to),
                (Tunnel(1), from, to),
                (Tunnel(2), from, to),
            ],
            false,
        ),
    ] {
        assert_eq!(is_held_against(&spans), is_held, "{spans:?}");
    }
}
