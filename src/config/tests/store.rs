//! `[store]`: what belongs to which kind.

use super::{REST, lines_of, read};
use crate::settings::Store;

fn problems(text: &str) -> Vec<String> {
    lines_of(&read(&format!("{text}{REST}")))
}

#[test]
fn etcd_needs_members_and_embedded_has_none() {
    for (text, sentence) in [
        (
            "[store]\nkind = \"etcd\"\n",
            "store.endpoints: is required; list the members",
        ),
        (
            "[store]\nkind = \"etcd\"\nendpoints = []\n",
            "store.endpoints: lists no member",
        ),
        (
            "[store]\nkind = \"etcd\"\nendpoints = [\"tcp://a:1\", \"http://b:1\", \"http://c:1\"]\n",
            "store.endpoints[0] = \"tcp://a:1\": etcd is reached over http or https",
        ),
        (
            "[store]\nkind = \"etcd\"\nendpoints = [\"http://a:1\", \"http://b:1\"]\nuser = \"u\"\n",
            "store.password-file: is missing; write both",
        ),
        (
            "[store]\nkind = \"etcd\"\nendpoints = [\"http://a:1\", \"http://b:1\"]\nprefix = \"x\"\n",
            "is no prefix of keys",
        ),
        (
            "[store]\nkind = \"etcd\"\nendpoints = [\"http://a:1\", \"http://b:1\"]\ntls = { ca = \"/c\" }\n",
            "store.tls: no endpoint is secured",
        ),
        (
            "[store]\nprefix = \"/x\"\n",
            "store.prefix: belongs to a store of kind etcd",
        ),
    ] {
        let found = problems(text);
        assert!(
            found.len() == 1 && found[0].contains(sentence),
            "{text}: {found:#?}"
        );
    }
}

#[test]
fn one_member_is_a_warning_and_the_rest_has_defaults() {
    let text = format!("[store]\nkind = \"etcd\"\nendpoints = [\"http://a:2379\"]\n{REST}");
    let loaded = read(&text).unwrap();
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    let said = |line: &&String| line.contains("names one member");
    assert_eq!(warnings.iter().filter(said).count(), 1, "{warnings:?}");
    let Store::Etcd(etcd) = loaded.settings.store else {
        panic!("{text}")
    };
    assert_eq!(
        (etcd.prefix.as_str(), etcd.timeout.as_millis()),
        ("/signer-proxy", 1_000)
    );
    // The effective text says the same.
    assert!(read(&loaded.effective).is_ok(), "{}", loaded.effective);
}
