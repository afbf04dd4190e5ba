//! The programs that are compared, each in front of backends that count.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use signer_proxy::server::Limits;
use signer_proxy::task::Tasks;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::answers::statuses;
use super::backend::Backend;
use super::harness::{Client, Server, wide, within};
use super::ports;
use super::table::Case;

/// Messages under way in one program at a time.
pub(crate) const LANES: usize = 32;

/// How long a program waits for what does not come. Everything is sent at once, so only messages that
/// are not whole, and connections that are kept, wait that long.
const WAIT: Duration = Duration::from_millis(500);

const HAPROXY: &str = "/usr/sbin/haproxy";
const NGINX: &str = "/usr/sbin/nginx";

/// A client that closes only its sending side has not gone away.
const NGINX_HEAD: &str = "
daemon off;
master_process off;
error_log error.log;
pid nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_header_timeout {wait};
    client_body_timeout {wait};
    keepalive_timeout {wait};
    lingering_timeout {wait};
    proxy_read_timeout {wait};
    proxy_ignore_client_abort on;
";

const HAPROXY_HEAD: &str = "
defaults
    mode http
    timeout connect {wait}
    timeout client {wait}
    timeout server {wait}
    timeout http-request {wait}
    timeout http-keep-alive {wait}
";

/// What became of one message.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) statuses: String,
    /// Whole requests that have reached the backend.
    pub(crate) reached: usize,
}

/// One address of a program with a backend of its own, so that what reaches it belongs to one message.
pub(crate) struct Lane {
    address: SocketAddr,
    behind: Behind,
}

enum Behind {
    Backend(Backend),
    /// Our edge runs in this process, with its service.
    Edge(Box<Server>),
}

impl Lane {
    /// Sends the message and reads until the program closes.
    pub(crate) async fn send(&self, case: &Case) -> Outcome {
        let before = self.reached().await;
        let mut client = Client(TcpStream::connect(self.address).await.unwrap());
        within(client.send(&case.message)).await;
        if case.is_cut {
            // The program may have closed already.
            drop(client.0.shutdown().await);
        }
        let mut said = Vec::new();
        // A reset is an end as well.
        drop(within(client.0.read_to_end(&mut said)).await);
        Outcome {
            statuses: statuses(&said),
            reached: self.reached().await - before,
        }
    }

    async fn reached(&self) -> usize {
        match &self.behind {
            Behind::Backend(backend) => backend.settled().await,
            Behind::Edge(server) => server.echo.answered(),
        }
    }
}

/// A running program.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) lanes: Vec<Lane>,
    /// The process, if it is not this one; it ends with this value.
    pub(crate) running: Option<Running>,
}

impl Program {
    pub(crate) async fn edge() -> Self {
        // It knows what to say about each message without waiting for more.
        let limits = Limits {
            idle: WAIT,
            ..wide()
        };
        let mut lanes = Vec::new();
        for _ in 0..LANES {
            let server = Server::start(limits.clone()).await;
            lanes.push(Lane {
                address: server.address,
                behind: Behind::Edge(Box::new(server)),
            });
        }
        Self {
            name: "signer-proxy",
            version: env!("CARGO_PKG_VERSION").to_owned(),
            lanes,
            running: None,
        }
    }

    pub(crate) async fn nginx(tasks: &Tasks) -> Self {
        let mut text = NGINX_HEAD.to_owned();
        let lanes = lanes(tasks, |front, back| {
            writeln!(
                text,
                "    server {{ listen {front}; location / {{ proxy_pass http://{back}; }} }}"
            )
            .unwrap();
        });
        let lanes = lanes.await;
        text.push_str("}\n");
        let run = |file: &Path| {
            let folder = file.parent().unwrap();
            let mut command = Command::new(NGINX);
            command.arg("-p").arg(folder).arg("-c").arg(file);
            command
        };
        let version = said(Command::new(NGINX).arg("-v"));
        // nginx version: nginx/1.22.1
        let version = version.rsplit('/').next().unwrap().trim().to_owned();
        Self::start("nginx", version, &text, run, lanes).await
    }

    pub(crate) async fn haproxy(tasks: &Tasks) -> Self {
        let mut text = HAPROXY_HEAD.to_owned();
        let lanes = lanes(tasks, |front, back| {
            // No connection to the backend outlives the one that it was opened for.
            writeln!(
                text,
                "listen on-{}\n    bind {front}\n    server backend {back} pool-max-conn 0",
                front.port()
            )
            .unwrap();
        });
        let lanes = lanes.await;
        let run = |file: &Path| {
            let mut command = Command::new(HAPROXY);
            command.args(["-db", "-f"]).arg(file);
            command
        };
        let version = said(Command::new(HAPROXY).arg("-v"));
        // HAProxy version 2.6.12-1+deb12u4 and a date
        let version = version.split(' ').nth(2).unwrap().to_owned();
        Self::start("HAProxy", version, &text, run, lanes).await
    }

    async fn start(
        name: &'static str,
        version: String,
        text: &str,
        run: impl Fn(&Path) -> Command,
        lanes: Vec<Lane>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("configuration");
        let wait = format!("{}ms", WAIT.as_millis());
        std::fs::write(&file, text.replace("{wait}", &wait)).unwrap();
        let mut command = run(&file);
        let mut running = Running {
            child: command.stdin(Stdio::null()).spawn().unwrap(),
            _folder: folder,
        };
        let mut glances = tokio::time::interval(Duration::from_millis(20));
        for lane in &lanes {
            let listens = async {
                while TcpStream::connect(lane.address).await.is_err() {
                    let ended = running.child.try_wait().unwrap();
                    assert!(ended.is_none(), "{name} ended: {ended:?}");
                    glances.tick().await;
                }
            };
            within(listens).await;
        }
        Self {
            name,
            version,
            lanes,
            running: Some(running),
        }
    }
}

/// Backends, and for each the address in front of it, which goes into the configuration.
async fn lanes(tasks: &Tasks, mut add: impl FnMut(SocketAddr, SocketAddr)) -> Vec<Lane> {
    let mut lanes = Vec::new();
    for _ in 0..LANES {
        let backend = Backend::start(tasks).await;
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free()));
        add(address, backend.address);
        lanes.push(Lane {
            address,
            behind: Behind::Backend(backend),
        });
    }
    lanes
}

/// What a program says on both its streams.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "the comparison needs nginx and HAProxy ({error}): apt-get install nginx-light haproxy"
        )
    });
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8(both).unwrap()
}

/// A child that ends with its value, and the folder in which it runs.
pub(crate) struct Running {
    child: Child,
    // Named for Drop alone.
    _folder: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
