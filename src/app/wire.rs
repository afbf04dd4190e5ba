//! Builds the proxy from its settings.

use std::sync::Arc;

use hyper::header::HeaderValue;
use tokio::sync::watch;

use crate::cache::{self, MetadataCache};
use crate::control::{Drains, restore_drains};
use crate::decision_log::{DecisionLog, NotedStore};
use crate::guard::{NodeHead, SigningGuard};
use crate::node::{self, Outlook};
use crate::proxy::{self, Clients, DueHalts, Flights, Lookups, Proxy, RefusalLog, Room, Turns};
use crate::server::Limits;
use crate::settings::{AuthMode, Settings};
use crate::signer::{Attempts, MetadataSink, Prober, Roster};
use crate::store::DirectoryLock;
use crate::task::Tasks;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::label;
use crate::tezos::PublicKey;
use crate::tls::Certificates;

use super::{StartError, credentials, store};

/// What is known from the chain about signatures above the floors; absent without `[node]`.
pub(super) type Evidence = Option<watch::Receiver<Outlook>>;

/// Opens the store, loads what earlier runs kept, and starts probing and looking at the chain.
pub(super) async fn proxy(
    settings: &Settings,
    lock: DirectoryLock,
    config_name: String,
    drains: &Drains,
    operations: &Tasks,
    tasks: &Tasks,
) -> Result<(Arc<Proxy>, Evidence), StartError> {
    let metrics = Arc::new(Metrics::new());
    let instance = instance()?;
    let credentials = credentials::load(settings)?;
    let (store, cache) = load(settings, lock, &metrics, tasks).await?;
    let cache = Arc::new(cache);
    cache.start(tasks);
    // After the store has the lock of the directory, which the log relies on too.
    let decisions = Arc::new(DecisionLog::start(&settings.state.directory, &metrics));
    let roster = Arc::new(Roster::new(&settings.signers, tasks, Arc::clone(&metrics)));
    remember(&roster, &cache, drains);
    let sink: Arc<dyn MetadataSink> = Arc::clone(&cache) as _;
    let prober = Arc::new(Prober::new(
        Arc::clone(&roster),
        sink,
        settings.probe,
        instance.clone(),
    ));
    prober.start(tasks);
    let store = store.watched_and_noted(&metrics, &decisions, tasks);
    let (node_head, evidence) = watch_node(settings, &config_name, &store, &metrics, tasks);
    let due_halts = Arc::new(DueHalts::new(Arc::<NotedStore>::clone(&store) as _));
    let lookout = Arc::<DueHalts>::clone(&due_halts) as _;
    let attempts = Attempts::new(
        Arc::clone(&roster),
        Arc::clone(&metrics),
        tasks.clone(),
        lookout,
    );
    let proxy = Arc::new(Proxy {
        guard: SigningGuard::new(
            store,
            settings.chains.clone(),
            settings.guard.level_gap,
            node_head,
        ),
        attempts: attempts.authenticating(credentials),
        roster,
        prober,
        cache,
        chains: settings.chains.clone(),
        vote_layouts: settings.guard.vote_layouts.clone(),
        keys: settings.keys.clone(),
        auth: settings.auth.clone(),
        deadline: settings.deadline,
        known_keys: settings.listen.known_keys,
        body_time: Limits::default().body,
        instance,
        config_name,
        metrics,
        operations: operations.clone(),
        flights: Flights::default(),
        lookups: Lookups::default(),
        room: Room::default(),
        two_bakers: settings.guard.two_bakers,
        forwarded_from: settings.listen.forwarded_from.clone(),
        clients: Clients::new(&settings.limits),
        refusals: RefusalLog::default(),
        due_halts,
        turns: Turns::default(),
        decisions,
    });
    let tripwire = proxy::watch_tripwire(Arc::clone(&proxy), tasks.clone());
    tasks.spawn("tripwire", tripwire);
    Ok((proxy, evidence))
}

/// Opens the store and reads the metadata that earlier runs kept.
async fn load(
    settings: &Settings,
    lock: DirectoryLock,
    metrics: &Arc<Metrics>,
    tasks: &Tasks,
) -> Result<(store::Opened, MetadataCache), StartError> {
    let (settings, metrics, tasks) = (settings.clone(), Arc::clone(metrics), tasks.clone());
    let load = move || {
        let store = store::open(&settings, lock, metrics, &tasks);
        (store, load_cache(&settings))
    };
    let loaded = tokio::task::spawn_blocking(load).await;
    let (store, cache) = loaded.map_err(|error| StartError::System(error.to_string()))?;
    Ok((store?, cache))
}

/// What signers said of authentication before this start, and which of them are drained.
fn remember(roster: &Roster, cache: &MetadataCache, drains: &Drains) {
    for signer in roster.signers() {
        if let Some(demands) = cache.demands(signer.name()) {
            roster.spoken(signer, demands);
        }
    }
    restore_drains(roster, drains);
}

/// The head of the node and what its chain shows; without `[node]` neither is ever known.
fn watch_node(
    settings: &Settings,
    config_name: &str,
    store: &Arc<NotedStore>,
    metrics: &Arc<Metrics>,
    tasks: &Tasks,
) -> (watch::Receiver<Option<NodeHead>>, Evidence) {
    let (head, node_head) = watch::channel(None);
    let evidence = settings.node.as_ref().map(|node| {
        node::watch_head(node, tasks, head);
        node::watch_evidence(
            node,
            &node::Terms {
                chains: &settings.chains,
                config_name,
                level_gap: settings.guard.level_gap,
            },
            Arc::<NotedStore>::clone(store) as _,
            node_head.clone(),
            Arc::clone(metrics),
            tasks,
        )
    });
    (node_head, evidence)
}

/// Keeps certificates as they are on the disk, and their ends in the metrics.
pub(super) fn watch_certificates(
    certificates: Certificates,
    metrics: &Arc<Metrics>,
    tasks: &Tasks,
) {
    let metrics = Arc::clone(metrics);
    let watched = certificates.watch(
        crate::time::now,
        move |views| {
            for view in views {
                let labels = label::Certificate {
                    certificate: view.what.clone(),
                };
                if let Some(not_after) = view.not_after {
                    let ends = metrics.certificate_expiry.get_or_create(&labels);
                    ends.set(not_after);
                }
            }
        },
        tasks.shutdown(),
    );
    tasks.spawn("certificates", watched);
}

fn load_cache(settings: &Settings) -> MetadataCache {
    let mut by_priority: Vec<_> = settings.signers.iter().collect();
    by_priority.sort_by_key(|signer| signer.priority);
    MetadataCache::load(cache::Settings {
        file: settings.state.directory.join("metadata.json"),
        keys: settings.keys.iter().map(|key| key.hash).collect(),
        pinned: settings
            .keys
            .iter()
            .filter_map(|key| key.public_key.clone())
            .collect(),
        signers: by_priority
            .into_iter()
            .map(|signer| signer.name.clone())
            .collect(),
        bakers: settings
            .auth
            .authorized_keys
            .iter()
            .map(PublicKey::hash)
            .collect(),
        own: settings.auth.mode == AuthMode::Own,
    })
}

/// A random name of this process, for seeing our own probes.
fn instance() -> Result<HeaderValue, StartError> {
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes).map_err(|error| StartError::System(error.to_string()))?;
    HeaderValue::from_str(&hex::encode(bytes))
        .map_err(|error| StartError::System(error.to_string()))
}
