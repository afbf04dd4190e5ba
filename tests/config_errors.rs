//! What is said about wrong configurations, word for word: operators read these lines at night.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use signer_proxy::config::{Loaded, Report, from_text};

/// A state directory, for texts that are about something else. Comes last, so that lines keep counting.
const STATE: &str = "\n[state]\ndirectory = \"/s\"\n";

/// A signer, for texts that are about something else.
const SIGNER: &str = "\n[[signer]]\nname = \"a\"\n[[signer.path]]\nurl = \"http://h:1\"\n";

/// Lines before a path's own keys.
const PATH: &str = "[[signer]]\nname = \"a\"\n[[signer.path]]\n";

fn read(text: &str) -> Result<Loaded, Report> {
    from_text("c.toml", text, std::iter::empty())
}

fn lines(result: Result<Loaded, Report>) -> Vec<String> {
    let report = result.expect_err("this configuration must be refused");
    report.findings.iter().map(ToString::to_string).collect()
}

/// Checks that each `key = value` gives one line: its place, itself, and the sentence.
#[track_caller]
fn each_says(cases: &[(&str, &str)]) {
    for (text, sentence) in cases {
        let found = lines(read(&format!("{text}\n{STATE}{SIGNER}")));
        assert_eq!(found, [format!("c.toml:1: {text}: {sentence}")]);
    }
}

#[test]
fn values_of_the_wrong_type_say_which_is_needed() {
    each_says(&[
        (
            "listen.http = 6733",
            "is an integer, a string is needed; put it in quotes",
        ),
        (
            "listen.known-keys = \"yes\"",
            "is a string, true or false is needed; write true or false, without quotes",
        ),
        (
            "listen = 3",
            "is an integer, a table is needed; write it as one table, [listen]",
        ),
        (
            "guard.level-gap = 1.5",
            "is a float, a whole number is needed; \
             write a whole number from 1 to 2147483647, without quotes",
        ),
    ]);
    let text = format!("[[admin]]\n{STATE}{SIGNER}");
    let expected = "c.toml:1: admin: is a list, a table is needed; write it as one table, [admin]";
    assert_eq!(lines(read(&text)), [expected]);
    let text = format!("[signer]\nname = \"a\"\n{STATE}");
    let expected = "c.toml:1: signer: is a table, a list of tables is needed; \
                    write each as a table of its own, [[signer]]";
    assert_eq!(lines(read(&text)), [expected]);
}

#[test]
fn values_out_of_range_say_what_to_write() {
    let address = "write one such as 127.0.0.1:6733 or [::1]:6733";
    let with_scheme = format!("has a scheme, only address and port are needed; {address}");
    let no_address = format!("not an address with a port; {address}");
    each_says(&[
        ("listen.http = \"localhost:6733\"", &no_address),
        ("listen.http = \"127.0.0.1:66666\"", &no_address),
        ("listen.http = \"http://127.0.0.1:1\"", &with_scheme),
        ("guard.level-gap = 0", "out of range; write 1 to 2147483647"),
        (
            "guard.level-gap = 99999999999999999999999999999999999999999999",
            "out of range; write 1 to 2147483647",
        ),
        (
            "store.kind = \"file\"",
            "not a known value; write one of \"embedded\", \"etcd\"",
        ),
        (
            "auth.mode = \"mine\"",
            "not a known value; write one of \"pass-through\", \"own\"",
        ),
        (
            "admin.socket = \"\"",
            "is empty; write the path of the control socket",
        ),
        (
            "admin.listen = \"127.0.0.1:6733\"",
            "127.0.0.1:6733 is also listen.http; use another port",
        ),
        (
            "listen.http = \"0.0.0.0:9632\"",
            "0.0.0.0:9632 is also admin.listen; use another port",
        ),
    ]);
}

