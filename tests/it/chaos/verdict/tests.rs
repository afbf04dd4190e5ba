//! That the verdict bites: doctored histories with a slot that must be found, and ones with a slot that
//! must not.

use signer_proxy::dev_signer::keys_from_seed;
use signer_proxy::dev_signer::log::{Conflict, Event, check};
use signer_proxy::tezos::{ChainId, Curve, digest};

use crate::harness::payload::attestation;
use crate::harness::scene::Scene;

use super::super::plan::Fault;
use super::*;

const SIGNERS: usize = 2;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn key() -> PublicKeyHash {
    let mut keys = keys_from_seed("doctored", &[Curve::Ed25519]);
    keys.remove(0).public_key().hash()
}

/// Asked after ten seconds, of use for four.
fn lost() -> Lost {
    Lost {
        key: keys_from_seed("doctored", &[Curve::Ed25519])[0]
            .public_key()
            .hash(),
        slot: attestation(7),
        digest: "00".to_owned(),
        asked: s(10),
        ended: s(14),
        limit: s(4),
        error: "[no-signer]".to_owned(),
        state: String::new(),
    }
}

/// Octez-like signers that have signed nothing.
fn parts() -> Vec<Part> {
    vec![Part::default(); SIGNERS]
}

fn history(spans: &[(Place, u64, u64)]) -> Timeline {
    let mut timeline = Timeline::default();
    for (place, from, to) in spans {
        let number = timeline.begin(*place, Fault::Killed, s(*from));
        timeline.end(number, s(*to));
    }
    timeline
}

const OTHER: (Place, u64, u64) = (Place::Device(1), 0, 100);

#[test]
fn a_slot_that_is_lost_without_any_fault_is_found() {
    let found = well_in_time(&Timeline::default(), &lost(), &parts()).unwrap();
    assert_eq!(found.time, s(10)..s(14));
}

#[test]
fn a_slot_that_had_a_healthy_path_for_long_enough_is_found_and_others_are_not() {
    let (first, second) = (Place::Path(0, 0), Place::Path(0, 1));
    let device = Place::Device(0);
    for (spans, found) in [
        // One of two tunnels was open all the time.
        (vec![OTHER, (first, 0, 100)], Some((1, s(10)..s(14)))),
        // Both came back while there was time.
        (
            vec![OTHER, (first, 0, 11), (second, 0, 12)],
            Some((0, s(11)..s(14))),
        ),
        // Well at first, when the request might have been signed.
        (vec![OTHER, (device, 13, 100)], Some((1, s(10)..s(13)))),
        // Too late, too short, and never both at a time.
        (vec![OTHER, (first, 0, 12), (second, 0, 13)], None),
        (vec![OTHER, (device, 0, 11), (device, 13, 100)], None),
        (vec![OTHER, (first, 0, 12), (second, 12, 100)], None),
        (vec![OTHER, (first, 0, 100), (second, 0, 100)], None),
        (vec![OTHER, (device, 0, 100)], None),
    ] {
        let well = well_in_time(&history(&spans), &lost(), &parts());
        let well = well.map(|well| (well.path, well.time));
        assert_eq!(well, found, "{spans:?}");
    }
}

#[test]
fn a_device_that_repeats_nothing_counts_only_if_its_answer_cannot_have_been_lost() {
    let mut parts = parts();
    parts[0] = Part {
        refuses_repeats: true,
        signed: Some(s(11)),
    };
    // Its answer met no fault: it was the proxy that lost it.
    let found = well_in_time(&history(&[OTHER]), &lost(), &parts);
    assert_eq!(found.unwrap().signer, 0);
    // A tunnel died around the signature, the other is open: but the answer is gone.
    let spans = [OTHER, (Place::Path(0, 0), 9, 100)];
    assert_eq!(well_in_time(&history(&spans), &lost(), &parts), None);
    // A device that signs the same bytes again is asked over the other tunnel.
    parts[0].refuses_repeats = false;
    assert!(well_in_time(&history(&spans), &lost(), &parts).is_some());
}

/// What a signer would write of an attestation.
fn entry(event: Event, fill: u8) -> Entry {
    let bytes = attestation(7).bytes(Curve::Ed25519, fill);
    Entry {
        at: signer_proxy::time::now(),
        event,
        key: key(),
        chain: Some(ChainId::MAINNET),
        kind: "attestation".to_owned(),
        level: Some(7),
        round: Some(0),
        digest: digest(&bytes).to_string(),
        signature_digest: None,
        reason: None,
    }
}

#[test]
fn a_second_payload_for_a_slot_in_the_log_of_another_signer_is_found() {
    let scene = Scene::new();
    let logs = ["a.jsonl", "b.jsonl"].map(|name| scene.file(name));
    let write = |log: usize, entries: &[Entry]| {
        let lines = entries.iter().map(serde_json::to_string);
        let text: String = lines.map(|line| line.unwrap() + "\n").collect();
        std::fs::write(&logs[log], text).unwrap();
    };
    let first = entry(Event::Signed, 1);
    write(0, std::slice::from_ref(&first));
    write(1, &[entry(Event::Received, 1), first]);
    assert_eq!(check(&logs).unwrap().signed, 2);
    // It need not have been signed: a signer that answers nothing may have.
    write(1, &[entry(Event::Received, 2)]);
    let conflicts = check(&logs).unwrap_err();
    assert!(
        matches!(conflicts[..], [Conflict::TwoPayloads { .. }]),
        "{conflicts:?}"
    );
}

#[test]
fn an_entry_of_another_key_is_not_about_a_slot() {
    let mut entry = entry(Event::Signed, 1);
    let lost = Lost {
        digest: entry.digest.clone(),
        ..lost()
    };
    assert!(lost.is_about(&entry));
    entry.key = keys_from_seed("another", &[Curve::Ed25519])[0]
        .public_key()
        .hash();
    assert!(!lost.is_about(&entry));
}
