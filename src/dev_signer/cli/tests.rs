//! The command as it is typed and what it prints.

use clap::Parser;

use super::*;
use crate::dev_signer::Scope;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    cli: Cli,
}

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Program::try_parse_from(["dev-signer"].into_iter().chain(line.split(' ')))
        .map(|program| program.cli)
}

async fn printed(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    serve(parse(line).unwrap(), &mut out, std::future::ready(()))
        .await
        .unwrap();
    String::from_utf8(out)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn the_same_seed_gives_the_same_keys_in_every_run() {
    let line = "--listen 127.0.0.1:0 --seed sandbox --curve tz1,tz2,tz3,tz4 --keys-per-curve 2";
    let (first, second) = (printed(line).await, printed(line).await);
    assert_eq!(first[..8], second[..8]);
    assert_eq!(first.len(), 9);
    for (line, start) in first
        .iter()
        .zip(["tz1", "tz1", "tz2", "tz2", "tz3", "tz3", "tz4", "tz4"])
    {
        assert!(line.starts_with(&format!("key {start}")), "{line}");
    }
}

#[tokio::test]
async fn a_random_seed_gives_other_keys_each_time() {
    let (first, second) = (
        printed("--listen 127.0.0.1:0").await,
        printed("--listen 127.0.0.1:0").await,
    );
    assert_ne!(first[0], second[0]);
}

#[tokio::test]
async fn bound_addresses_are_printed_after_the_keys() {
    let lines = printed("--listen localhost:0 --control 127.0.0.1:0").await;
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[1].starts_with("listening http://") && !lines[1].ends_with(":0"),
        "{lines:?}"
    );
    assert!(
        lines[2].starts_with("control http://127.0.0.1:"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_unix_socket_is_served_and_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signer.sock");
    let lines = printed(&format!("--listen unix:{}", path.display())).await;
    assert_eq!(
        lines[1],
        format!("listening http+unix://{}", path.display())
    );
    assert!(!path.exists());
}

#[tokio::test]
async fn keys_come_from_a_file_with_comments() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let key = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";
    std::fs::write(&path, format!("# sandbox\n\n{key} # the first\n")).unwrap();
    let lines = printed(&format!(
        "--listen 127.0.0.1:0 --key-file {}",
        path.display()
    ))
    .await;
    let expected = "key tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx edpkuBknW28nW72KG6RoHtYW7p12T6GKc7nAbwYX5m8Wd9sDVC9yav";
    assert_eq!(lines[0], expected);
}

#[test]
fn a_broken_key_file_is_refused_without_showing_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    std::fs::write(&path, "# only\nedskSECRET\n").unwrap();
    let error = format!(
        "{:#}",
        anyhow::Error::from(keys_from_file(&path).unwrap_err())
    );
    assert!(
        error.contains("line 2") && !error.contains("SECRET"),
        "{error}"
    );
    std::fs::write(&path, "# nothing\n").unwrap();
    assert!(keys_from_file(&path).is_err());
}

#[test]
fn faults_are_options_too() {
    let cli =
        parse("--listen 127.0.0.1:0 --stall sign --reset all --times 2 --max-version 2 --serial")
            .unwrap();
    let expected = Faults {
        stall: Scope::Sign,
        reset: Scope::All,
        times: Some(2),
        max_version: 2,
        serial: true,
        ..Faults::default()
    };
    assert_eq!(cli.faults, expected);
    assert_eq!(cli.chain, [ChainId::MAINNET]);
}

#[test]
fn the_help_describes_the_command_and_groups_the_faults() {
    let mut command = <Cli as clap::Args>::augment_args(clap::Command::new("dev-signer"));
    let help = command.render_long_help().to_string();
    assert!(help.starts_with("Runs one software signer alone"), "{help}");
    let (_, faults) = help.split_once("\nFaults:\n").unwrap();
    assert!(
        faults.contains("--latency-ms <MS>") && faults.contains("--times <N>"),
        "{help}"
    );
    assert!(!faults.contains("--force"), "{help}");
}

#[test]
fn wrong_options_are_refused() {
    for line in [
        "--seed x",
        "--listen a --seed x --key-file y",
        "--listen a --curve tz5",
        "--listen a --stall some",
        "--listen a --max-version 4",
        "--listen a --chain Net",
        "--listen a --keys-per-curve 0",
    ] {
        assert!(parse(line).is_err(), "{line} was accepted");
    }
}
