//! The container image and the compose file, as far as they can be judged without a container engine.
//!
//! hadolint judges the Dockerfile; the rest is about what both files say of the program: paths that
//! exist, arguments that are understood, a configuration that fits, one user, one volume.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop at once"
)]

#[path = "image/compose.rs"]
mod compose;
#[path = "image/dockerfile.rs"]
mod dockerfile;
#[path = "image/kubernetes.rs"]
mod kubernetes;

use std::path::{Path, PathBuf};
use std::process::Command;

use compose::Compose;
use dockerfile::Dockerfile;
use signer_proxy::settings::{Settings, SignerUrl};

const CONFIG: &str = "config/container.toml";
const PROGRAM: &str = "/usr/local/bin/signer-proxy";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn image() -> Dockerfile {
    Dockerfile::parse(&text("Dockerfile"))
}

fn settings() -> Settings {
    let text = text(CONFIG);
    match signer_proxy::config::from_text(CONFIG, &text, std::iter::empty()) {
        Ok(loaded) => loaded.settings,
        Err(report) => panic!("{report}"),
    }
}

/// The arguments behind the program's name, if these are to be run by it.
fn understood(arguments: &[String]) -> bool {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    signer_proxy::cli::parses(&arguments)
}

#[test]
fn hadolint_finds_nothing() {
    let output = Command::new(root().join(".ci/hadolint"))
        .args(["--no-color", "Dockerfile"])
        .current_dir(root())
        .output()
        .expect(".ci/hadolint runs");
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
    assert!(!text("Dockerfile").contains("hadolint ignore"));
}

#[test]
fn hadolint_finds_something_in_a_bad_file() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("Dockerfile");
    std::fs::write(&bad, "FROM debian\nRUN cd /tmp && sudo true\n").unwrap();
    let status = Command::new(root().join(".ci/hadolint"))
        .arg(&bad)
        .current_dir(root())
        .output()
        .expect(".ci/hadolint runs")
        .status;
    assert_eq!(status.code(), Some(1));
}

#[test]
fn what_is_copied_exists_and_is_all_that_cargo_needs() {
    let ignored = text(".dockerignore");
    let let_in: Vec<_> = ignored
        .lines()
        .filter_map(|l| l.strip_prefix('!'))
        .collect();
    assert!(ignored.lines().any(|line| line == "*"));
    let copied = image().copied_from_context();
    assert!(!copied.is_empty());
    let folder = tempfile::tempdir().unwrap();
    for path in &copied {
        assert!(let_in.contains(&path.as_str()), "{path} is ignored");
        copy(&root().join(path), &folder.path().join(path));
    }
    // Finds every target's file, so that a manifest which names one more is noticed here.
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--locked",
            "--format-version",
            "1",
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let compiler = format!(
        "rust:{}-",
        text_between(&text("rust-toolchain.toml"), "channel = \"")
    );
    assert!(image().froms()[0].starts_with(&compiler), "not {compiler}");
}

fn text_between(text: &str, marker: &str) -> String {
    let (_, after) = text.split_once(marker).unwrap();
    after.split('"').next().unwrap().to_owned()
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in std::fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy(&from.join(&name), &to.join(&name));
        }
    } else {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }
}

#[test]
fn the_image_runs_the_program_as_a_number_that_is_not_root() {
    let image = image();
    assert_eq!(image.list("ENTRYPOINT"), [PROGRAM]);
    assert!(understood(&image.list("CMD")));
    let user = image.last("USER");
    let (user, group) = user.split_once(':').unwrap();
    assert_ne!(user.parse::<u32>().unwrap(), 0);
    assert_ne!(group.parse::<u32>().unwrap(), 0);
}

#[test]
fn the_health_check_asks_the_running_proxy_whether_it_is_ready() {
    let image = image();
    let check = image.health_check();
    assert_eq!(check[0], PROGRAM);
    assert!(understood(&check[1..]));
    assert!(check.contains(&"--ready".to_owned()));
    // The file that it reads is the one that the proxy was started with.
    let started = image.list("CMD");
    assert!(
        started
            .iter()
            .any(|word| word.starts_with("/etc/") && check.contains(word))
    );
}

#[test]
fn the_shipped_configuration_fits_the_image() {
    let (image, settings) = (image(), settings());
    let volume = image.last("VOLUME");
    assert_eq!(settings.state.directory, Path::new(&volume));
    // With a read-only root file system nothing else can be written.
    assert!(settings.admin.socket.starts_with(&volume));
    let admin = settings.admin.listen.unwrap();
    for address in [settings.listen.http, admin] {
        assert!(
            address.ip().is_unspecified(),
            "{address} is not reachable from outside"
        );
        let exposed = image.last("EXPOSE");
        assert!(
            exposed
                .split(' ')
                .any(|port| port == address.port().to_string())
        );
    }
    let shipped = image.destination_of(CONFIG);
    assert!(image.list("CMD").contains(&shipped));
}

#[test]
fn the_compose_file_has_a_signer_for_each_one_of_the_configuration() {
    let compose = Compose::parse(&text("config/compose.yaml"));
    for signer in &settings().signers {
        let SignerUrl::Http { host, port } = &signer.paths[0].url else {
            panic!("{} is no address", signer.paths[0].url);
        };
        let command = compose.list(&format!("services.{host}.command"));
        assert!(understood(&command), "{command:?}");
        let listens = format!("0.0.0.0:{port}");
        assert!(
            command
                .windows(2)
                .any(|pair| pair[0] == "--listen" && pair[1] == listens)
        );
    }
    let seed = |name: &str| {
        let command = compose.list(&format!("services.{name}.command"));
        let at = command.iter().position(|word| word == "--seed").unwrap();
        command[at + 1].clone()
    };
    assert_eq!(seed("signer-a"), seed("signer-b"));
}

#[test]
fn every_service_of_the_compose_file_has_a_read_only_root_and_no_rights() {
    let compose = Compose::parse(&text("config/compose.yaml"));
    for service in ["proxy", "signer-a", "signer-b"] {
        let value = |key: &str| compose.value(&format!("services.{service}.{key}"));
        assert_eq!(value("read_only"), "true");
        assert_eq!(value("image"), "signer-proxy:local");
        assert_eq!(
            compose.list(&format!("services.{service}.cap_drop")),
            ["ALL"]
        );
    }
}

#[test]
fn the_compose_file_keeps_the_state_in_the_images_volume_and_publishes_on_loopback() {
    let compose = Compose::parse(&text("config/compose.yaml"));
    let volumes = compose.list("services.proxy.volumes");
    assert_eq!(volumes, [format!("state:{}", image().last("VOLUME"))]);
    assert_eq!(compose.value("volumes.state"), "{}");
    for port in compose.list("services.proxy.ports") {
        assert!(port.starts_with("127.0.0.1:"), "{port}");
    }
    let check = compose.list("services.proxy.healthcheck.test");
    assert_eq!(check[0], "CMD");
    assert_eq!(check[1..], image().health_check());
    let context = root()
        .join("config")
        .join(compose.value("services.proxy.build.context"));
    assert!(
        context
            .join(compose.value("services.proxy.build.dockerfile"))
            .exists()
    );
}

#[test]
fn the_commands_in_the_compose_files_comment_are_understood() {
    let mut seen = 0;
    for line in text("config/compose.yaml").lines() {
        if let Some((_, arguments)) = line.split_once(" run --rm proxy ") {
            let key = "tz1NtAab9KwodRGNV7xTuH4HgLotYqaov1wR";
            let line = arguments.replace("KEY", key).replace("LEVEL", "0");
            let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            assert!(understood(&arguments), "{line}");
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}
