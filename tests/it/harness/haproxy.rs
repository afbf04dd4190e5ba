//! A real HAProxy: in the place of the proxy, to show what bakers saw before and to measure both alike; or before
//! several proxies, as `docs/replicas.md` has it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::ground::Ground;
use super::http;
use super::ports;
use super::process::Process;
use super::proxy::Proxy;
use super::scene::Scene;
use super::wait::until;

const HAPROXY: &str = "/usr/sbin/haproxy";

const MISSING: &str = "these tests need HAProxy: apt-get install haproxy";

/// The settings of a set-up in use, as they were found there.
const ORIGINAL: &str = "
defaults
    mode http
    timeout connect 10s
    timeout client 30s
    timeout server 30s
backend signers
    balance first
    option forwardfor
    option httpchk GET /authorized_keys
    http-check expect status 200
    server a {a} check inter 15000
    server b {b} check inter 15000
";

/// The best that was found without sending a request again that may have arrived.
const TUNED: &str = "
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 5s
    timeout check 1s
    retries 3
    option redispatch 1
backend signers
    balance first
    option httpchk GET /authorized_keys
    http-check expect status 200
    default-server check inter 1s fall 2 rise 1 observe layer7 error-limit 3 on-error mark-down on-marked-down shutdown-sessions
    server a {a}
    server b {b}
";

/// What `docs/replicas.md` recommends before several proxies; their lines follow.
const BEFORE_PROXIES: &str = "
defaults
    mode http
    timeout connect 1s
    timeout client 40s
    timeout server 40s
    timeout check 500ms
    retries 3
    option redispatch 1
    errorfile 503 {again}
backend signers
    balance roundrobin
    option httpchk GET /readyz/store
    option allbackups
    default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions on-marked-up shutdown-backup-sessions
";

/// What it answers where no proxy is up: Octez asks again after a 502 and takes a 503 for the end.
const AGAIN: &str = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// How it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settings {
    Original,
    Tuned,
}

/// A running HAProxy.
#[derive(Debug)]
pub(crate) struct Haproxy {
    // Named for Drop alone.
    _process: Process,
    port: u16,
    socket: PathBuf,
}

impl Haproxy {
    /// Starts it before both tunnels and waits until its checks have found both well.
    pub(crate) async fn start(ground: &Ground, settings: Settings) -> Self {
        let [a, b] = &ground.tunnels;
        let settings = match settings {
            Settings::Original => ORIGINAL,
            Settings::Tuned => TUNED,
        };
        let settings = settings.replace("{a}", &a.server());
        let settings = settings.replace("{b}", &b.server());
        Self::with(&ground.scene, &settings).await
    }

    /// Starts it before proxies that run and waits until its checks have found all of them well. The first is `p0`.
    pub(crate) async fn before(scene: &Scene, proxies: &[Proxy]) -> Self {
        let again = scene.file("502.http");
        std::fs::write(&again, AGAIN).unwrap();
        let mut settings = BEFORE_PROXIES.replace("{again}", &again.display().to_string());
        for (nth, proxy) in proxies.iter().enumerate() {
            let (address, admin) = (proxy.address(), proxy.config.admin_port);
            writeln!(
                settings,
                "    server p{nth} {address} check port {admin}\n    server last{nth} {address} backup"
            )
            .unwrap();
        }
        Self::with(scene, &settings).await
    }

    async fn with(scene: &Scene, settings: &str) -> Self {
        assert!(Path::new(HAPROXY).exists(), "{MISSING}");
        let (port, socket) = (ports::free(), scene.socket("haproxy.sock"));
        let file = scene.file("haproxy.cfg");
        // What the set-ups do not have to agree on: where it listens, and where its state can be seen.
        let text = format!(
            "global\n    stats socket {}\n{settings}\nfrontend bakers\n    bind 127.0.0.1:{port}\n    \
             default_backend signers\n",
            socket.display()
        );
        std::fs::write(&file, text).unwrap();
        let mut process = Process::start(
            "haproxy",
            Command::new(HAPROXY).args(["-db", "-f"]).arg(&file),
        );
        until("HAProxy to answer", async || {
            let ended = process.ended();
            assert!(ended.is_none(), "HAProxy ended: {:#?}", process.stderr());
            let answer = http::get(&format!("127.0.0.1:{port}"), "/authorized_keys").await;
            answer
                .is_ok_and(|answer| answer.status == 200)
                .then_some(())
        })
        .await;
        let haproxy = Self {
            _process: process,
            port,
            socket,
        };
        // It takes servers for up before it has checked them.
        haproxy.until_up("").await;
        haproxy
    }

    /// `HOST:PORT` for bakers.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Waits until its checks find the server `name` well, or each, if the name is empty.
    pub(crate) async fn until_up(&self, name: &str) {
        until("HAProxy to have found servers well", async || {
            let servers = self.servers().await?;
            let mut servers = servers.lines().filter(|line| {
                line.starts_with(&format!("signers,{name}")) && !line.contains(",no check,")
            });
            servers
                .all(|server| server.contains(",UP,") && server.contains(",L7OK,"))
                .then_some(())
        })
        .await;
    }

    /// What it says of its servers, a line for each.
    async fn servers(&self) -> Option<String> {
        let mut stream = UnixStream::connect(&self.socket).await.ok()?;
        stream.write_all(b"show stat signers 4 -1\n").await.ok()?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await.ok()?;
        Some(said)
    }
}
