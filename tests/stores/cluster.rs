//! A real etcd on loopback: members as processes, with data of their own, that end with the value.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use signer_proxy::etcd::{EtcdStore, Terms};
use signer_proxy::settings::{EtcdSettings, PathTls, SignerUrl};
use signer_proxy::store::DirectoryLock;
use signer_proxy::task::Tasks;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Longer than anything healthy takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Ports are given out below the range of outgoing connections, each once.
static NEXT: AtomicU16 = AtomicU16::new(0);

fn port() -> u16 {
    let start = u16::try_from(std::process::id() % 4_000).unwrap();
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + (start + step) % 4_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// One member.
#[derive(Debug)]
pub(crate) struct Member {
    name: String,
    pub(crate) client: u16,
    peer: u16,
    pub(crate) data: PathBuf,
    pub(crate) process: Option<Child>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Member {
    fn start(&mut self, peers: &str, state: &str) {
        let client = format!("http://127.0.0.1:{}", self.client);
        let peer = format!("http://127.0.0.1:{}", self.peer);
        let child = Command::new("etcd")
            .args(["--name", &self.name, "--initial-cluster", peers])
            .args([
                "--initial-cluster-state",
                state,
                "--initial-cluster-token",
                "tests",
            ])
            .args([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args(["--heartbeat-interval", "50", "--election-timeout", "500"])
            .arg("--data-dir")
            .arg(&self.data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("etcd cannot be started ({error}); run: apt-get install --yes etcd-server")
        });
        self.process = Some(child);
    }

    /// Stops it in the middle of whatever it does.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("the member runs");
        let status = Command::new("kill")
            .args(["-s", name, &process.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().ok();
            process.wait().ok();
        }
    }
}

/// A cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) members: Vec<Member>,
    pub(crate) folder: TempDir,
}

impl Cluster {
    /// Of so many members, running.
    pub(crate) async fn start(count: usize) -> Self {
        Self::start_in(&std::env::temp_dir(), count).await
    }

    /// The same with its data below `place`.
    pub(crate) async fn start_in(place: &Path, count: usize) -> Self {
        let folder = tempfile::tempdir_in(place).unwrap();
        let member = |nth: usize| Member {
            name: format!("m{nth}"),
            client: port(),
            peer: port(),
            data: folder.path().join(format!("m{nth}")),
            process: None,
        };
        let members = (0..count).map(member).collect();
        let mut cluster = Self { members, folder };
        cluster.start_all();
        cluster.ready().await;
        cluster
    }

    fn peers(&self) -> String {
        let peers = self.members.iter();
        let peers: Vec<_> = peers
            .map(|member| format!("{}=http://127.0.0.1:{}", member.name, member.peer))
            .collect();
        peers.join(",")
    }

    /// Starts every member that does not run.
    pub(crate) fn start_all(&mut self) {
        let peers = self.peers();
        for member in self
            .members
            .iter_mut()
            .filter(|member| member.process.is_none())
        {
            member.start(&peers, "new");
        }
    }

    pub(crate) fn kill_all(&mut self) {
        self.members.iter_mut().for_each(Member::kill);
    }

    /// Waits until transactions are made.
    pub(crate) async fn ready(&self) {
        let probe = self.replica("/probe");
        let begun = Instant::now();
        let mut looks = interval(Duration::from_millis(50));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            match probe.store.connect().await {
                Ok(()) => return,
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
            }
        }
    }

    pub(crate) fn endpoints(&self) -> Vec<u16> {
        self.members.iter().map(|member| member.client).collect()
    }

    /// What the first member answers to JSON, as another program would ask.
    pub(crate) async fn post(&self, path: &str, body: &serde_json::Value) -> serde_json::Value {
        let body = body.to_string();
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: etcd\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let member = ("127.0.0.1", self.members[0].client);
        let mut stream = TcpStream::connect(member).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    /// A proxy's view of the store under `prefix`, with a state directory of its own.
    pub(crate) fn replica(&self, prefix: &str) -> Replica {
        Replica::new(&self.endpoints(), prefix)
    }
}

/// A store with its state directory.
pub(crate) struct Replica {
    pub(crate) store: Arc<EtcdStore>,
    pub(crate) state: TempDir,
}

impl Replica {
    pub(crate) fn new(endpoints: &[u16], prefix: &str) -> Self {
        let state = tempfile::tempdir().unwrap();
        let store = open(endpoints, prefix, state.path(), None).unwrap();
        Self { store, state }
    }

    /// The same after a restart: the state directory is what it was.
    pub(crate) fn restarted(self, endpoints: &[u16], prefix: &str) -> Self {
        let Self { store, state } = self;
        store.write_witness().unwrap();
        drop(store);
        let store = open(endpoints, prefix, state.path(), None).unwrap();
        Self { store, state }
    }
}

/// Opens a store; nothing is read yet.
pub(crate) fn open(
    endpoints: &[u16],
    prefix: &str,
    state: &Path,
    lineage: Option<String>,
) -> Result<Arc<EtcdStore>, String> {
    open_by(EtcdStore::new, endpoints, prefix, state, lineage)
}

/// The same for an operator who takes upon himself what is found.
pub(crate) fn open_doubted(
    endpoints: &[u16],
    prefix: &str,
    state: &Path,
    lineage: Option<String>,
) -> Result<Arc<EtcdStore>, String> {
    open_by(
        EtcdStore::doubting_nothing,
        endpoints,
        prefix,
        state,
        lineage,
    )
}

fn open_by(
    by: impl FnOnce(Terms<'_>, &Tasks) -> Result<EtcdStore, String>,
    endpoints: &[u16],
    prefix: &str,
    state: &Path,
    lineage: Option<String>,
) -> Result<Arc<EtcdStore>, String> {
    let url = |port: &u16| SignerUrl::Http {
        host: "127.0.0.1".to_owned(),
        port: *port,
    };
    let settings = EtcdSettings {
        endpoints: endpoints.iter().map(url).collect(),
        prefix: prefix.to_owned(),
        tls: PathTls::default(),
        user: None,
        password_file: None,
        timeout: Duration::from_secs(1),
    };
    let terms = Terms {
        settings: &settings,
        lineage,
        lock: locked(state),
        patience: Duration::from_secs(1),
    };
    by(terms, &Tasks::new()).map(Arc::new)
}

/// A process that another test starts at this moment has the file of the last lock open until it runs.
fn locked(state: &Path) -> DirectoryLock {
    let begun = Instant::now();
    loop {
        match DirectoryLock::acquire(state) {
            Ok(lock) => return lock,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
        std::thread::yield_now();
    }
}
