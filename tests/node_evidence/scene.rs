//! A store with keys, a node, and the one who compares them; the test reads the node's head for it.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use signer_proxy::guard::{
    Account, Answer, Candidate, Change, NodeHead, Raise, Slot, Stream, WatermarkStore,
};
use signer_proxy::node::{Outlook, Terms, Verdict, watch_evidence};
use signer_proxy::settings::{Chain, Node as Settings};
use signer_proxy::store::{DirectoryLock, EmbeddedStore};
use signer_proxy::task::Tasks;
use signer_proxy::telemetry::Metrics;
use signer_proxy::tezos::{
    ChainId, ConsensusKind, Curve, Level, Position, PublicKeyHash, Round, Scheme, SecretKey, digest,
};
use tokio::sync::watch;

use super::node::Node;
use super::wait;

pub(crate) const CHAIN: ChainId = ChainId::MAINNET;
pub(crate) const FOREIGN: &str = "NetXxkAx4woPLyu";
/// The watermark of every key.
pub(crate) const FLOOR: u32 = 1_000;

pub(crate) fn key(curve: Curve, nth: u8) -> PublicKeyHash {
    SecretKey::from_seed(curve, &[nth; 32])
        .unwrap()
        .public_key()
        .hash()
}

pub(crate) fn level(number: u32) -> Level {
    Level::new(number).unwrap()
}

pub(crate) fn at(number: u32, round: u32) -> Position {
    Position::new(level(number), Round::new(round).unwrap())
}

pub(crate) fn account(key: PublicKeyHash) -> Account {
    Account { chain: CHAIN, key }
}

pub(crate) fn open(folder: &Path) -> EmbeddedStore {
    let lock = DirectoryLock::acquire(folder).unwrap();
    EmbeddedStore::open(lock, None, |_| {})
}

/// A store with keys, a node, and the one who compares them.
pub(crate) struct Scene {
    pub(crate) node: Node,
    pub(crate) store: Arc<EmbeddedStore>,
    pub(crate) head: watch::Sender<Option<NodeHead>>,
    pub(crate) outlook: watch::Receiver<Outlook>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: Tasks,
    pub(crate) folder: tempfile::TempDir,
}

impl Scene {
    /// Keys with a watermark at [`FLOOR`], and a chain of strangers up to `head`.
    pub(crate) async fn new(keys: &[PublicKeyHash], chain_head: u32) -> Self {
        Self::judged_by(keys, chain_head, |store| store).await
    }

    /// The same, where the one who compares sees the store by another.
    pub(crate) async fn judged_by<S: WatermarkStore + 'static>(
        keys: &[PublicKeyHash],
        chain_head: u32,
        seen: impl FnOnce(Arc<EmbeddedStore>) -> Arc<S>,
    ) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let store = Arc::new(open(folder.path()));
        let node = Node::start(CHAIN, chain_head).await;
        let (tasks, (head, told)) = (Tasks::new(), watch::channel(None));
        let metrics = Arc::new(Metrics::new());
        let settings = Settings {
            url: signer_proxy::config::http_url(&node.url()).unwrap(),
        };
        let chain = Chain {
            id: CHAIN,
            block_time: std::time::Duration::from_secs(6),
            round_increment: std::time::Duration::from_secs(3),
        };
        let outlook = watch_evidence(
            &settings,
            &Terms {
                chains: &[chain],
                config_name: "proxy.toml",
                level_gap: 1_000,
            },
            seen(Arc::clone(&store)) as _,
            told,
            Arc::clone(&metrics),
            &tasks,
        );
        let scene = Self {
            node,
            store,
            head,
            outlook,
            metrics,
            tasks,
            folder,
        };
        for key in keys {
            for kind in ConsensusKind::ALL {
                scene
                    .raise(*key, kind, Position::end_of_level(level(FLOOR)))
                    .await;
            }
        }
        scene
    }

    pub(crate) async fn raise(&self, key: PublicKeyHash, kind: ConsensusKind, floor: Position) {
        let stream = Stream {
            chain: CHAIN,
            key,
            kind,
        };
        self.amend(Change::Raise(Raise { stream, floor })).await;
    }

    pub(crate) async fn amend(&self, change: Change) {
        self.store
            .amend(vec![change], Timestamp::now())
            .await
            .unwrap();
    }

    /// What the proxy does before it signs.
    pub(crate) async fn claim(&self, key: PublicKeyHash, kind: ConsensusKind, position: Position) {
        let _granted: bool = self.is_granted(key, kind, position).await;
    }

    /// Whether a claim is granted.
    pub(crate) async fn is_granted(
        &self,
        key: PublicKeyHash,
        kind: ConsensusKind,
        position: Position,
    ) -> bool {
        let stream = Stream {
            chain: CHAIN,
            key,
            kind,
        };
        let candidate = Candidate {
            slot: Slot { stream, position },
            digest: digest(b"ours"),
            scheme: Scheme::Standard,
        };
        let answer = self.store.claim(candidate, Timestamp::now()).await;
        matches!(answer.unwrap(), Answer::Permit)
    }

    /// The head is read, and what comes of it.
    pub(crate) async fn read_head(&mut self, head: u32) -> Verdict {
        self.outlook.mark_unchanged();
        self.head.send_replace(Some((CHAIN, level(head))));
        self.told().await;
        self.outlook.borrow().verdict.clone()
    }

    /// Something new is known; nothing that works takes as long as this waits.
    pub(crate) async fn told(&mut self) {
        let told = tokio::time::timeout(wait::PATIENCE, self.outlook.changed()).await;
        told.expect("nothing came of it").unwrap();
    }

    /// The head is read, and what was looked at must be all there is.
    pub(crate) async fn check(&mut self, head: u32, lowest: u32) {
        let (head, lowest) = (level(head), level(lowest));
        let verdict = self.read_head(head.get()).await;
        assert_eq!(verdict, Verdict::Checked { head, lowest });
    }

    /// The head is read, and the sentence that says why that was not enough.
    pub(crate) async fn not_checked(&mut self, head: u32) -> String {
        match self.read_head(head).await {
            Verdict::NotChecked(cause) => cause,
            other @ (Verdict::Waiting | Verdict::Checked { .. }) => panic!("{other:?}"),
        }
    }

    /// The node goes over to another chain, which is as good as gone, and that was noticed.
    pub(crate) async fn leave(&mut self) {
        let foreign: ChainId = FOREIGN.parse().unwrap();
        self.outlook.mark_unchanged();
        self.head.send_replace(Some((foreign, level(1))));
        self.told().await;
    }

    /// Where the watermark of `key` for `kind` stands.
    pub(crate) fn floor(&self, key: PublicKeyHash, kind: ConsensusKind) -> Position {
        let streams = self.store.streams();
        let is_it = |stream: Stream| stream.key == key && stream.kind == kind;
        let report = streams.iter().find(|report| is_it(report.stream));
        report.unwrap().floor
    }

    /// How many keys were halted, as the metrics have it.
    pub(crate) fn count_halts(&self) -> u64 {
        self.metrics.evidence_halts.get()
    }

    pub(crate) fn halt(&self, key: PublicKeyHash) -> Option<String> {
        self.store
            .account(account(key))
            .halt
            .map(|halt| halt.reason)
    }

    pub(crate) fn count_asked(&self, part: &str) -> usize {
        let asked = self.node.asked();
        asked.iter().filter(|path| path.contains(part)).count()
    }
}
