//! Connections that hold the proxy up, and come back whenever they are closed: raw sockets, or `slowhttptest`.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};
use tokio_util::sync::CancellationToken;

use crate::harness::process::{Order, Process};
use crate::harness::wait::until;

use super::target::{THEIRS, Target, Through};

/// How it is held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Heads that never end.
    Heads,
    /// Bodies that never end.
    Bodies,
    /// Many ranges of one answer.
    Ranges,
    /// Answers that are hardly read.
    Reads,
    /// Nothing is said.
    Silence,
}

impl Manner {
    pub(crate) const ALL: [Self; 5] = [
        Self::Heads,
        Self::Bodies,
        Self::Ranges,
        Self::Reads,
        Self::Silence,
    ];

    /// For the command line, and for the table.
    pub(crate) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Heads => ("heads", "slow heads"),
            Self::Bodies => ("bodies", "slow bodies"),
            Self::Ranges => ("ranges", "ranges"),
            Self::Reads => ("reads", "slow reads"),
            Self::Silence => ("silence", "silence"),
        }
    }

    /// The option of `slowhttptest`.
    const fn option(self) -> &'static str {
        match self {
            Self::Heads => "-H",
            Self::Bodies => "-B",
            Self::Ranges => "-R",
            Self::Reads => "-X",
            Self::Silence => panic!("slowhttptest is never silent"),
        }
    }
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Sockets,
    Slowhttptest,
}

/// The period of whatever is sent or read bit by bit.
const BIT: Duration = Duration::from_secs(1);
/// A connection that was closed comes back within it. Without a pause the crowd takes all of the machine, and what
/// is measured is the machine.
const RENEWAL: Duration = Duration::from_secs(1);
/// Between two looks whether `slowhttptest` has ended.
const GLANCE: Duration = Duration::from_millis(20);
/// Requests whose answers are not read.
const UNREAD: usize = 16;

/// So many connections; ends when dropped.
#[derive(Debug)]
pub(crate) struct Crowd {
    opened: Arc<AtomicUsize>,
    count: usize,
    end: CancellationToken,
    members: JoinSet<()>,
}

impl Crowd {
    pub(crate) fn gather(
        (manner, by): (Manner, By),
        count: usize,
        target: &Target,
        through: Through,
    ) -> Self {
        let mut crowd = Self {
            opened: Arc::default(),
            count,
            end: CancellationToken::new(),
            members: JoinSet::new(),
        };
        let address = target.address(through);
        let path = if manner == Manner::Bodies {
            target.sign_path()
        } else {
            "/authorized_keys".to_owned()
        };
        match by {
            By::Sockets => {
                let begun = Instant::now();
                for nth in 0..count {
                    // One after the other, then and later.
                    let share = f64::from(u32::try_from(nth).unwrap())
                        / f64::from(u32::try_from(count).unwrap());
                    let first = begun + RENEWAL.mul_f64(share);
                    let (address, path) = (address.clone(), path.clone());
                    let opened = Arc::clone(&crowd.opened);
                    let member = member(manner, address, path, first, opened);
                    crowd.members.spawn(member);
                }
            }
            By::Slowhttptest => {
                let url = format!("http://{address}{path}");
                let tool = Tool {
                    manner,
                    count,
                    url,
                    notes: target.file("slowhttptest"),
                    opened: Arc::clone(&crowd.opened),
                    end: crowd.end.clone(),
                };
                crowd.members.spawn(tool.run());
            }
        }
        crowd
    }

    /// Waits until each member has been there.
    pub(crate) async fn until_all(&self) {
        until("the whole crowd", async || {
            (self.opened.load(Ordering::Relaxed) >= self.count).then_some(())
        })
        .await;
    }

    /// Ends it; tells how many connections it has opened in all.
    pub(crate) async fn disperse(mut self, by: By) -> usize {
        self.end.cancel();
        match by {
            By::Sockets => self.members.shutdown().await,
            By::Slowhttptest => {
                while let Some(ended) = self.members.join_next().await {
                    ended.unwrap();
                }
            }
        }
        self.opened.load(Ordering::Relaxed)
    }
}

