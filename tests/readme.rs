//! What the documents tell people to type is understood by the programs that they type it to.
//!
//! Every fenced block counts by its language: `toml` by the configuration reader, `sh` by our command
//! line or by ssh, `sshd_config` by sshd, `systemd` by the ssh options in it. A block of another language
//! is only shown.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop at once"
)]

use std::path::Path;
use std::process::Command;

const DOCUMENTS: [&str; 9] = [
    "README.md",
    "ARCHITECTURE.md",
    "docs/configuration.md",
    "docs/decision-log.md",
    "docs/dev-signer.md",
    "docs/failure-modes.md",
    "docs/faults.md",
    "docs/moving.md",
    "docs/tunnels.md",
];

/// What a `toml` block that shows only a part is put into.
const REST: [(&str, &str); 2] = [
    (
        "[state]",
        "[state]\ndirectory = \"/var/lib/signer-proxy\"\n",
    ),
    (
        "[[signer]]",
        "[[signer]]\nname = \"rest\"\n[[signer.path]]\nurl = \"http://127.0.0.1:8443\"\n",
    ),
];

/// A fenced block.
struct Block {
    document: &'static str,
    language: String,
    text: String,
}

fn blocks(language: &str) -> Vec<Block> {
    DOCUMENTS
        .into_iter()
        .flat_map(|document| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
            fenced(document, &std::fs::read_to_string(path).unwrap())
        })
        .filter(|block| block.language == language)
        .collect()
}

fn fenced(document: &'static str, text: &str) -> Vec<Block> {
    text.split("```")
        .skip(1)
        .step_by(2)
        .map(|block| {
            let (language, text) = block.split_once('\n').expect("a block of several lines");
            Block {
                document,
                language: language.to_owned(),
                text: text.to_owned(),
            }
        })
        .collect()
}

/// The words of a command line; quotes are not used in ours but for headers of curl.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// The arguments that our program gets from a line, however it is started.
fn ours(line: &str) -> Option<Vec<&str>> {
    let words = words(line);
    let after = |marker: &[&str]| {
        let at = words
            .windows(marker.len())
            .position(|window| window == marker)?;
        words.get(at.checked_add(marker.len())?..)
    };
    let arguments = match words.first().copied() {
        Some("signer-proxy") => after(&["signer-proxy"]),
        Some("sudo") => after(&["-u", "signer-proxy", "signer-proxy"]),
        Some("cargo") => after(&["--"]),
        // The rest is the command of the image, whose entry point is the program.
        Some("docker") if line.contains(" run --rm ") => {
            after(&["signer-proxy:local"]).or_else(|| after(&["--rm", "proxy"]))
        }
        Some("docker") => after(&["exec", "signer-proxy", "signer-proxy"]),
        _ => None,
    };
    arguments.map(<[&str]>::to_vec)
}

/// Whether ssh understands these arguments; it connects to nothing.
fn ssh_understands(arguments: &[&str]) -> bool {
    let output = Command::new("ssh")
        .arg("-G")
        .args(arguments)
        .output()
        .expect("ssh is missing; apt-get install openssh-client");
    output.status.success()
}

#[test]
fn every_configuration_in_the_documents_is_accepted() {
    let blocks = blocks("toml");
    assert!(!blocks.is_empty());
    for block in blocks {
        let mut text = block.text.clone();
        for (marker, rest) in REST {
            if !block.text.contains(marker) {
                text.push_str(rest);
            }
        }
        if let Err(report) =
            signer_proxy::config::from_text(block.document, &text, std::iter::empty())
        {
            panic!("{}:\n{text}\n{report}", block.document);
        }
    }
}

