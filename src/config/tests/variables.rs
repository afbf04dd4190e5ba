//! Overrides from the environment.

use super::super::{Loaded, Report, from_text};
use super::{REST, lines_of};

fn read(text: &str, env: &[(&str, &str)]) -> Result<Loaded, Report> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    from_text("t", text, env.iter().map(owned))
}

fn found(env: &[(&str, &str)]) -> Vec<String> {
    lines_of(&read(REST, env))
}

#[test]
fn a_variable_wins_over_the_file() {
    let text = format!("listen.http = \"127.0.0.1:1\"\n{REST}");
    let env = [
        ("SIGNER_PROXY__LISTEN__HTTP", "127.0.0.1:2"),
        ("SIGNER_PROXY__LISTEN__KNOWN_KEYS", "true"),
        ("SIGNER_PROXY__GUARD__LEVEL-GAP", "7"),
        ("SIGNER_PROXY__PROBE__PERIOD", "250ms"),
        ("SIGNER_PROXY__NODE__URL", "http://node:8732"),
    ];
    let settings = read(&text, &env).unwrap().settings;
    assert_eq!(settings.listen.http.port(), 2);
    assert!(settings.listen.known_keys);
    assert_eq!(settings.guard.level_gap, 7);
    assert_eq!(settings.probe.period.as_millis(), 250);
    assert_eq!(settings.node.unwrap().url.to_string(), "http://node:8732");
}

#[test]
fn a_variable_can_give_what_is_required() {
    let text = REST.replace("directory = \"/s\"", "");
    let settings = read(&text, &[("SIGNER_PROXY__STATE__DIRECTORY", "/t")])
        .unwrap()
        .settings;
    assert_eq!(settings.admin.socket.to_str(), Some("/t/control.sock"));
}

#[test]
fn a_bad_value_names_the_variable() {
    let cases = [
        (
            ("SIGNER_PROXY__LISTEN__KNOWN_KEYS", "maybe"),
            "SIGNER_PROXY__LISTEN__KNOWN_KEYS: listen.known-keys = \"maybe\": is not true or false; \
             write true or false, without quotes",
        ),
        (
            ("SIGNER_PROXY__GUARD__LEVEL_GAP", "many"),
            "SIGNER_PROXY__GUARD__LEVEL_GAP: guard.level-gap = \"many\": is not a whole number; \
             write a whole number from 1 to 2147483647, without quotes",
        ),
        (
            ("SIGNER_PROXY__PROBE__PERIOD", "500"),
            "SIGNER_PROXY__PROBE__PERIOD: probe.period = \"500\": has no unit; \
             write a number with its unit, such as \"500ms\" or \"6s\"",
        ),
        (
            ("SIGNER_PROXY__LISTEN__HTTP", "127.0.0.1:9632"),
            "SIGNER_PROXY__LISTEN__HTTP: listen.http = \"127.0.0.1:9632\": \
             127.0.0.1:9632 is also admin.listen; use another port",
        ),
    ];
    for (variable, expected) in cases {
        assert_eq!(found(&[variable]), [expected]);
    }
}

#[test]
fn a_variable_without_a_key_is_refused() {
    assert_eq!(
        found(&[("SIGNER_PROXY__LISTEN__HTP", "x")]),
        [
            "SIGNER_PROXY__LISTEN__HTP: listen.htp = \"x\": names no key of the configuration; \
          did you mean SIGNER_PROXY__LISTEN__HTTP?"
        ]
    );
    assert_eq!(
        found(&[("SIGNER_PROXY__AUTH__AUTHORIZED_KEYS", "x")]),
        [
            "SIGNER_PROXY__AUTH__AUTHORIZED_KEYS: auth.authorized-keys = \"x\": \
          cannot be set by a variable, only in the file"
        ]
    );
    for name in [
        "SIGNER_PROXY__",
        "SIGNER_PROXY__LISTEN",
        "SIGNER_PROXY____HTTP",
        "SIGNER_PROXY__LISTEN__TLS__NAME",
        "SIGNER_PROXY__LISTEN____TLS__KEY",
        "SIGNER_PROXY__SIGNER__NAME",
    ] {
        let found = found(&[(name, "x")]);
        assert_eq!(found.len(), 1, "{name}");
        assert!(found[0].starts_with(&format!("{name}: ")), "{found:?}");
    }
}

#[test]
fn two_variables_for_one_key_are_refused() {
    let found = found(&[
        ("SIGNER_PROXY__PROBE__PERIOD", "1s"),
        ("SIGNER_PROXY__probe__period", "2s"),
    ]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("sets a key that another variable sets too"),
        "{found:?}"
    );
}

#[test]
fn other_variables_are_left_alone() {
    assert!(found(&[("SIGNER_PROXY_LOG", "debug"), ("HOME", "/")]).is_empty());
}
