//! One meaning for each word, whatever it is said of.

use jiff::Timestamp;

use crate::admin::PathStatus;
use crate::fixture::secret;
use crate::tezos::{Curve, PublicKeyHash};

use super::*;

fn store(condition: Condition) -> StoreReport {
    let reason = (condition != Condition::Ready).then(|| format!("the store is {condition}"));
    StoreReport {
        kind: "embedded",
        condition,
        reason,
        lineage: None,
        sealed: None,
        silent_for: None,
    }
}

fn able(name: &str, state: SignerState) -> Able {
    Able {
        name: name.to_owned(),
        state,
        cause: (state == SignerState::Down).then(|| "connection refused".to_owned()),
        proved: true,
        spoken: true,
        left: state == SignerState::Up,
    }
}

/// A key with a watermark that these signers have shown.
fn facts(states: &[SignerState]) -> Facts {
    let named = ["a", "b", "c"].iter().zip(states);
    Facts {
        verifiable: true,
        has_watermark: true,
        stopped: None,
        unmet_demand: None,
        able: named.map(|(name, state)| able(name, *state)).collect(),
        trouble: vec!["a (url) connection refused since 12:00:00".to_owned()],
    }
}

fn judged(facts: &Facts) -> (&'static str, String) {
    let (verdict, cause) = key(facts, &store(Condition::Ready));
    (verdict.name(), cause.unwrap_or_default())
}

fn hash(nth: u8) -> PublicKeyHash {
    secret(Curve::Ed25519, nth).public_key().hash()
}

fn tz5() -> PublicKeyHash {
    PublicKeyHash::from_tagged(&[4; PublicKeyHash::TAGGED_LEN]).unwrap()
}

fn status_of(hash: PublicKeyHash, state: &str) -> KeyStatus {
    KeyStatus {
        hash,
        state: state.to_owned(),
        cause: (state != "ok").then(|| "the cause".to_owned()),
        signers: Vec::new(),
        last_signed: Vec::new(),
    }
}

/// Keys with these states, of hashes that count from 1.
fn keys(states: &[&str]) -> Vec<KeyStatus> {
    let numbered = (1..).zip(states);
    numbered
        .map(|(nth, state)| status_of(hash(nth), state))
        .collect()
}

fn signer(name: &str, state: &str) -> SignerStatus {
    let path = PathStatus {
        name: "1".to_owned(),
        url: format!("http://{name}"),
        state: state.to_owned(),
        since: Timestamp::UNIX_EPOCH,
        cause: None,
        rtt_ms: None,
    };
    SignerStatus {
        name: name.to_owned(),
        priority: 1,
        state: state.to_owned(),
        active: false,
        since: Timestamp::UNIX_EPOCH,
        last_signed: None,
        cause: None,
        deep_probe: None,
        paths: vec![path],
    }
}

fn signers(states: &[&str]) -> Vec<SignerStatus> {
    let named = ["a", "b", "c"].iter().zip(states);
    named.map(|(name, state)| signer(name, state)).collect()
}

fn whole(keys: &[KeyStatus], signers: &[SignerStatus]) -> (&'static str, String) {
    let (verdict, summary) = overall(&store(Condition::Ready), keys, signers);
    (verdict.name(), summary)
}

#[test]
fn a_key_is_as_well_as_the_signers_that_could_serve_it() {
    use SignerState::{Down, Draining, Suspect, Unknown, Up};
    for (states, state, cause) in [
        (&[Up][..], "ok", ""),
        (&[Up, Up], "ok", ""),
        (
            &[Up, Down],
            "degraded",
            "one signer left of 2: b is down: connection refused",
        ),
        (
            &[Up, Draining],
            "degraded",
            "one signer left of 2: b is draining",
        ),
        (
            &[Up, Unknown, Up],
            "degraded",
            "2 of 3 signers left: b is unknown",
        ),
        (
            &[Up, Suspect],
            "degraded",
            "one signer left of 2: b is suspect",
        ),
        (&[Suspect], "degraded", "a is suspect"),
        (
            &[Suspect, Down],
            "degraded",
            "no signer of 2 is well: a is suspect",
        ),
        (
            &[Down, Down],
            "down",
            "a (url) connection refused since 12:00:00",
        ),
        (&[], "down", "a (url) connection refused since 12:00:00"),
    ] {
        let judged = judged(&facts(states));
        assert_eq!(judged, (state, cause.to_owned()), "{states:?}");
    }
}

#[test]
fn a_single_missed_probe_takes_nobody_away() {
    let mut facts = facts(&[SignerState::Up, SignerState::Suspect]);
    facts.able[1].left = true;
    assert_eq!(judged(&facts), ("degraded", "b is suspect".to_owned()));
}