#[test]
fn durations_need_a_unit_and_have_bounds() {
    let unit = "write a number with its unit, such as \"500ms\" or \"6s\"";
    each_says(&[
        (
            "probe.period = 500",
            "is an integer, a string is needed; \
             write a number with its unit in quotes, such as \"500ms\"",
        ),
        ("probe.period = \"500\"", &format!("has no unit; {unit}")),
        (
            "probe.period = \"soon\"",
            &format!("has no number before the unit; {unit}"),
        ),
        (
            "probe.period = \"5 blocks\"",
            &format!("has an unknown unit; {unit}"),
        ),
        ("probe.period = \"49ms\"", "out of range; write 50ms to 1m"),
        (
            "probe.period = \"0s\"",
            "must not be zero; write 50ms to 1m",
        ),
        ("probe.timeout = \"11s\"", "out of range; write 1ms to 10s"),
        (
            "deadline.consensus = \"99ms\"",
            "out of range; write 100ms to 5m",
        ),
        (
            "deadline.other = \"301s\"",
            "out of range; write 100ms to 5m",
        ),
    ]);
}

#[test]
fn unknown_keys_name_the_nearest_or_all() {
    let cases = [
        (
            "[listen]\nknown_keys = true",
            "listen.known_keys = true: unknown key; did you mean known-keys?",
        ),
        (
            "[listen]\ncolour = 3",
            "listen.colour = 3: unknown key; known here: http, https, tcp, unix, known-keys, forwarded-from, tls, sources",
        ),
        ("\n[prob]", "prob: unknown table; did you mean probe?"),
    ];
    for (text, expected) in cases {
        let found = lines(read(&format!("{text}\n{STATE}{SIGNER}")));
        assert_eq!(found, [format!("c.toml:2: {expected}")]);
    }
}

#[test]
fn the_value_of_an_unknown_key_is_shown_unless_it_looks_secret() {
    for (line, shown) in [
        ("colour = \"blue\"", "listen.colour = \"blue\""),
        ("password = \"hunter2\"", "listen.password = (not shown)"),
        ("api_token = 12345", "listen.api_token = (not shown)"),
        ("Secret = \"hunter2\"", "listen.Secret = (not shown)"),
        (
            "key = \"unencrypted:edsk3hunter2\"",
            "listen.key = \"(secret key, not shown)\"",
        ),
        (
            "url = \"http://me:hunter2@host/\"",
            "listen.url = \"http://***@host/\"",
        ),
        ("colours = [1]", "listen.colours"),
    ] {
        let found = lines(read(&format!("[listen]\n{line}\n{STATE}{SIGNER}")));
        assert_eq!(found.len(), 1, "{found:?}");
        let begin = format!("c.toml:2: {shown}: unknown key; ");
        assert!(found[0].starts_with(&begin), "{found:?}");
        assert!(!found[0].contains("hunter2") && !found[0].contains("12345"));
    }
}

