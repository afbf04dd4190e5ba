//! The proxy as a process: started, watched through its admin port, killed and started again.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use serde_json::Value;
use signer_proxy::tezos::PublicKey;

use super::baker::Baker;
use super::cli::{self, EXECUTABLE, Finished};
use super::config::Config;
use super::http;
use super::process::{Order, Process};
use super::wait::until;

/// A proxy and its configuration; it may be running or not.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) config: Config,
    process: Option<Process>,
}

impl Proxy {
    /// Writes the configuration; nothing runs yet.
    pub(crate) fn new(config: Config) -> Self {
        config.write();
        Self {
            config,
            process: None,
        }
    }

    /// Gives every key a watermark at `level` on mainnet.
    pub(crate) async fn init<'k>(&self, keys: impl IntoIterator<Item = &'k PublicKey>, level: u32) {
        for key in keys {
            self.init_on(key, "NetXdQprcVkpaWU", level).await;
        }
    }

    /// Gives `key` a watermark at `level` on `chain`.
    pub(crate) async fn init_on(&self, key: &PublicKey, chain: &str, level: u32) {
        let (key, level) = (key.hash().to_string(), level.to_string());
        let arguments = ["--key", &key, "--chain", chain, "--level", &level];
        self.command(&["watermark", "init"], &arguments).await.ok();
    }

    /// Runs a command with `--config` and waits for its end.
    pub(crate) async fn command(&self, words: &[&str], arguments: &[&str]) -> Finished {
        let file = self.config.file.to_str().unwrap();
        let arguments = [words, &["--config", file], arguments].concat();
        cli::run(&arguments).await
    }

    /// Starts `run` and waits until the admin port says that it is ready.
    pub(crate) async fn start(&mut self) {
        self.start_by(Command::new(EXECUTABLE), "/readyz").await;
    }

    /// Starts `run` on a store that refuses: it never becomes ready, and serves.
    pub(crate) async fn start_refusing(&mut self) {
        self.start_by(Command::new(EXECUTABLE), "/livez").await;
        let ready = http::get(&self.admin(), "/readyz").await.unwrap();
        assert_eq!(ready.status, 503);
    }

    /// The same, with the state directory on a volume of `size` that ends with the process; gives the
    /// path under which others see that volume.
    pub(crate) async fn start_on_volume(&mut self, size: &str) -> PathBuf {
        self.start_mounted(size, "true", "/readyz").await
    }

    /// The same, with a file `filler` that leaves no space at all; waits until it answers, not until it is ready.
    pub(crate) async fn start_on_full_volume(&mut self, size: &str) -> PathBuf {
        let fill = "! dd if=/dev/zero of=\"$1/filler\" bs=4k 2>/dev/null";
        self.start_mounted(size, fill, "/livez").await
    }

    /// The same with no more than 1024 open files.
    pub(crate) async fn start_with_few_files(&mut self) {
        self.start_limited("ulimit -n 1024").await;
    }

    /// The same after a command of the shell has set limits.
    pub(crate) async fn start_limited(&mut self, limit: &str) {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{limit} && exec \"$@\""), "sh"])
            .arg(EXECUTABLE);
        self.start_by(command, "/readyz").await;
    }

    async fn start_mounted(&mut self, size: &str, then: &str, until_ok: &str) -> PathBuf {
        let script = format!(
            "cp -a \"$1\" \"$1.copy\" && mount -t tmpfs -o size=\"$2\" volume \"$1\" && \
             cp -a \"$1.copy/.\" \"$1\" && {then} && shift 2 && exec \"$@\""
        );
        let state = self.config.state.clone();
        let mut command = Command::new("unshare");
        command
            .args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"])
            .arg(&state)
            .arg(size)
            .arg(EXECUTABLE);
        self.start_by(command, until_ok).await;
        let inside = format!("/proc/{}/root{}", self.process().id(), state.display());
        PathBuf::from(inside)
    }

    /// The status of `/readyz` now.
    pub(crate) async fn ready(&self) -> u16 {
        http::get(&self.admin(), "/readyz").await.unwrap().status
    }

    /// Starts `run` and waits for nothing.
    pub(crate) fn spawn(&mut self) {
        self.spawn_by(Command::new(EXECUTABLE));
    }

    fn spawn_by(&mut self, mut command: Command) {
        command
            .arg("run")
            .arg("--config")
            .arg(&self.config.file)
            .args(["--log-format", "json"]);
        self.process = Some(Process::start("proxy", &mut command));
    }

    async fn start_by(&mut self, command: Command, until_ok: &str) {
        self.spawn_by(command);
        let admin = self.admin();
        until("the proxy to be ready", async || {
            let ended = self.process().ended();
            assert!(ended.is_none(), "the proxy ended: {ended:?}");
            let answer = http::get(&admin, until_ok).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// Ends it as a power cut of the process alone would; fails if it has ended by itself.
    pub(crate) fn kill9(&mut self) {
        let ended = self.process().ended();
        assert!(ended.is_none(), "the proxy ended by itself: {ended:?}");
        self.process().kill();
        self.process = None;
    }

    /// Tells it to end and waits until it has, with exit code 0.
    pub(crate) async fn stop(&mut self) {
        self.order(Order::Terminate);
        let status = self.end().await;
        assert_eq!(status.code(), Some(0), "{status}");
    }

    /// Kills it and starts it again with the same state.
    pub(crate) async fn crash(&mut self) {
        self.kill9();
        self.start().await;
    }

    pub(crate) fn order(&mut self, order: Order) {
        self.process().order(order);
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let status = self.process().end().await;
        self.process = None;
        status
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the proxy runs")
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.as_ref().expect("the proxy runs").id()
    }

    /// Lines of its log that say `message`.
    pub(crate) fn logged(&self, message: &str) -> Vec<Value> {
        let lines = self.process.as_ref().map(Process::stderr);
        let lines = lines.unwrap_or_default();
        let entries = lines.iter().map(|line| {
            serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("not JSON: {line}"))
        });
        entries
            .filter(|entry| entry.to_string().contains(message))
            .collect()
    }

    /// Waits for lines of its log that say `message`: the log is written beside what it tells of, and may be later.
    pub(crate) async fn until_logged(&self, message: &str) -> Vec<Value> {
        until(&format!("a line that says {message}"), async || {
            let lines = self.logged(message);
            (!lines.is_empty()).then_some(lines)
        })
        .await
    }

    /// `HOST:PORT` for bakers.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.config.baker_port)
    }

    /// `HOST:PORT` for operators.
    pub(crate) fn admin(&self) -> String {
        format!("127.0.0.1:{}", self.config.admin_port)
    }

    /// A baker that asks it.
    pub(crate) fn baker(&self, keys: &[PublicKey]) -> Baker {
        Baker::new(&self.address(), keys)
    }

    pub(crate) async fn status(&self) -> Value {
        http::get(&self.admin(), "/status").await.unwrap().json()
    }

    pub(crate) async fn metrics(&self) -> String {
        http::get(&self.admin(), "/metrics").await.unwrap().body
    }

    /// The sum over all series of a metric, `0` without any.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        text.lines()
            .filter_map(|line| line.strip_prefix(name))
            .filter(|rest| rest.starts_with(['{', ' ']))
            .filter_map(|rest| rest.rsplit(' ').next())
            .filter_map(|value| value.parse::<f64>().ok())
            .sum()
    }

    /// The entry of a signer in the status.
    pub(crate) async fn signer(&self, name: &str) -> Value {
        let status = self.status().await;
        let signers = status["signers"].as_array().unwrap();
        let signer = signers.iter().find(|signer| signer["name"] == name);
        signer
            .unwrap_or_else(|| panic!("no {name}: {status}"))
            .clone()
    }

    /// Waits until the status satisfies `wanted`.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, async || Some(self.status().await).filter(&wanted)).await
    }

    /// Waits until every one of `names` is in `state`.
    pub(crate) async fn until_signers(&self, names: &[&str], state: &str) -> Value {
        self.until(&format!("{names:?} to be {state}"), |status| {
            let signers = status["signers"].as_array().unwrap();
            names.iter().all(|name| {
                signers
                    .iter()
                    .any(|signer| signer["name"] == *name && signer["state"] == state)
            })
        })
        .await
    }

    /// Waits until a request is held.
    pub(crate) async fn until_held(&self) {
        until("a held request", async || {
            (self.metric("signer_proxy_held_requests").await >= 1.0).then_some(())
        })
        .await;
    }
}
