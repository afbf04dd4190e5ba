//! What is held against a signer, and what clears it.

mod redundancy;

use std::sync::Arc;
use std::time::Duration;

use crate::settings::{Path as PathSettings, Repeat, Signer as Settings, SignerUrl};
use crate::signer::health::{Observation, SignerState};
use crate::task::Tasks;
use crate::telemetry::Metrics;

use super::super::cause::Cause;
use super::{Roster, Served};

/// A roster of one signer with one path that is up.
fn roster() -> Roster {
    roster_of(&[1])
}

/// A roster of signers with so many paths each, all up; they have shown the key and said that they demand
/// nothing.
fn roster_of(paths: &[usize]) -> Roster {
    let settings: Vec<_> = paths
        .iter()
        .enumerate()
        .map(|(index, paths)| settings(index, *paths))
        .collect();
    let roster = Roster::new(&settings, &Tasks::new(), Arc::new(Metrics::new()));
    for (signer, path) in roster.paths() {
        roster.observe(signer, path, Observation::Hit);
        roster.served(signer, crate::fixture::key(), Served::Proved);
        roster.spoken(signer, false);
    }
    roster
}

fn settings(index: usize, paths: usize) -> Settings {
    let path = |nth: usize| PathSettings {
        name: nth.to_string(),
        url: SignerUrl::Http {
            host: "127.0.0.1".to_owned(),
            port: 1,
        },
        prefix: String::new(),
        max_connections: 4,
        tls: crate::settings::PathTls::default(),
    };
    Settings {
        name: ["a", "b", "c"][index].to_owned(),
        priority: u32::try_from(index).unwrap(),
        capacity: 1,
        repeat: Repeat::Replay,
        shared_watermark: false,
        deep_probe: None,
        auth_key: None,
        paths: (1..=paths).map(path).collect(),
    }
}

fn see(roster: &Roster, observation: Observation) {
    let signer = &roster.signers()[0];
    roster.probed(signer, &signer.paths()[0], observation);
}

fn fail(roster: &Roster, cause: Cause) {
    let signer = &roster.signers()[0];
    roster.signing_failed(signer, &signer.paths()[0], cause);
}

fn fail_over(roster: &Roster, path: usize, cause: Cause) {
    let signer = &roster.signers()[0];
    roster.signing_failed(signer, &signer.paths()[path], cause);
}