#[test]
fn a_signer_that_is_not_asked_yet_is_missing() {
    let well = facts(&[SignerState::Up, SignerState::Up]);
    let (mut unproved, mut silent) = (well.clone(), well);
    (unproved.able[1].proved, unproved.able[1].left) = (false, false);
    (silent.able[1].spoken, silent.able[1].left) = (false, false);
    for (facts, cause) in [
        (unproved, "b has not shown this key"),
        (silent, "b has not answered /authorized_keys"),
    ] {
        let cause = format!("one signer left of 2: {cause}");
        assert_eq!(judged(&facts), ("degraded", cause));
    }
}

#[test]
fn a_key_is_stopped_with_its_sentence_by_what_an_operator_must_do() {
    let well = facts(&[SignerState::Up]);
    for condition in [Condition::Absent, Condition::Refusing] {
        let (verdict, cause) = key(&well, &store(condition));
        assert_eq!(verdict, Verdict::Stopped);
        assert_eq!(cause, Some(format!("the store is {condition}")));
    }
    let never = Facts {
        verifiable: false,
        ..well.clone()
    };
    let bare = Facts {
        has_watermark: false,
        ..well.clone()
    };
    let demanded = Facts {
        unmet_demand: Some("home-a".to_owned()),
        ..well
    };
    for (facts, word) in [
        (never, "tz5"),
        (bare, "watermark init"),
        (demanded, "signer home-a demands authentication"),
    ] {
        let (state, cause) = judged(&facts);
        assert_eq!(state, "stopped");
        assert!(cause.contains(word), "{cause}");
    }
}

#[test]
fn a_store_that_is_not_ready_is_down_with_its_reason() {
    for condition in [Condition::Absent, Condition::Refusing] {
        let (verdict, summary) = overall(&store(condition), &keys(&["ok"]), &signers(&["up"]));
        assert_eq!(verdict, Verdict::Down);
        assert_eq!(summary, format!("the store is {condition}"));
    }
}

#[test]
fn the_whole_is_down_only_when_no_key_can_sign() {
    let (up, down) = (signers(&["up"]), signers(&["down"]));
    for state in ["down", "stopped"] {
        let all = whole(&keys(&[state, state]), &up);
        let summary = format!("no key can sign: {}: the cause", hash(1));
        assert_eq!(all, ("down", summary));
        let some = whole(&keys(&["ok", state]), &up);
        let summary = format!("1 of 2 keys can sign; {} cannot: the cause", hash(2));
        assert_eq!(some, ("degraded", summary));
    }
    assert_eq!(whole(&[], &up).0, "down");
    let summary = "no key can sign: 0 of 1 signers up: a down".to_owned();
    assert_eq!(whole(&[], &down), ("down", summary));
}

#[test]
fn the_whole_is_degraded_when_fewer_sign_than_could() {
    for (keys, signers, summary) in [
        (
            keys(&["degraded"]),
            signers(&["up", "down"]),
            "1 of 2 signers up: b down".to_owned(),
        ),
        // One that has none of the keys, or could not take over.
        (
            keys(&["ok"]),
            signers(&["up", "suspect"]),
            "1 of 2 signers up: b suspect".to_owned(),
        ),
        (
            keys(&["ok", "degraded"]),
            signers(&["up", "up"]),
            format!("{}: the cause", hash(2)),
        ),
    ] {
        assert_eq!(whole(&keys, &signers), ("degraded", summary));
    }
    let mut half = signers(&["up"]);
    half[0].paths[0].state = "down".to_owned();
    let summary = "all signers up, but path http://a down".to_owned();
    assert_eq!(whole(&keys(&["ok"]), &half), ("degraded", summary));
}

#[test]
fn a_key_that_can_never_sign_does_not_take_the_whole_down() {
    let mut all = keys(&["ok"]);
    all.insert(0, status_of(tz5(), "stopped"));
    let well = whole(&all, &signers(&["up"]));
    assert_eq!(well, ("ok", "the signer is up, 1 key can sign".to_owned()));
    let alone = whole(&all[..1], &signers(&["up"]));
    assert_eq!(alone.0, "down");
}

#[test]
fn one_is_not_many() {
    for (states, ups, summary) in [
        (&["ok"][..], &["up"][..], "the signer is up, 1 key can sign"),
        (
            &["ok", "ok"],
            &["up", "up"],
            "all 2 signers up, 2 keys can sign",
        ),
    ] {
        let (state, said) = whole(&keys(states), &signers(ups));
        assert_eq!((state, said.as_str()), ("ok", summary));
    }
}
