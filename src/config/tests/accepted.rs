//! Configurations that are accepted: defaults, examples, the effective text, warnings.

use std::time::Duration;

use super::super::{from_text, load};
use super::{EVERY_KEY, REST, read};
use crate::settings::{Chain, Repeat};
use crate::tezos::{ChainId, ConsensusKind};

const MINIMAL: &str = include_str!("../../../config/minimal.toml");
const TWO_TUNNELS: &str = include_str!("../../../config/two-tunnels.toml");

#[test]
fn the_smallest_configuration_gets_every_default() {
    let settings = read(MINIMAL).unwrap().settings;
    assert_eq!(settings.listen.http.to_string(), "127.0.0.1:6733");
    assert!(!settings.listen.known_keys);
    assert_eq!(settings.admin.listen.unwrap().to_string(), "127.0.0.1:9632");
    assert_eq!(
        settings.admin.socket.to_str(),
        Some("/var/lib/signer-proxy/control.sock")
    );
    assert!(settings.state.lineage.is_none());
    assert!(settings.node.is_none());
    let mainnet = Chain {
        id: ChainId::MAINNET,
        block_time: Duration::from_secs(6),
        round_increment: Duration::from_secs(3),
    };
    assert_eq!(settings.chains, [mainnet]);
    assert_eq!(settings.guard.level_gap, 1000);
    assert_eq!(settings.deadline.consensus, None);
    assert_eq!(settings.deadline.other, Duration::from_secs(30));
    assert!(settings.auth.authorized_keys.is_empty());
    assert!(settings.keys.is_empty());
    assert_eq!(settings.probe.period, Duration::from_millis(500));
    assert_eq!(settings.probe.timeout, Duration::from_millis(400));
    let signer = &settings.signers[0];
    assert_eq!((signer.priority, signer.capacity), (1, 1));
    assert_eq!(signer.repeat, Repeat::Replay);
    assert!(!signer.shared_watermark);
    let path = &signer.paths[0];
    assert_eq!((path.name.as_str(), path.prefix.as_str()), ("1", ""));
    assert_eq!(path.max_connections, 4);
}

#[test]
fn two_tunnels_are_two_signers_with_two_paths_each() {
    let settings = read(TWO_TUNNELS).unwrap().settings;
    let urls: Vec<Vec<String>> = settings
        .signers
        .iter()
        .map(|signer| {
            signer
                .paths
                .iter()
                .map(|path| path.url.to_string())
                .collect()
        })
        .collect();
    let expected = [
        [
            "http://127.0.0.1:8443",
            "http+unix:///run/signers/home-a.sock",
        ],
        [
            "http://127.0.0.1:8444",
            "http+unix:///run/signers/home-b.sock",
        ],
    ];
    assert_eq!(urls, expected);
}

#[test]
fn every_key_lands_in_its_setting() {
    let settings = read(EVERY_KEY).unwrap().settings;
    assert_eq!(settings.state.lineage.as_deref(), Some("5f0c2a9e77d14b38"));
    assert_eq!(
        settings.node.unwrap().url.to_string(),
        "http://127.0.0.1:8732"
    );
    assert_eq!(settings.deadline.consensus, Some(Duration::from_secs(5)));
    assert_eq!(settings.auth.authorized_keys.len(), 1);
    let key = &settings.keys[0];
    assert_eq!(
        key.public_key,
        settings.auth.authorized_keys.first().cloned()
    );
    assert!(key.deterministic);
    let baker = [
        ConsensusKind::Block,
        ConsensusKind::Preattestation,
        ConsensusKind::Attestation,
    ];
    assert_eq!(key.allow.consensus, baker);
    assert_eq!(settings.signers[0].paths[0].prefix, "/signer");
}

#[test]
fn the_effective_text_loads_to_itself() {
    for text in [MINIMAL, TWO_TUNNELS, EVERY_KEY] {
        let first = read(text).unwrap();
        let second = read(&first.effective).unwrap();
        assert_eq!(first.effective, second.effective);
        assert_eq!(
            format!("{:?}", first.settings),
            format!("{:?}", second.settings)
        );
    }
}

