//! Doors, certificates, authentication and limits: what does not go together, and what stands open.

use super::{REST, lines_of, read};

/// Problems of `text`, without the places that are elsewhere.
fn problems(text: &str) -> Vec<String> {
    lines_of(&read(&format!("{text}{REST}")))
}

/// Warnings of `text` but for those about one signer and no key.
fn warnings(text: &str) -> Vec<String> {
    let read = read(&format!("{text}{REST}"));
    let warnings = read.map(|loaded| loaded.warnings).unwrap_or_default();
    let lines = warnings.iter().map(ToString::to_string);
    lines
        .filter(|line| !line.contains("only signer") && !line.contains("no key is listed"))
        .collect()
}

#[track_caller]
fn each_is_refused(cases: &[(&str, &str)]) {
    for (text, sentence) in cases {
        let found = problems(text);
        assert!(
            found.len() == 1 && found[0].contains(sentence),
            "{text}: {found:#?}"
        );
    }
}

const TLS: &str = "[listen.tls]\ncertificate = \"/c\"\nkey = \"/k\"\n";

#[test]
fn what_does_not_go_together_is_refused() {
    each_is_refused(&[
        (
            "[listen]\nhttps = \"127.0.0.1:6734\"\n",
            "listen.https: has no certificate; add [listen.tls] with certificate and key",
        ),
        (
            "[listen]\nhttps = \"127.0.0.1:6734\"\n[listen.tls]\nkey = \"/k\"\n",
            "listen.tls.certificate: is required; name the file with the certificate chain",
        ),
        (
            "[listen]\ntcp = \"127.0.0.1:6733\"\n",
            "127.0.0.1:6733 is also listen.http; use another port",
        ),
        (
            "[listen]\nunix = \"x.sock\"\n",
            "is relative; write an absolute path",
        ),
        (
            "[listen]\nunix = \"/s/control.sock\"\n",
            "is also admin.socket; name another file",
        ),
        (
            "[listen.sources]\nhttp = [\"10.0.0.0/33\"]\n",
            "listen.sources.http[0] = \"10.0.0.0/33\": is no network",
        ),
        (
            "[auth]\nsigning-key-file = \"/k\"\n",
            "is used in mode own only; write auth.mode = \"own\", or leave it out",
        ),
        (
            "[auth]\nmode = \"own\"\n",
            "mode own has no key to authenticate to this signer with",
        ),
        (
            "[[key]]\nhash = \"tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx\"\nclients = [\"a\"]\n",
            "key[0].clients: bakers show no certificates; set listen.https and listen.tls.client-ca",
        ),
        (
            "[limits]\nclient-rate = 0\n",
            "out of range; write 1 to 1000000",
        ),
    ]);
}

#[test]
fn what_a_paths_protocol_has_no_use_for_is_refused() {
    let path = |rest: &str| {
        lines_of(&read(&format!(
            "[state]\ndirectory = \"/s\"\n[[signer]]\nname = \"a\"\n{rest}"
        )))
    };
    for (text, sentence) in [
        (
            "[[signer.path]]\nurl = \"tcp://h:1\"\nprefix = \"/x\"\n",
            "prefix: tcp:// has no paths; leave it out",
        ),
        (
            "[[signer.path]]\nurl = \"http://h:1\"\ntls = { ca = \"/x\" }\n",
            "http:// is not secured; use an https:// url, or leave tls out",
        ),
        (
            "[[signer.path]]\nurl = \"https://h:1\"\ntls = { key = \"/x\" }\n",
            "tls.certificate: is missing; write both certificate and key, or neither",
        ),
        (
            "[[signer.path]]\nurl = \"https://h:1\"\ntls = { server-name = \"a b\" }\n",
            "is no name that a certificate has",
        ),
        (
            "deep-probe = { path = \"/x\" }\n[[signer.path]]\nurl = \"unix:///x\"\n",
            "no path of this signer speaks http",
        ),
    ] {
        let found = path(text);
        assert!(
            found.len() == 1 && found[0].contains(sentence),
            "{text}: {found:#?}"
        );
    }
}

#[test]
fn a_path_that_leads_back_to_any_door_is_refused() {
    let doors = "[listen]\nhttps = \"0.0.0.0:6734\"\ntcp = \"127.0.0.1:7733\"\nunix = \"/r/s\"\n";
    for (url, door) in [
        ("https://localhost:6734", "listen.https"),
        ("tcp://127.0.0.1:7733", "listen.tcp"),
        ("tcp://127.0.0.1:6733", "listen.http"),
        ("unix:///r/s", "listen.unix"),
    ] {
        let rest = format!(
            "{doors}{TLS}[state]\ndirectory = \"/s\"\n[[signer]]\nname = \"a\"\n[[signer.path]]\nurl = \"{url}\"\n"
        );
        let found = lines_of(&read(&rest));
        assert!(
            found.len() == 1 && found[0].contains(&format!("leads back to our own {door}")),
            "{url}: {found:#?}"
        );
    }
}

#[test]
fn a_door_that_stands_open_is_told() {
    let open = "whoever can reach this address can ask for signatures";
    let https = format!("[listen]\nhttps = \"0.0.0.0:6734\"\n{TLS}");
    for text in [
        "[listen]\nhttp = \"0.0.0.0:6733\"\n",
        "[listen]\ntcp = \"[::]:7733\"\n",
        &https,
    ] {
        let told = warnings(text);
        assert!(
            told.len() == 1 && told[0].contains(open),
            "{text}: {told:#?}"
        );
    }
    assert!(warnings(&format!("{https}client-ca = \"/ca\"\n")).is_empty());
    let signed =
        "[auth]\nauthorized-keys = [\"edpkuBknW28nW72KG6RoHtYW7p12T6GKc7nAbwYX5m8Wd9sDVC9yav\"]\n";
    assert!(warnings(&format!("{https}{signed}")).is_empty());
    let told = warnings("[admin]\nlisten = \"0.0.0.0:9632\"\n");
    assert!(told[0].contains("can read the status"), "{told:?}");
    let guarded = "[admin]\nlisten = \"0.0.0.0:9632\"\ntoken-file = \"/t\"\n[admin.tls]\ncertificate = \"/c\"\nkey = \"/k\"\n";
    assert!(warnings(guarded).is_empty());
    let told = warnings(TLS);
    assert!(told[0].contains("is shown to nobody"), "{told:?}");
}

#[test]
fn a_nested_key_can_be_set_by_a_variable() {
    let text = format!("[listen]\nhttps = \"127.0.0.1:6734\"\n{REST}");
    let variables = [
        ("SIGNER_PROXY__LISTEN__TLS__CERTIFICATE", "/c"),
        ("SIGNER_PROXY__LISTEN__TLS__KEY", "/k"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let loaded = super::from_text("t", &text, variables.into_iter()).unwrap();
    let tls = loaded.settings.listen.tls.unwrap();
    assert_eq!(tls.identity.key, std::path::Path::new("/k"));
}
