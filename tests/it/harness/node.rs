//! An Octez node whose chain is what a test wants it to be, and whose faults are switches.
//!
//! It knows nothing of the harness beside it, so that other tests may take it in. Blocks are named by their
//! level, every delegate signs with its own key, and what a baker signed comes into the block where it belongs.

#[path = "node/answers.rs"]
mod answers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::SignedDuration;
use serde_json::Value;
use signer_proxy::tezos::{ChainId, ConsensusKind, Position, PublicKeyHash};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Every answer is this status.
    Status(u16),
    /// Every answer is JSON of another sort.
    Nonsense,
    /// Metadata and operations are longer than anybody reads.
    Huge,
    /// It takes requests and never answers.
    Silent,
    /// Headers below the head are those of other blocks.
    Astray,
}

/// A block but for its level.
#[derive(Clone, Debug, Default)]
struct Block {
    baker: Option<(PublicKeyHash, u32)>,
    operations: Vec<Value>,
}

#[derive(Debug)]
struct State {
    chain: String,
    head: u32,
    age: SignedDuration,
    blocks: BTreeMap<u32, Block>,
    companions: BTreeMap<String, PublicKeyHash>,
    fault: Fault,
    asked: Vec<String>,
    at_once: usize,
    most_at_once: usize,
}

/// A node that ends with its value.
#[derive(Debug)]
pub(crate) struct Node {
    address: String,
    state: Arc<Mutex<State>>,
    held: watch::Sender<bool>,
    // Named for Drop alone.
    _tasks: JoinSet<()>,
}

impl Node {
    /// A node of `chain` in sync, with blocks of strangers up to `top`.
    pub(crate) async fn start(chain: ChainId, top: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State {
            chain: chain.to_string(),
            head: top,
            age: SignedDuration::ZERO,
            blocks: BTreeMap::new(),
            companions: BTreeMap::new(),
            fault: Fault::None,
            asked: Vec::new(),
            at_once: 0,
            most_at_once: 0,
        }));
        let (held, gate) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::clone(&state), gate));
        Self {
            address,
            state,
            held,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The chain grows up to `level`, or falls back to it.
    pub(crate) fn set_head(&self, level: u32) {
        self.state().head = level;
    }

    /// The head becomes this old.
    pub(crate) fn set_age(&self, seconds: i64) {
        self.state().age = SignedDuration::from_secs(seconds);
    }

    pub(crate) fn set_fault(&self, fault: Fault) {
        self.state().fault = fault;
    }

    /// Holds operations back, or answers with what they are by then.
    pub(crate) fn hold_operations(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// It serves another chain with the same blocks.
    pub(crate) fn set_chain(&self, chain: &str) {
        chain.clone_into(&mut self.state().chain);
    }

    /// `delegate` has `companion` beside its consensus key.
    pub(crate) fn set_companion(&self, delegate: PublicKeyHash, companion: PublicKeyHash) {
        self.state()
            .companions
            .insert(delegate.to_string(), companion);
    }

    /// What `key` signed comes onto the chain, which grows as far as it takes.
    pub(crate) fn show(&self, key: PublicKeyHash, kind: ConsensusKind, position: Position) {
        let (level, round) = (position.level.get(), position.round.get());
        let mut state = self.state();
        let (block, name) = match kind {
            ConsensusKind::Block => {
                state.blocks.entry(level).or_default().baker = Some((key, round));
                state.head = state.head.max(level);
                return;
            }
            ConsensusKind::Preattestation => (level, "preattestation"),
            // A block carries the attestations of the one before.
            ConsensusKind::Attestation => (level + 1, "attestation"),
            ConsensusKind::LegacyBlock | ConsensusKind::LegacyEndorsement => {
                panic!("{kind} is history")
            }
        };
        let operation = answers::operation(key, name, level, round);
        state.head = state.head.max(block);
        state
            .blocks
            .entry(block)
            .or_default()
            .operations
            .push(operation);
    }

    /// A consensus operation as it is, in the block of `level`.
    pub(crate) fn show_operation(&self, level: u32, operation: Value) {
        let mut state = self.state();
        state
            .blocks
            .entry(level)
            .or_default()
            .operations
            .push(operation);
    }

    /// The name of the block of a level.
    pub(crate) fn block_name(level: u32) -> String {
        answers::block_name(level)
    }

    /// What it was asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// The most requests that it had before it at one time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state().most_at_once
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, gate: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(converse(stream, Arc::clone(&state), gate.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(
    mut stream: TcpStream,
    state: Arc<Mutex<State>>,
    mut gate: watch::Receiver<bool>,
) {
    let mut head = Vec::new();
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let path = String::from_utf8_lossy(&head).into_owned();
        let path = path.split(' ').nth(1).unwrap().to_owned();
        begin(&path, &mut state.lock().unwrap());
        if path.ends_with("/operations/0") && gate.wait_for(|held| !held).await.is_err() {
            return;
        }
        let answer = answers::answer(&path, &state.lock().unwrap());
        let Some((status, body)) = answer else {
            std::future::pending::<()>().await;
            return;
        };
        state.lock().unwrap().at_once -= 1;
        let text = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn begin(path: &str, state: &mut State) {
    state.at_once += 1;
    state.most_at_once = state.most_at_once.max(state.at_once);
    state.asked.push(path.to_owned());
}
