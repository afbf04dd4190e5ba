//! A child process whose output is kept and that never outlives its value.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use super::wait::until;

/// Lines of each stream that a failed test shows.
const SHOWN: usize = 40;

type Lines = Arc<Mutex<Vec<String>>>;

/// A running program.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdout: Lines,
    stderr: Lines,
    readers: Vec<std::thread::JoinHandle<()>>,
}

/// What a signal does, without the word "signal" in each name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Continue,
    Interrupt,
    Stop,
    Terminate,
}

impl Process {
    /// Starts `command` with its output kept and no input.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let (stdout, stderr) = (Lines::default(), Lines::default());
        let readers = vec![
            keep(child.stdout.take().unwrap(), &stdout),
            keep(child.stderr.take().unwrap(), &stderr),
        ];
        Self {
            name: name.to_owned(),
            child,
            stdout,
            stderr,
            readers,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdout(&self) -> Vec<String> {
        self.stdout.lock().unwrap().clone()
    }

    pub(crate) fn stderr(&self) -> Vec<String> {
        self.stderr.lock().unwrap().clone()
    }

    /// The first line of standard output that begins with `prefix`, without it.
    pub(crate) async fn says(&mut self, prefix: &str) -> String {
        until(&format!("{} to say {prefix:?}", self.name), async || {
            let ended = self.ended();
            let lines = self.stdout();
            let said = lines.iter().find_map(|line| line.strip_prefix(prefix));
            assert!(said.is_some() || ended.is_none(), "{ended:?}: {lines:#?}");
            said.map(str::to_owned)
        })
        .await
    }

    /// Sends a signal.
    pub(crate) fn order(&self, order: Order) {
        let signal = match order {
            Order::Continue => "CONT",
            Order::Interrupt => "INT",
            Order::Stop => "STOP",
            Order::Terminate => "TERM",
        };
        // The shell's own `kill`: a machine without procps has no other.
        let done = Command::new("sh")
            .args(["-c", &format!("kill -{signal} {}", self.child.id())])
            .status()
            .unwrap();
        assert!(done.success(), "kill -{signal} {}", self.name);
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end; all its output has been read by then.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        let status = until(&what, async || self.ended()).await;
        self.join();
        status
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        // An error means that it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
        self.join();
    }

    /// Ends it together with all that it started, as the end of a container does.
    pub(crate) fn kill_family(&mut self) {
        // Stopped, it starts no more of them while they are counted.
        self.order(Order::Stop);
        while !self.is_stopped() {
            std::thread::yield_now();
        }
        let family = descendants(self.id());
        self.child.kill().ok();
        self.child.wait().ok();
        for id in family {
            // One that has ended meanwhile is no failure.
            Command::new("sh")
                .args(["-c", &format!("kill -KILL {id}")])
                .stderr(Stdio::null())
                .status()
                .unwrap();
        }
    }

    /// Whether it stands still, or is gone.
    fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()));
        // The name between the brackets may contain anything; the state follows it.
        let state = stat.ok().and_then(|stat| {
            let (_, rest) = stat.rsplit_once(')')?;
            rest.trim_start().chars().next()
        });
        !matches!(state, Some('R' | 'S' | 'D'))
    }

    fn join(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().ok();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            for (stream, lines) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
                let lines = lines.lock().unwrap();
                for line in &lines[lines.len().saturating_sub(SHOWN)..] {
                    eprintln!("{} {stream}: {line}", self.name);
                }
            }
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Process({}, {})", self.name, self.child.id())
    }
}

/// The processes that `id` started, and those that they started.
fn descendants(id: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let listed = listed.unwrap_or_default();
    let children = listed.split_whitespace().map(|id| id.parse().unwrap());
    children
        .flat_map(|child| [vec![child], descendants(child)].concat())
        .collect()
}

fn keep(stream: impl Read + Send + 'static, lines: &Lines) -> std::thread::JoinHandle<()> {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            lines.lock().unwrap().push(line);
        }
    })
}
