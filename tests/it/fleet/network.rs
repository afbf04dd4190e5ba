//! Networks of a test's own: the members of a cluster on machines that are network namespaces, and cables between
//! them that can be cut. Nothing of it touches the network of the host.
//!
//! A cable is cut by the state of its port at the bridge: what is sent is lost without a word, as by a partition, and
//! connections stay open on both sides. A link that is down would tell both.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use tokio::runtime::Runtime;

/// Not on everybody's path.
const BRIDGE: &str = "/usr/sbin/bridge";

/// Set for the process that runs inside.
const INSIDE: &str = "FLEET_INSIDE";

/// Machines with a member of etcd each.
pub(super) const MACHINES: usize = 3;

/// Proxies; each reaches the members over cables of its own, so that one can be cut off and not the others.
pub(super) const PROXIES: usize = 3;

/// A network with a cable to each machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Net {
    /// Between the members.
    Peers,
    /// From one proxy to the members.
    Proxy(usize),
    /// The test's own, which is never cut.
    Test,
}

impl Net {
    const fn number(self) -> usize {
        match self {
            Self::Proxy(proxy) => proxy,
            Self::Peers => PROXIES,
            Self::Test => PROXIES + 1,
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        (0..PROXIES)
            .map(Self::Proxy)
            .chain([Self::Peers, Self::Test])
    }

    /// The address of a machine here.
    pub(super) fn address(self, machine: usize) -> String {
        format!("10.99.{}.{}", self.number(), machine + 1)
    }

    /// The end of the cable to a machine at the bridge.
    fn port(self, machine: usize) -> String {
        format!("n{}m{machine}", self.number())
    }

    /// Everything that is sent over this cable is lost from now on.
    pub(super) fn cut(self, machine: usize) {
        self.set(machine, "0");
    }

    /// The end of [`Self::cut`].
    pub(super) fn mend(self, machine: usize) {
        self.set(machine, "3");
    }

    fn set(self, machine: usize, state: &str) {
        let port = self.port(machine);
        run(BRIDGE, &["link", "set", "dev", &port, "state", state], "");
    }
}

/// What a program on a machine is started by; the process is the program's.
pub(super) fn on(machine: usize, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net=/run/netns/m{machine}"))
        .arg(program);
    command
}

/// Runs `scenario` in networks of its own: this process starts its own program again, for the one test `name`, and
/// tells what it says. Whatever runs inside ends with it.
pub(super) fn apart<S: Future<Output = ()>>(name: &str, scenario: impl FnOnce() -> S) {
    if std::env::var_os(INSIDE).is_some() {
        end_with_parent();
        build();
        Runtime::new().unwrap().block_on(scenario());
        return;
    }
    assert_possible();
    let mut inside = unshare();
    inside
        .args(["sh", "-c", "exec \"$@\" 2>&1", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads", "1"])
        .env(INSIDE, "1")
        // Its end is how the inside learns of ours.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut inside = inside.spawn().unwrap();
    for line in BufReader::new(inside.stdout.take().unwrap()).split(b'\n') {
        println!("{}", String::from_utf8_lossy(&line.unwrap()));
    }
    let status = inside.wait().unwrap();
    assert!(status.success(), "it failed inside: {status}");
}

/// A process without the host's network, mounts and processes. The first one in there is the init of all others: with
/// its end the kernel ends them.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.args(["--map-current-user", "--keep-caps"]);
    }
    command.args(["--net", "--mount", "--pid", "--fork", "--mount-proc"]);
    command
}

fn assert_possible() {
    let tried = unshare().arg("true").output();
    let problem = match tried {
        Ok(output) if output.status.success() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    panic!(
        "this test needs namespaces of its own for networks, mounts and processes: run it as root, or where users may \
         make them (sysctl kernel.unprivileged_userns_clone=1; a container needs --privileged). unshare: {problem}"
    );
}

/// Ends this process, and thereby all others in here, when the one outside is gone.
#[expect(
    clippy::exit,
    reason = "nobody is left to whom the test could tell anything"
)]
fn end_with_parent() {
    std::thread::spawn(|| {
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).ok();
        std::process::exit(1);
    });
}

/// Makes machines, bridges and cables.
fn build() {
    // Names of namespaces are files there, and sshd wants a folder of its own.
    run("mount", &["-t", "tmpfs", "fleet", "/run"], "");
    run("ip", &["link", "set", "lo", "up"], "");
    for machine in 0..MACHINES {
        run("ip", &["netns", "add", &format!("m{machine}")], "");
    }
    let mut here = String::new();
    let mut there = vec!["link set lo up\n".to_owned(); MACHINES];
    for net in Net::all() {
        let number = net.number();
        writeln!(
            here,
            "link add n{number} type bridge\naddr add 10.99.{number}.254/24 dev n{number}\nlink set n{number} up"
        )
        .unwrap();
        for (machine, there) in there.iter_mut().enumerate() {
            let (port, address) = (net.port(machine), net.address(machine));
            writeln!(
                here,
                "link add {port} type veth peer name e{number} netns m{machine}\nlink set {port} master n{number} up"
            )
            .unwrap();
            writeln!(
                there,
                "addr add {address}/24 dev e{number}\nlink set e{number} up"
            )
            .unwrap();
        }
    }
    run("ip", &["-batch", "-"], &here);
    for (machine, there) in there.iter().enumerate() {
        run("ip", &["-n", &format!("m{machine}"), "-batch", "-"], there);
    }
}

/// Runs a command that must succeed, with `input`.
fn run(program: &str, arguments: &[&str], input: &str) {
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.unwrap_or_else(|error| {
        panic!("{program} cannot be started ({error}); run: apt-get install --yes iproute2")
    });
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {} (the kernel needs veth and bridge)",
        String::from_utf8_lossy(&output.stderr)
    );
}
