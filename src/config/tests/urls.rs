//! Urls of paths: what is accepted, what is refused, and what is never repeated.

use super::{REST, lines_of, read};
use crate::settings::SignerUrl;

/// A state directory; comes last, so that lines keep counting.
const STATE: &str = "\n[state]\ndirectory = \"/s\"\n";

/// Lines before a path's own keys.
const PATH: &str = "[[signer]]\nname = \"a\"\n[[signer.path]]\n";

/// Checks that each url of a path gives one line.
#[track_caller]
fn each_url_says(cases: &[(&str, &str)]) {
    for (url, sentence) in cases {
        let found = lines_of(&read(&format!("{PATH}url = \"{url}\"\n{STATE}")));
        let expected = format!("t:4: signer[0].path[0].url = \"{url}\": {sentence}");
        assert_eq!(found, [expected]);
    }
}

#[test]
fn urls_say_which_part_is_wrong() {
    let schemes = "use http://, https://, http+unix://, tcp:// or unix://";
    let brackets = "write it as http://[::1]:6732";
    let port = "use a port from 1 to 65535";
    each_url_says(&[
        ("htp://x", &format!("unknown scheme \"htp\"; {schemes}")),
        ("https://h", "has no port; add it, such as https://h:443"),
        ("tcp://h", "has no port; add it, such as tcp://h:7732"),
        (
            "unix://x",
            "the path of the socket is not absolute; write it as unix:///run/signers/a.sock, with three slashes",
        ),
        (
            "127.0.0.1:8443",
            "has no scheme; write it as http://host:port or http+unix:///path",
        ),
        (
            "http://h:1/signer",
            "has a path after the port; leave it out and write it as prefix",
        ),
        ("http://h", "has no port; add it, such as http://h:6732"),
        ("http://h:0", &format!("bad port \"0\"; {port}")),
        ("http://h:+1", &format!("bad port \"+1\"; {port}")),
        ("http://:1", "has no host; write it as http://host:port"),
        (
            "http://::1:1",
            &format!("has an IPv6 address without brackets; {brackets}"),
        ),
        (
            "http://[::x]:1",
            &format!("bad IPv6 address \"::x\"; {brackets}"),
        ),
        (
            "http://300.0.0.1:1",
            "bad IPv4 address \"300.0.0.1\"; write four numbers from 0 to 255",
        ),
        (
            "http://a!:1",
            "bad host \"a!\"; use a DNS name or an IP address",
        ),
        (
            "http://a b:1",
            "has white space or control characters; leave them out",
        ),
        (
            "http+unix://run/x",
            "the path of the socket is not absolute; \
             write it as http+unix:///run/signers/a.sock, with three slashes",
        ),
    ]);
}

#[test]
fn urls_with_credentials_are_refused_without_repeating_them() {
    for (url, shown) in [
        ("http://me:hunter2@h:1", "\"http://***@h:1\""),
        ("http://h:1?token=hunter2", "\"http://h:1?***\""),
        ("me:hunter2@h:1", "\"***@h:1\""),
    ] {
        let found = lines_of(&read(&format!("{PATH}url = \"{url}\"\n{STATE}")));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains(shown), "{found:?}");
        assert!(!found[0].contains("hunter2"), "{found:?}");
    }
}

#[test]
fn urls_that_lead_back_to_us_are_refused() {
    let remedy = "write the address of the signer, or of its tunnel";
    let hosts = [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "0.0.0.0",
        "[::1]",
        "[::]",
    ];
    for host in hosts.into_iter().chain(["[::ffff:127.0.0.1]"]) {
        for (port, key) in [(6733, "listen.http"), (9632, "admin.listen")] {
            let url = format!("http://{host}:{port}");
            each_url_says(&[(&url, &format!("leads back to our own {key}; {remedy}"))]);
        }
    }
    each_url_says(&[(
        "http+unix:///s/control.sock",
        &format!("leads back to our own admin.socket; {remedy}"),
    )]);
}

#[test]
fn another_loopback_address_is_ours_only_when_we_listen_on_all() {
    let elsewhere = format!("{PATH}url = \"http://127.0.0.2:6733\"\n{STATE}");
    assert!(read(&elsewhere).is_ok());
    assert!(read(&format!("listen.http = \"0.0.0.0:6733\"\n{elsewhere}")).is_err());
}

#[test]
fn urls_are_kept_as_host_and_port() {
    let url = |url: &str| {
        let text = REST.replace("http://h:1", url);
        read(&text).unwrap().settings.signers[0].paths[0]
            .url
            .clone()
    };
    let http = |host: &str, port| SignerUrl::Http {
        host: host.to_owned(),
        port,
    };
    assert_eq!(url("http://h:1/"), http("h", 1));
    assert_eq!(
        url("HTTP://Home-A.example:8443"),
        http("home-a.example", 8443)
    );
    assert_eq!(url("http://[::1]:8443"), http("::1", 8443));
}

#[test]
fn prefixes_lose_their_last_slash() {
    let prefix = |prefix: &str| {
        let text = format!("{REST}prefix = \"{prefix}\"");
        read(&text).unwrap().settings.signers[0].paths[0]
            .prefix
            .clone()
    };
    assert_eq!(prefix(""), "");
    assert_eq!(prefix("/"), "");
    assert_eq!(prefix("/signer/"), "/signer");
    assert_eq!(prefix("/a/b"), "/a/b");
}

#[test]
fn a_device_with_one_position_signs_one_thing_at_a_time() {
    for (capacity, shared, complaints) in [(1, true, 0), (2, true, 1), (2, false, 0)] {
        let text = format!(
            "[state]\ndirectory = \"/s\"\n[[signer]]\nname = \"a\"\ncapacity = {capacity}\n\
             shared-watermark = {shared}\n[[signer.path]]\nurl = \"http://h:1\"\n"
        );
        let lines = lines_of(&read(&text));
        assert_eq!(lines.len(), complaints, "{lines:?}");
        if complaints > 0 {
            assert!(lines[0].contains("signer[0].capacity"), "{lines:?}");
            assert!(lines[0].contains("write capacity = 1"), "{lines:?}");
        }
    }
}