#[test]
fn the_hash_is_over_meaning_and_not_over_spelling() {
    let hash = |text: &str| {
        read(&format!("{text}\n{REST}"))
            .unwrap()
            .settings
            .config_hash
    };
    let plain = hash("");
    assert_eq!(plain.len(), 16);
    assert!(plain.chars().all(|c| c.is_ascii_hexdigit()));
    assert_eq!(plain, hash("# a word\nprobe.period = \"0.5s\""));
    assert_ne!(plain, hash("probe.period = \"501ms\""));
}

#[test]
fn rounds_may_be_equally_long() {
    let chain =
        "[[chain]]\nid = \"NetXdQprcVkpaWU\"\nround-increment = \"0s\"\nblock-time = \"1s\"";
    let settings = read(&format!("{chain}\n{REST}")).unwrap().settings;
    assert_eq!(settings.chains[0].round_increment, Duration::ZERO);
}

#[test]
fn what_is_allowed_and_doubtful_is_a_warning() {
    let text = format!("listen.http = \"0.0.0.0:6733\"\n{REST}")
        .replace("directory = \"/s\"", "directory = \"s\"");
    let warnings = read(&text).unwrap().warnings;
    let keys: Vec<&str> = warnings
        .iter()
        .map(|warning| warning.key.as_str())
        .collect();
    assert_eq!(keys, ["listen.http", "state.directory", "key", "signer"]);
    assert_eq!(
        warnings[3].to_string(),
        "t: signer: a is the only signer: when its device fails, nothing signs; \
         add a second [[signer]]"
    );
}

#[test]
fn a_configuration_without_doubts_has_no_warnings() {
    let second = "[[signer]]\nname = \"b\"\n[[signer.path]]\nurl = \"http://h:2\"";
    let key = "[[key]]\nhash = \"tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx\"";
    let loaded = read(&format!("{REST}{second}\n{key}")).unwrap();
    assert_eq!(loaded.warnings, []);
}

#[test]
fn two_paths_to_one_place_are_a_warning() {
    let text = format!("{REST}[[signer.path]]\nurl = \"http://h:1/\"\nprefix = \"/\"");
    let warnings = read(&text).unwrap().warnings;
    let first = warnings[0].to_string();
    assert!(
        first.contains("leads where signer[0].path[0].url leads"),
        "{first}"
    );
    assert_eq!(
        read(&text.replace("\"/\"", "\"/b\""))
            .unwrap()
            .warnings
            .len(),
        2
    );
}

#[test]
fn a_state_directory_that_is_not_there_is_a_warning_of_load() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    let state = folder.path().join("state");
    let text = REST.replace("/s\"", &format!("{}\"", state.display()));
    std::fs::write(&file, text).unwrap();
    let missing = |warnings: Vec<super::super::Finding>| {
        let mut keys = warnings.into_iter().map(|warning| warning.key);
        keys.any(|key| key == "state.directory")
    };
    assert!(missing(load(&file, std::iter::empty()).unwrap().warnings));
    std::fs::create_dir(&state).unwrap();
    assert!(!missing(load(&file, std::iter::empty()).unwrap().warnings));
}

#[test]
fn a_file_that_cannot_be_read_is_one_finding() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent.toml");
    let binary = folder.path().join("binary.toml");
    let long = folder.path().join("long.toml");
    std::fs::write(&binary, [0xff, 0xfe]).unwrap();
    std::fs::write(&long, vec![b'\n'; 1024 * 1024 + 1]).unwrap();
    for path in [absent.as_path(), folder.path(), &binary, &long] {
        let report = load(path, std::iter::empty()).unwrap_err();
        assert_eq!(report.findings.len(), 1);
        let line = report.to_string();
        assert!(line.contains(": cannot read the configuration: "), "{line}");
    }
}

#[test]
fn a_byte_order_mark_means_nothing() {
    let text = format!("\u{feff}listen.known-keys = true\n{REST}");
    let loaded = from_text("t", &text, std::iter::empty()).unwrap();
    assert!(loaded.settings.listen.known_keys);
}
