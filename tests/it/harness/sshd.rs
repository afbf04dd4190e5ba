//! A real sshd on loopback for the account that runs the tests, with the options that the README names.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::ports;
use super::process::Process;
use super::scene::Scene;
use super::wait::until;

const SSHD: &str = "/usr/sbin/sshd";

const MISSING: &str = "these tests need sshd and ssh: apt-get install openssh-server";

/// A running sshd and the one key that may log in.
#[derive(Debug)]
pub(crate) struct Sshd {
    process: Process,
    file: PathBuf,
    pub(crate) port: u16,
    pub(crate) identity: PathBuf,
    pub(crate) user: String,
}

impl Sshd {
    pub(crate) async fn start(scene: &Scene) -> Self {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid())
            .unwrap()
            .expect("the account has a name");
        if user.uid.is_root() {
            // Where packages are installed without an init system, nobody has made it.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let (host, identity) = (scene.file("host_key"), scene.file("identity"));
        generate(&host);
        generate(&identity);
        let authorized = scene.file("authorized_keys");
        std::fs::copy(scene.file("identity.pub"), &authorized).unwrap();
        let port = ports::free();
        let file = scene.file("sshd_config");
        let text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile {}\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nClientAliveInterval 5\nClientAliveCountMax 2\n\
             AllowTcpForwarding yes\nAllowStreamLocalForwarding yes\nStreamLocalBindUnlink yes\n",
            host.display(),
            authorized.display(),
            scene.file("sshd.pid").display(),
        );
        std::fs::write(&file, text).unwrap();
        assert!(Path::new(SSHD).exists(), "{MISSING}");
        let process = listening(&file).await;
        Self {
            process,
            file,
            port,
            identity,
            user: user.name,
        }
    }

    /// Ends it and every session, as the end of its container would.
    pub(crate) fn stop(&mut self) {
        self.process.kill_family();
    }

    /// The end of [`Self::stop`]; sessions do not come back by themselves.
    pub(crate) async fn start_again(&mut self) {
        self.process = listening(&self.file).await;
    }
}

fn run(file: &Path) -> Process {
    let mut command = Command::new(SSHD);
    Process::start("sshd", command.args(["-D", "-e", "-f"]).arg(file))
}

/// One that listens by its own word: for a moment a child of the one before it may hold the port still, and takes
/// connections there.
async fn listening(file: &Path) -> Process {
    let mut process = run(file);
    until("sshd to listen", async || {
        if process.ended().is_some() {
            process = run(file);
        }
        let said = process.stderr();
        let listens = said
            .iter()
            .any(|line| line.starts_with("Server listening on"));
        listens.then_some(())
    })
    .await;
    process
}

fn generate(file: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(file)
        .status()
        .expect(MISSING);
    assert!(made.success(), "ssh-keygen: {made}");
}