#[test]
fn every_command_line_in_the_documents_is_understood() {
    let mut seen = 0;
    for block in blocks("sh") {
        for line in block.text.lines() {
            if let Some(arguments) = ours(line) {
                assert!(
                    signer_proxy::cli::parses(&arguments),
                    "{}: {line}",
                    block.document
                );
                seen += 1;
            }
            if let Some(("ssh", arguments)) = words(line).split_first().map(|(a, b)| (*a, b)) {
                assert!(ssh_understands(arguments), "{}: {line}", block.document);
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} command lines were found");
}

#[test]
fn the_container_of_the_readme_reaches_what_its_configuration_names() {
    let runs: Vec<_> = blocks("sh")
        .into_iter()
        .filter(|block| block.document == "README.md")
        .flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.starts_with("docker run --detach"))
        .collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    let words = words(&runs[0]);
    let with = |option: &str, value: &str| words.windows(2).any(|pair| pair == [option, value]);
    // Its addresses are loopback ones, which mean the host only on the host's network.
    assert!(with("--network", "host"));
    assert!(!words.contains(&"--publish"));
    let configurations = blocks("toml");
    let main = configurations
        .iter()
        .find(|block| block.document == "README.md");
    let sockets = main.unwrap().text.split("http+unix://").skip(1);
    let folders: Vec<_> = sockets
        .filter_map(|rest| rest.split('"').next()?.rsplit_once('/'))
        .collect();
    assert!(!folders.is_empty());
    for (folder, _) in folders {
        assert!(with("--volume", &format!("{folder}:{folder}")), "{folder}");
    }
    assert!(words.contains(&"--group-add"));
}

#[test]
fn the_state_is_written_by_the_user_that_owns_it() {
    let lines: Vec<_> = blocks("sh")
        .into_iter()
        .filter(|block| block.document == "README.md")
        .flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.contains(" watermark ") && !line.starts_with("docker"))
        .collect();
    assert!(!lines.is_empty());
    for line in lines {
        assert!(line.starts_with("sudo -u signer-proxy "), "{line}");
    }
}

#[test]
fn a_command_line_with_a_wrong_option_is_not_understood() {
    let wrong = ours("signer-proxy run --konfig x").unwrap();
    assert!(!signer_proxy::cli::parses(&wrong));
    let right = ours("docker run --rm signer-proxy:local run --config x").unwrap();
    assert!(signer_proxy::cli::parses(&right));
    assert!(!ssh_understands(&["-o", "NoSuchOption=yes", "host"]));
}

#[test]
fn the_settings_for_sshd_are_accepted_by_sshd() {
    let folder = tempfile::tempdir().unwrap();
    // sshd wants it even to read a file; the package leaves it to the service, which need not run here.
    drop(std::fs::create_dir("/run/sshd"));
    let key = folder.path().join("hostkey");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .expect("ssh-keygen is missing; apt-get install openssh-client");
    assert!(made.success());
    let blocks = blocks("sshd_config");
    assert!(!blocks.is_empty());
    for block in blocks {
        let file = folder.path().join("sshd_config");
        let text = format!("HostKey {}\n{}", key.display(), block.text);
        std::fs::write(&file, text).unwrap();
        let output = Command::new("/usr/sbin/sshd")
            // A Match block is read to the end only when there is a connection to match.
            .args(["-T", "-C", "user=tunnel,host=home,addr=192.0.2.1", "-f"])
            .arg(&file)
            .output()
            .expect("sshd is missing; apt-get install openssh-server");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", block.document);
        let effective = String::from_utf8_lossy(&output.stdout);
        for setting in [
            "streamlocalbindunlink yes",
            "clientaliveinterval 5",
            "clientalivecountmax 2",
        ] {
            assert!(effective.contains(setting), "{setting} is not in effect");
        }
    }
}

#[test]
fn the_service_of_the_home_box_starts_ssh_with_the_documented_options() {
    let blocks = blocks("systemd");
    assert!(!blocks.is_empty());
    for block in blocks {
        let start = block
            .text
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="));
        let start = words(start.expect("a line that starts something"));
        assert_eq!(start[0], "/usr/bin/ssh");
        assert!(ssh_understands(&start[1..]));
        let documented = self::blocks("sh").into_iter().any(|shown| {
            shown
                .text
                .lines()
                .any(|line| words(line).get(1..) == Some(&start[1..]))
        });
        assert!(documented, "the service and the command line differ");
        for needed in ["Restart=always", "[Unit]", "[Service]", "[Install]"] {
            assert!(block.text.lines().any(|line| line == needed), "{needed}");
        }
    }
}
