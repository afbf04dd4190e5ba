//! Changes of the fault switches.

use super::*;

#[test]
fn a_change_touches_only_what_it_names() {
    let before = Faults {
        latency_ms: 20,
        serial: true,
        ..Faults::default()
    };
    let after = before.changed(br#"{"stall":"sign","times":2}"#).unwrap();
    assert_eq!(
        after,
        Faults {
            stall: Scope::Sign,
            times: Some(2),
            ..before
        }
    );
}

#[test]
fn a_null_lifts_the_limit() {
    let before = Faults {
        status500: true,
        times: Some(2),
        ..Faults::default()
    };
    assert_eq!(before.changed(br#"{"times":null}"#).unwrap().times, None);
}

#[test]
fn a_wrong_change_is_refused() {
    for change in [
        "",
        "[]",
        "7",
        r#"{"latency":5}"#,
        r#"{"stall":"most"}"#,
        r#"{"latency_ms":-1}"#,
        r#"{"max_version":4}"#,
    ] {
        assert!(
            Faults::default().changed(change.as_bytes()).is_err(),
            "{change} was accepted"
        );
    }
}

#[test]
fn faults_survive_their_own_json() {
    let faults = Faults {
        reset: Scope::All,
        max_version: 2,
        times: Some(9),
        garbage: true,
        ..Faults::default()
    };
    let text = serde_json::to_vec(&faults).unwrap();
    assert_eq!(Faults::default().changed(&text).unwrap(), faults);
}

#[test]
fn limited_faults_end_after_their_count_and_leave_the_device_as_it_was() {
    let switches = Switches::new(Faults {
        status500: true,
        refuse_repeats: true,
        times: Some(2),
        ..Faults::default()
    });
    assert!(switches.take().status500);
    assert!(switches.take().status500);
    assert_eq!(
        switches.take(),
        Faults {
            refuse_repeats: true,
            ..Faults::default()
        }
    );
}

#[test]
fn unlimited_faults_stay() {
    let switches = Switches::new(Faults {
        garbage: true,
        ..Faults::default()
    });
    for _ in 0..3 {
        assert!(switches.take().garbage);
    }
}

#[test]
fn a_count_of_zero_means_no_faults() {
    let switches = Switches::new(Faults {
        garbage: true,
        times: Some(0),
        ..Faults::default()
    });
    assert_eq!(switches.current(), Faults::default());
}
