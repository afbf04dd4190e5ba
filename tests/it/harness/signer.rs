//! A development signer as a process, and the switches of its control port.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use signer_proxy::dev_signer::Counts;
use signer_proxy::dev_signer::log::{Entry, Event};
use signer_proxy::tezos::{Curve, PublicKey, PublicKeyHash};

use super::cli::EXECUTABLE;
use super::http;
use super::process::Process;
use super::scene::Scene;
use super::wait::until;

/// A signer that is listening.
#[derive(Debug)]
pub(crate) struct Signer {
    // Named for Drop alone.
    _process: Process,
    keys: Vec<PublicKey>,
    address: String,
    control: String,
    log: PathBuf,
}

impl Signer {
    /// A signer with one key of each curve; `arguments` are those of `dev-signer`.
    pub(crate) async fn start(scene: &Scene, name: &str, arguments: &[&str]) -> Self {
        let keys = ["--curve", "tz1,tz2,tz3,tz4"];
        Self::with_keys(scene, name, &[&keys, arguments].concat()).await
    }

    /// A signer with the keys that `arguments` ask for. Signers of all scenes share their keys.
    pub(crate) async fn with_keys(scene: &Scene, name: &str, arguments: &[&str]) -> Self {
        let log = scene.file(&format!("{name}.jsonl"));
        let mut command = Command::new(EXECUTABLE);
        command
            .args([
                "dev-signer",
                "--listen",
                "127.0.0.1:0",
                "--control",
                "127.0.0.1:0",
            ])
            .args(["--seed", "black box", "--log"])
            .arg(&log)
            .args(arguments);
        let mut process = Process::start(name, &mut command);
        let control = process.says("control http://").await;
        let address = process.says("listening http://").await;
        let keys = process
            .stdout()
            .iter()
            .filter_map(|line| line.strip_prefix("key "))
            .map(|line| line.split(' ').nth(1).unwrap().parse().unwrap())
            .collect();
        Self {
            _process: process,
            keys,
            address,
            control,
            log,
        }
    }

    /// `HOST:PORT` of its HTTP interface.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.rsplit(':').next().unwrap().parse().unwrap()
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    pub(crate) fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Its first key of a curve.
    pub(crate) fn key(&self, curve: Curve) -> PublicKey {
        self.keys
            .iter()
            .find(|key| key.curve() == curve)
            .unwrap()
            .clone()
    }

    /// Changes its switches; see `docs/dev-signer.md`.
    pub(crate) async fn faults(&self, change: &Value) {
        let request = http::sized_post(&self.control, "/faults", &change.to_string());
        let answer = http::exchange(&self.control, &request).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Turns every fault off.
    pub(crate) async fn heal(&self) {
        let request = format!("DELETE /faults HTTP/1.1\r\nhost: {}\r\n\r\n", self.control);
        let answer = http::exchange(&self.control, &request).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub(crate) async fn counts(&self) -> Counts {
        let answer = http::get(&self.control, "/counts").await.unwrap();
        serde_json::from_str(&answer.body).unwrap()
    }

    pub(crate) async fn entries(&self) -> Vec<Entry> {
        let answer = http::get(&self.control, "/signed").await.unwrap();
        serde_json::from_str(&answer.body).unwrap()
    }

    /// How often `event` happened to a payload for `key`.
    pub(crate) async fn count(&self, key: PublicKeyHash, event: Event) -> usize {
        let entries = self.entries().await;
        entries
            .iter()
            .filter(|entry| entry.key == key && entry.event == event)
            .count()
    }

    /// How many payloads have arrived.
    pub(crate) async fn received(&self) -> usize {
        let entries = self.entries().await;
        let received = entries.iter();
        received
            .filter(|entry| entry.event == Event::Received)
            .count()
    }

    /// Waits until `count` payloads in all have arrived.
    pub(crate) async fn until_received(&self, count: usize) {
        until(&format!("{count} payloads at the signer"), async || {
            (self.received().await >= count).then_some(())
        })
        .await;
    }
}
