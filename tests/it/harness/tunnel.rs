//! A reverse tunnel by a real `ssh -N -R`, as a home signer keeps one open.

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};

use super::http;
use super::ports;
use super::process::{Order, Process};
use super::sshd::Sshd;
use super::wait::{lasts, until};

/// A tunnel that is silent for so long does not lead anywhere. Longer than the proxy holds metadata, because
/// a tunnel may lead there.
const SILENCE: Duration = Duration::from_secs(3);

/// `RestartSec` of the service in the README.
const RESTART: Duration = Duration::from_secs(2);

/// Where the proxy's side of the tunnel is.
#[derive(Clone, Debug)]
enum Entrance {
    Port(u16),
    Socket(PathBuf),
}

/// A tunnel; it may be up or not.
#[derive(Debug)]
pub(crate) struct Tunnel {
    name: String,
    entrance: Entrance,
    target: u16,
    arguments: Vec<String>,
    process: Option<Process>,
}

impl Tunnel {
    /// A tunnel from a free port to `target`, both on loopback; not up yet.
    pub(crate) fn tcp(sshd: &Sshd, name: &str, target: u16) -> Self {
        Self::new(sshd, name, Entrance::Port(ports::free()), target)
    }

    /// A tunnel from a Unix socket to the port `target`; not up yet.
    pub(crate) fn unix(sshd: &Sshd, name: &str, socket: PathBuf, target: u16) -> Self {
        Self::new(sshd, name, Entrance::Socket(socket), target)
    }

    fn new(sshd: &Sshd, name: &str, entrance: Entrance, target: u16) -> Self {
        let forward = match &entrance {
            Entrance::Port(port) => format!("127.0.0.1:{port}:127.0.0.1:{target}"),
            Entrance::Socket(path) => format!("{}:127.0.0.1:{target}", path.display()),
        };
        let mut arguments = vec!["-N".to_owned(), "-F".to_owned(), "none".to_owned()];
        let options = [
            "BatchMode=yes",
            "ExitOnForwardFailure=yes",
            "IdentitiesOnly=yes",
            "ServerAliveCountMax=2",
            "ServerAliveInterval=5",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
        ];
        for option in options {
            arguments.extend(["-o".to_owned(), option.to_owned()]);
        }
        arguments.extend(["-i".to_owned(), sshd.identity.display().to_string()]);
        arguments.extend(["-p".to_owned(), sshd.port.to_string()]);
        arguments.extend(["-R".to_owned(), forward]);
        arguments.push(format!("{}@127.0.0.1", sshd.user));
        Self {
            name: name.to_owned(),
            entrance,
            target,
            arguments,
            process: None,
        }
    }

    /// Another session for the same entrance; not up yet.
    pub(crate) fn another(&self) -> Self {
        Self {
            name: format!("{} again", self.name),
            entrance: self.entrance.clone(),
            target: self.target,
            arguments: self.arguments.clone(),
            process: None,
        }
    }

    /// The path as the configuration names it.
    pub(crate) fn url(&self) -> String {
        match &self.entrance {
            Entrance::Port(port) => format!("http://127.0.0.1:{port}"),
            Entrance::Socket(path) => format!("http+unix://{}", path.display()),
        }
    }

    /// The path as a server line of HAProxy names it.
    pub(crate) fn server(&self) -> String {
        match &self.entrance {
            Entrance::Port(port) => format!("127.0.0.1:{port}"),
            Entrance::Socket(path) => format!("unix@{}", path.display()),
        }
    }

    /// Opens it and waits until something answers HTTP through it.
    ///
    /// While the server still holds the entrance for an older session, ssh gives up and is started again,
    /// as the loop around it in a home would do.
    pub(crate) async fn open(&mut self) {
        until(&format!("an answer through {}", self.name), async || {
            if self.ended() {
                self.start();
            }
            let answers = timeout(SILENCE, self.answers()).await;
            answers.unwrap_or(false).then_some(())
        })
        .await;
    }

    /// Starts ssh again and again, as the service in a home does, and never returns.
    ///
    /// It connects to nothing: sshd asks a silent client whether it lives only after a time in which nobody
    /// has connected to its ports.
    pub(crate) async fn keep(&mut self) -> Infallible {
        loop {
            if self.ended() {
                self.start();
            }
            lasts(Instant::now(), RESTART).await;
        }
    }

    fn ended(&mut self) -> bool {
        let ssh = self.process.as_mut();
        ssh.is_none_or(|ssh| ssh.ended().is_some())
    }

    fn start(&mut self) {
        let mut command = Command::new("ssh");
        self.process = Some(Process::start(&self.name, command.args(&self.arguments)));
    }

    async fn answers(&self) -> bool {
        let host = format!("127.0.0.1:{}", self.target);
        let request = http::get_request(&host, "/authorized_keys");
        let answer = match &self.entrance {
            Entrance::Port(port) => http::exchange(&format!("127.0.0.1:{port}"), &request).await,
            Entrance::Socket(path) => match UnixStream::connect(path).await {
                Ok(stream) => http::over(stream, &[&request]).await,
                Err(error) => Err(error),
            },
        };
        answer.is_ok()
    }

    /// Ends the home's side at once: the entrance disappears.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("the tunnel is open").kill();
    }

    /// Freezes the home's side: the entrance accepts and nothing ever answers.
    pub(crate) fn stall(&self) {
        self.running().order(Order::Stop);
    }

    /// The end of [`Self::stall`].
    pub(crate) fn resume(&self) {
        self.running().order(Order::Continue);
    }

    /// Takes the session out, so that it lives on beside the one that the next [`Self::open`] starts.
    pub(crate) fn leave(&mut self) -> Process {
        self.process.take().expect("the tunnel is open")
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("the tunnel is open")
    }
}
