//! Tables of the baker's port: what may be signed, who may ask, and what each failure looks like.

mod authentication;
mod decisions;
mod halts;
mod late;
mod lookups;
mod overload;
mod policies;
mod responses;
mod stubborn;

use crate::cache::Settings as CacheSettings;
use crate::guard::WatermarkStore;
use crate::settings::{Allow, Probe};
use crate::store::{DirectoryLock, EmbeddedStore};
use crate::tezos::{ChainId, ConsensusKind, PublicKeyHash};

use super::*;

/// A proxy without signers, over an absent store, and the folder that it lives in.
fn proxy(keys: Vec<Key>, bakers: Vec<crate::tezos::PublicKey>) -> (tempfile::TempDir, Proxy) {
    proxy_over(&[], keys, bakers)
}

/// The same over some signers, which are not probed.
fn proxy_over(
    signers: &[crate::settings::Signer],
    keys: Vec<Key>,
    bakers: Vec<crate::tezos::PublicKey>,
) -> (tempfile::TempDir, Proxy) {
    let folder = crate::fixture::folder();
    let lock = DirectoryLock::acquire(folder.path()).unwrap();
    let store = Arc::new(EmbeddedStore::open(lock, None, |_| ()));
    let proxy = proxy_with(store, folder.path(), signers, keys, bakers);
    (folder, proxy)
}

/// The same over any store.
fn proxy_with(
    store: Arc<dyn WatermarkStore>,
    folder: &std::path::Path,
    signers: &[crate::settings::Signer],
    keys: Vec<Key>,
    bakers: Vec<crate::tezos::PublicKey>,
) -> Proxy {
    let (tasks, metrics) = (Tasks::new(), Arc::new(Metrics::new()));
    let chains = vec![mainnet()];
    let due_halts = Arc::new(DueHalts::new(Arc::clone(&store)));
    let lookout = Arc::<DueHalts>::clone(&due_halts) as _;
    let (_, node) = tokio::sync::watch::channel(None);
    let roster = Arc::new(Roster::new(signers, &tasks, Arc::clone(&metrics)));
    let cache = Arc::new(MetadataCache::load(CacheSettings {
        file: folder.join("metadata.json"),
        keys: Vec::new(),
        pinned: keys
            .iter()
            .filter_map(|key| key.public_key.clone())
            .collect(),
        signers: vec!["home-a".to_owned()],
        bakers: Vec::new(),
        own: false,
    }));
    let instance = HeaderValue::from_static("test");
    let probe = Probe {
        period: Duration::from_millis(500),
        timeout: Duration::from_millis(400),
    };
    let sink: Arc<MetadataCache> = Arc::clone(&cache);
    Proxy {
        guard: SigningGuard::new(store, chains.clone(), 1_000, node),
        attempts: Attempts::new(
            Arc::clone(&roster),
            Arc::clone(&metrics),
            Tasks::new(),
            lookout,
        ),
        prober: Arc::new(Prober::new(
            Arc::clone(&roster),
            sink,
            probe,
            instance.clone(),
        )),
        roster,
        cache,
        chains,
        vote_layouts: Vec::new(),
        keys,
        auth: Auth {
            mode: crate::settings::AuthMode::PassThrough,
            signing_key_file: None,
            authorized_keys: bakers,
        },
        deadline: Deadline {
            consensus: None,
            other: Duration::from_secs(17),
        },
        known_keys: false,
        body_time: Duration::from_secs(5),
        instance,
        config_name: "proxy.toml".to_owned(),
        metrics,
        operations: tasks,
        flights: Flights::default(),
        lookups: Lookups::default(),
        room: Room::default(),
        two_bakers: false,
        forwarded_from: Vec::new(),
        clients: Clients::new(&wide()),
        refusals: RefusalLog::default(),
        due_halts,
        turns: Turns::default(),
        decisions: Arc::new(DecisionLog::kept()),
    }
}

fn wide() -> crate::settings::Limits {
    crate::settings::Limits {
        client_concurrency: 512,
        client_rate: None,
        client_burst: std::num::NonZeroU32::MIN,
    }
}

fn mainnet() -> Chain {
    Chain {
        id: ChainId::MAINNET,
        block_time: Duration::from_secs(6),
        round_increment: Duration::from_secs(3),
    }
}

/// A policy for `hash`.
fn policy_of(
    hash: PublicKeyHash,
    consensus: &[ConsensusKind],
    generic: bool,
    michelson: bool,
) -> Key {
    Key {
        hash,
        public_key: None,
        allow: Allow {
            consensus: consensus.to_vec(),
            generic,
            michelson,
        },
        deterministic: true,
        clients: None,
    }
}
