//! What is held against a signer, and what clears it.

use std::sync::Arc;

use crate::settings::{Path as PathSettings, Repeat, Signer as Settings, SignerUrl};
use crate::signer::health::{Observation, SignerState};
use crate::task::Tasks;
use crate::telemetry::Metrics;

use super::super::cause::Cause;
use super::{Roster, Served};

/// A roster of one signer with one path that is up.
fn roster() -> Roster {
    let path = PathSettings {
        name: "1".to_owned(),
        url: SignerUrl::Http {
            host: "127.0.0.1".to_owned(),
            port: 1,
        },
        prefix: String::new(),
        max_connections: 4,
    };
    let settings = Settings {
        name: "a".to_owned(),
        priority: 1,
        capacity: 1,
        repeat: Repeat::Replay,
        shared_watermark: false,
        paths: vec![path],
    };
    let roster = Roster::new(&[settings], &Tasks::new(), Arc::new(Metrics::new()));
    see(&roster, Observation::Hit);
    roster
}

fn see(roster: &Roster, observation: Observation) {
    let signer = &roster.signers()[0];
    roster.observe(signer, &signer.paths()[0], observation);
}

fn fail(roster: &Roster, cause: Cause) {
    let signer = &roster.signers()[0];
    roster.signing_failed(signer, &signer.paths()[0], cause);
}

fn state(roster: &Roster) -> SignerState {
    roster.signers()[0].state()
}

fn down_and_up_again(roster: &Roster) {
    for _ in 0..2 {
        see(roster, Observation::Miss(Cause::Silent));
    }
    assert_eq!(state(roster), SignerState::Down);
    for _ in 0..2 {
        see(roster, Observation::Hit);
    }
}

#[test]
fn two_failed_signatures_make_it_suspect_whatever_its_paths_say() {
    let roster = roster();
    fail(&roster, Cause::WrongSignature);
    assert_eq!(state(&roster), SignerState::Up);
    fail(&roster, Cause::WrongSignature);
    assert_eq!(state(&roster), SignerState::Suspect);
    see(&roster, Observation::Hit);
    assert_eq!(state(&roster), SignerState::Suspect);
    let (cause, _) = roster.signers()[0].cause().unwrap();
    assert_eq!(cause, Cause::WrongSignature.to_string());
}

#[test]
fn a_signature_clears_it() {
    let roster = roster();
    let signer = &roster.signers()[0];
    for _ in 0..2 {
        fail(&roster, Cause::WrongSignature);
    }
    let key = "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb".parse().unwrap();
    roster.signed(signer, key, None);
    assert_eq!(state(&roster), SignerState::Up);
    assert!(signer.cause().is_none());
}

#[test]
fn silence_is_forgiven_when_the_path_that_swallowed_it_has_come_back() {
    let roster = roster();
    for _ in 0..2 {
        fail(&roster, Cause::Abandoned);
    }
    assert_eq!(state(&roster), SignerState::Suspect);
    down_and_up_again(&roster);
    assert_eq!(state(&roster), SignerState::Up);
}

#[test]
fn wrong_answers_are_not_forgiven_because_a_path_has_come_back() {
    let roster = roster();
    for _ in 0..2 {
        fail(&roster, Cause::WrongSignature);
    }
    down_and_up_again(&roster);
    assert_eq!(state(&roster), SignerState::Suspect);
}

#[test]
fn one_that_failed_at_signing_and_has_the_key_is_on_trial_until_it_signs() {
    let roster = roster();
    let signer = &roster.signers()[0];
    let key = crate::fixture::key();
    let on_trial = || roster.on_trial(key).len();
    roster.spoken(signer, false);
    roster.served(signer, key, Served::Proved);
    assert_eq!(on_trial(), 0);
    for _ in 0..2 {
        fail(&roster, Cause::WrongSignature);
    }
    assert_eq!(on_trial(), 1);
    roster.trial_failed(signer);
    assert_eq!(on_trial(), 1);
    roster.served(signer, key, Served::Unknown);
    assert_eq!(on_trial(), 0);
    roster.served(signer, key, Served::Proved);
    roster.exonerated(signer);
    assert_eq!(on_trial(), 0);
    assert_eq!(roster.could_serve(key).len(), 1);
}