async fn member(
    manner: Manner,
    address: String,
    path: String,
    first: Instant,
    opened: Arc<AtomicUsize>,
) {
    let address = address.parse().unwrap();
    let mut turns = interval_at(first, RENEWAL);
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        turns.tick().await;
        let socket = TcpSocket::new_v4().unwrap();
        if manner == Manner::Reads {
            // The least that there is, so that the proxy has to keep what is not read.
            socket.set_recv_buffer_size(1).unwrap();
        }
        socket.bind((THEIRS, 0).into()).unwrap();
        if let Ok(stream) = socket.connect(address).await {
            opened.fetch_add(1, Ordering::Relaxed);
            // However it ends, the next one takes its place.
            hold(manner, stream, &path).await.ok();
        }
    }
}

/// Holds a connection until the other side ends it.
async fn hold(manner: Manner, mut stream: TcpStream, path: &str) -> io::Result<()> {
    let mut bits = interval(BIT);
    let (head, bit) = match manner {
        Manner::Heads => (format!("GET {path} HTTP/1.1\r\nhost: a\r\n"), "x-a: b\r\n"),
        Manner::Bodies => (
            format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 4096\r\n\r\n"),
            "\"",
        ),
        Manner::Reads => {
            let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
            stream.write_all(request.repeat(UNREAD).as_bytes()).await?;
            loop {
                bits.tick().await;
                // With bytes in between, the end can be seen only here.
                if stream.ready(Interest::READABLE).await?.is_read_closed() {
                    return Ok(());
                }
                stream.read_u8().await?;
            }
        }
        Manner::Silence => {
            stream.read_u8().await?;
            return Ok(());
        }
        Manner::Ranges => panic!("raw sockets send no ranges"),
    };
    stream.write_all(head.as_bytes()).await?;
    loop {
        tokio::select! {
            ended = stream.read_u8() => return ended.map(drop),
            _ = bits.tick() => stream.write_all(bit.as_bytes()).await?,
        }
    }
}

/// `slowhttptest`, again and again: it does not replace connections that are closed.
struct Tool {
    manner: Manner,
    count: usize,
    url: String,
    /// Where it writes, each second, how many connections there are.
    notes: PathBuf,
    opened: Arc<AtomicUsize>,
    end: CancellationToken,
}

impl Tool {
    async fn run(self) {
        let table = self.notes.with_extension("csv");
        let mut before = 0;
        while !self.end.is_cancelled() {
            std::fs::write(&table, "").unwrap();
            let mut process = Process::start("slowhttptest", &mut self.command());
            let mut glances = interval(GLANCE);
            let mut is_told = false;
            while process.ended().is_none() {
                glances.tick().await;
                let opened = connections(&std::fs::read_to_string(&table).unwrap());
                self.opened.store(before + opened, Ordering::Relaxed);
                if self.end.is_cancelled() && !std::mem::replace(&mut is_told, true) {
                    process.order(Order::Interrupt);
                }
            }
            before = self.opened.load(Ordering::Relaxed);
        }
    }

    fn command(&self) -> Command {
        let count = self.count.to_string();
        // All at once would be a burst that is over when it is measured.
        let rate = (self.count / 2).to_string();
        // It spins as soon as some of its connections are closed, and would take the machine from the proxy; whoever
        // holds up a proxy brings a machine.
        let mut command = Command::new("nice");
        command
            .args(["-n", "19", "slowhttptest"])
            .args([self.manner.option(), "-u", &self.url])
            .args(["-c", &count, "-r", &rate])
            // As often and as long as it can, so that what ends a connection is the proxy.
            .args(["-i", "1", "-l", "30", "-k", "5", "-n", "1", "-z", "1"])
            .args(["-w", "1", "-y", "16", "-g", "-o"])
            .arg(&self.notes);
        command
    }
}

/// Connections that are open or were closed, from the last whole line of `Seconds,Closed,Pending,Connected,...`.
fn connections(table: &str) -> usize {
    let (whole, _) = table.rsplit_once('\n').unwrap_or_default();
    let last = whole.lines().last().unwrap_or_default();
    let numbers: Vec<_> = last.split(',').map(str::parse::<usize>).collect();
    match numbers[..] {
        [_, Ok(closed), _, Ok(connected), ..] => closed + connected,
        _ => 0,
    }
}