/// The signers to ask for the key, by name.
fn asked(roster: &Roster) -> Vec<String> {
    let candidates = roster.candidates(crate::fixture::key(), None);
    let names = candidates.iter().map(|signer| signer.name().to_owned());
    names.collect()
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

#[tokio::test(start_paused = true)]
async fn a_hung_device_does_not_come_back_by_time_or_by_probes() {
    let roster = roster_of(&[1, 1]);
    assert_eq!(asked(&roster), ["a", "b"]);
    for _ in 0..2 {
        fail(&roster, Cause::Abandoned);
    }
    assert_eq!(asked(&roster), ["b", "a"]);
    for _ in 0..600 {
        tokio::time::advance(Duration::from_secs(1)).await;
        see(&roster, Observation::Hit);
        assert_eq!(state(&roster), SignerState::Suspect);
        assert_eq!(asked(&roster), ["b", "a"]);
    }
    roster.exonerated(&roster.signers()[0]);
    assert_eq!(state(&roster), SignerState::Up);
}

#[test]
fn two_requests_lost_with_one_tunnel_do_not_make_the_signer_suspect_while_its_other_path_is_well() {
    let roster = roster_of(&[2]);
    for _ in 0..2 {
        fail_over(&roster, 0, Cause::Closed);
    }
    assert_eq!(state(&roster), SignerState::Up);
    // Over both it is the signer.
    fail_over(&roster, 1, Cause::Closed);
    assert_eq!(state(&roster), SignerState::Suspect);
}

#[test]
fn silence_on_a_path_that_probes_found_dead_is_not_the_signers() {
    let roster = roster();
    let signer = &roster.signers()[0];
    for _ in 0..2 {
        see(&roster, Observation::Miss(Cause::Silent));
    }
    // They are given up later than the path.
    for _ in 0..2 {
        fail(&roster, Cause::Abandoned);
    }
    for _ in 0..2 {
        see(&roster, Observation::Hit);
    }
    assert_eq!(state(&roster), SignerState::Up);
    // What only traffic has seen may be the signer.
    for _ in 0..2 {
        let silent = Observation::Miss(Cause::Silent);
        roster.observe(signer, &signer.paths()[0], silent);
        fail(&roster, Cause::Abandoned);
    }
    for _ in 0..2 {
        see(&roster, Observation::Hit);
    }
    assert_eq!(state(&roster), SignerState::Suspect);
}

#[tokio::test(start_paused = true)]
async fn one_that_failed_at_signing_takes_over_again_after_the_hold_down_only() {
    let roster = roster_of(&[1, 1]);
    let [a, b] = roster.signers() else {
        unreachable!()
    };
    let key = crate::fixture::key();
    let level = |level| Some(crate::fixture::at(level, 0));
    for _ in 0..2 {
        fail(&roster, Cause::Abandoned);
    }
    roster.signed(b, key, level(1));
    roster.exonerated(a);
    assert_eq!(asked(&roster), ["b", "a"]);
    tokio::time::advance(Duration::from_secs(29)).await;
    assert_eq!(asked(&roster), ["b", "a"]);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(asked(&roster), ["a", "b"]);
    // Once more within ten minutes: twice as long.
    for _ in 0..2 {
        fail(&roster, Cause::Abandoned);
    }
    roster.exonerated(a);
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(asked(&roster), ["b", "a"]);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(asked(&roster), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_path_that_flaps_goes_behind_a_steady_one_for_a_while() {
    let roster = roster_of(&[2]);
    let signer = &roster.signers()[0];
    let order = || {
        let paths = signer.paths_in_order();
        let names: Vec<_> = paths.iter().map(|path| path.name().to_owned()).collect();
        names.join("")
    };
    assert_eq!(order(), "12");
    for (seconds, before) in [(5, "21"), (10, "21"), (20, "21"), (40, "21"), (60, "21")] {
        for _ in 0..2 {
            see(&roster, Observation::Miss(Cause::Silent));
        }
        for _ in 0..2 {
            see(&roster, Observation::Hit);
        }
        tokio::time::advance(Duration::from_secs(seconds - 1)).await;
        assert_eq!(order(), before, "{seconds}");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(order(), "12", "{seconds}");
    }
}

#[test]
fn who_could_serve_a_key_need_not_have_been_heard_but_must_be_the_right_one() {
    let roster = roster_of(&[1, 1, 1]);
    let key = crate::fixture::key();
    let names = |roster: &Roster| {
        let all = roster.could_serve(key);
        let names: Vec<_> = all.iter().map(|signer| signer.name().to_owned()).collect();
        names.join("")
    };
    let [a, b, c] = roster.signers() else {
        unreachable!()
    };
    assert_eq!(names(&roster), "abc");
    let elsewhere = Observation::Eject(Cause::WrongKey(key));
    roster.observe(a, &a.paths()[0], elsewhere);
    assert_eq!(names(&roster), "bc");
    roster.served(b, key, Served::Denied);
    assert_eq!(names(&roster), "c");
    let since = Some(crate::fixture::second(1));
    roster.set_draining(c.name(), since).unwrap();
    // Nobody is left who has not said that it lacks the key.
    assert_eq!(names(&roster), "b");
    let unheard = Roster::new(&[settings(0, 1)], &Tasks::new(), Arc::default());
    assert_eq!(names(&unheard), "a");
    assert!(unheard.candidates(key, None).is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_that_failed_at_signing_and_has_the_key_is_on_trial_until_it_signs() {
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
    assert!(roster.trial_begins(signer));
    assert!(!roster.trial_begins(signer));
    assert_eq!(on_trial(), 0);
    roster.trial_failed(signer);
    assert_eq!(on_trial(), 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(on_trial(), 1);
    roster.served(signer, key, Served::Unknown);
    assert_eq!(on_trial(), 0);
    roster.served(signer, key, Served::Proved);
    roster.exonerated(signer);
    assert_eq!(on_trial(), 0);
    assert_eq!(roster.could_serve(key).len(), 1);
}

#[test]
fn one_missed_probe_moves_no_key_and_two_do() {
    let roster = roster_of(&[1, 1]);
    let first = || roster.candidates(crate::fixture::key(), None)[0].index();
    for _ in 0..3 {
        see(&roster, Observation::Miss(Cause::Silent));
        assert_eq!((state(&roster), first()), (SignerState::Suspect, 0));
        see(&roster, Observation::Hit);
    }
    see(&roster, Observation::Miss(Cause::Silent));
    see(&roster, Observation::Miss(Cause::Silent));
    assert_eq!(first(), 1);
    // Back for once is another thing.
    see(&roster, Observation::Hit);
    assert_eq!((state(&roster), first()), (SignerState::Suspect, 1));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_has_moved_stays_for_a_while() {
    let roster = roster_of(&[1, 1]);
    let key = crate::fixture::key();
    let first = || roster.candidates(key, Some(crate::fixture::at(9, 0)))[0].index();
    assert_eq!(first(), 0);
    roster.signed(&roster.signers()[1], key, Some(crate::fixture::at(8, 0)));
    assert_eq!(first(), 1);
    tokio::time::advance(Duration::from_secs(29)).await;
    roster.signed(&roster.signers()[1], key, Some(crate::fixture::at(8, 0)));
    assert_eq!(first(), 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(first(), 0);
}