#[test]
fn signers_and_paths_keep_their_rules() {
    let cases = [
        (
            "signer = []",
            "c.toml:1: signer: there is no signer; \
             add a [[signer]] with a name and a [[signer.path]]",
        ),
        (
            "[[signer]]\nname = \"a\"",
            "c.toml:1: signer[0]: has no path: nothing says how to reach it; add a [[signer.path]] with a url",
        ),
        (
            "[[signer]]\n[[signer.path]]\nurl = \"http://h:1\"",
            "c.toml:1: signer[0].name: is required; name it: the name appears in logs, metrics and errors",
        ),
        (
            "[[signer]]\nname = \"a\"\n[[signer.path]]",
            "c.toml:3: signer[0].path[0].url: is required; \
             write where the path leads, such as \"http://127.0.0.1:8443\"",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(lines(read(&format!("{text}\n{STATE}"))), [expected]);
    }
    let found = lines(read(&format!("{STATE}{SIGNER}{SIGNER}")));
    let expected = "c.toml:11: signer[1].name = \"a\": the same as signer[0].name; \
                    give each signer a name of its own";
    assert_eq!(found, [expected]);
}

#[test]
fn keys_of_a_path_keep_their_rules() {
    let names = "the same as signer[0].path[0].name; give each path of a signer a name of its own";
    let cases = [
        (
            "prefix = \"signer\"",
            "prefix = \"signer\": does not start with a slash; write it as /signer",
        ),
        (
            "prefix = \"/a b\"",
            "prefix = \"/a b\": has characters that do not belong in a url's path; \
             percent-encode them; a query cannot be given",
        ),
        (
            "max-connections = 0",
            "max-connections = 0: out of range; write 1 to 1024",
        ),
        ("name = \"1\"", &format!("name = \"1\": {names}")),
        (
            "name = \"a/b\"",
            "name = \"a/b\": has characters that do not belong in a label; use 1 to 64 of a-z A-Z 0-9 . _ -",
        ),
    ];
    for (text, expected) in cases {
        let path = "[[signer.path]]\nurl = \"http://g:1\"";
        let found = lines(read(&format!(
            "{PATH}url = \"http://h:1\"\n{path}\n{text}\n{STATE}"
        )));
        assert_eq!(found, [format!("c.toml:7: signer[0].path[1].{expected}")]);
    }
}

#[test]
fn connections_below_the_capacity_are_refused_even_by_default() {
    let signer = "[[signer]]\nname = \"a\"\ncapacity = 5\n[[signer.path]]\nurl = \"http://h:1\"";
    let remedy = "write at least 5, or lower the capacity";
    let key = "signer[0].path[0].max-connections";
    assert_eq!(
        lines(read(&format!("{signer}\n{STATE}"))),
        [format!(
            "c.toml:4: {key}: 4 connections are fewer than the signer's capacity of 5; {remedy}"
        )]
    );
    assert_eq!(
        lines(read(&format!("{signer}\nmax-connections = 2\n{STATE}"))),
        [format!(
            "c.toml:6: {key} = 2: 2 connections are fewer than the signer's capacity of 5; {remedy}"
        )]
    );
}

#[test]
fn every_problem_of_a_file_is_reported_in_its_order() {
    let text = "\
listen.http = \"nowhere\"
[state]
directroy = \"/s\"
[[chain]]
id = \"NetXdQprcVkpaWW\"
[guard]
level-gap = -1
[[signer]]
name = \"home a\"
[[signer.path]]
url = \"htp://x\"
max-connections = \"4\"
[probe]
period = 500
colour = \"red\"
";
    let report = read(text).expect_err("refused");
    let found: Vec<(usize, &str)> = report
        .findings
        .iter()
        .map(|finding| (finding.line.unwrap_or(0), finding.key.as_str()))
        .collect();
    let expected = [
        (1, "listen.http"),
        (2, "state.directory"),
        (3, "state.directroy"),
        (5, "chain[0].id"),
        (7, "guard.level-gap"),
        (9, "signer[0].name"),
        (11, "signer[0].path[0].url"),
        (12, "signer[0].path[0].max-connections"),
        (14, "probe.period"),
        (15, "probe.colour"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn syntax_errors_do_not_hide_other_problems_nor_invent_missing_keys() {
    let text = "[listen]\nhttp = 127.0.0.1:1\n[state\ndirectory = \"/s\"\n[probe]\nperiod = \"1d\"";
    let report = read(text).expect_err("refused");
    let found: Vec<(Option<usize>, &str)> = report
        .findings
        .iter()
        .map(|finding| (finding.line, finding.key.as_str()))
        .collect();
    assert_eq!(
        found,
        [(Some(2), ""), (Some(3), ""), (Some(6), "probe.period")]
    );
    let first = report.findings[0].to_string();
    assert!(first.starts_with("c.toml:2: not valid TOML: "), "{first}");
    assert!(first.ends_with("; put text in double quotes"), "{first}");
}

#[test]
fn a_witness_beside_what_it_is_to_witness_is_refused() {
    let text = "[state]\ndirectory = \"/var/lib/p\"\nwitness = \"/var/lib/p/witness\"\n\
        [[signer]]\nname = \"a\"\n[[signer.path]]\nurl = \"http://127.0.0.1:1\"\n";
    let found = lines(read(text));
    assert_eq!(
        found,
        [
            "c.toml:3: state.witness = \"/var/lib/p/witness\": is in the state directory, and would go back \
             together with it; name a file on another volume"
        ]
    );
    assert!(read(&text.replace("/var/lib/p/witness", "/var/lib/other")).is_ok());
}
