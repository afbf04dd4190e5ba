//! The store that the configuration names, looked after by tasks of its own.

use std::sync::Arc;
use std::time::Duration;

use crate::decision_log::{DecisionLog, NotedStore};
use crate::etcd::{EtcdStore, Terms};
use crate::guard::WatermarkStore;
use crate::settings::{EtcdSettings, Settings, Store};
use crate::store::{self, DirectoryLock, EmbeddedStore, Trust, Vitals};
use crate::task::Tasks;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::label;

use super::StartError;

/// The longest deadline of a consensus request where none is configured.
const LONGEST_DEADLINE: Duration = Duration::from_secs(30);
/// What is still asked of a store that does not answer, after the last deadline.
const AFTER_DEADLINE: Duration = Duration::from_secs(3);

/// A store that nobody looks after yet.
pub(super) enum Opened {
    Embedded(Arc<EmbeddedStore>),
    Etcd(Arc<EtcdStore>),
}

/// Opens the store. Blocking.
pub(super) fn open(
    settings: &Settings,
    lock: DirectoryLock,
    metrics: Arc<Metrics>,
    tasks: &Tasks,
) -> Result<Opened, StartError> {
    match &settings.store {
        Store::Embedded => {
            let trust = Trust {
                lineage: settings.state.lineage.clone(),
                witness: settings.state.witness.clone(),
            };
            let took = commits("embedded", metrics);
            let store = EmbeddedStore::open_trusting(lock, trust, took);
            Ok(Opened::Embedded(Arc::new(store)))
        }
        Store::Etcd(etcd) => open_etcd(settings, etcd, lock, tasks)
            .map(|store| Opened::Etcd(Arc::new(store)))
            .map_err(|reason| StartError::Material {
                key: "store".to_owned(),
                reason,
            }),
    }
}

/// Opens the store in etcd; nothing is read yet.
///
/// # Errors
/// In words: the password or the witness cannot be read.
pub fn open_etcd(
    settings: &Settings,
    etcd: &EtcdSettings,
    lock: DirectoryLock,
    tasks: &Tasks,
) -> Result<EtcdStore, String> {
    EtcdStore::new(terms(settings, etcd, lock), tasks)
}

/// The same for an operator who goes on with a store that is not believed.
///
/// # Errors
/// As [`open_etcd`].
pub fn open_doubted_etcd(
    settings: &Settings,
    etcd: &EtcdSettings,
    lock: DirectoryLock,
    tasks: &Tasks,
) -> Result<EtcdStore, String> {
    EtcdStore::doubting_nothing(terms(settings, etcd, lock), tasks)
}

fn terms<'a>(settings: &Settings, etcd: &'a EtcdSettings, lock: DirectoryLock) -> Terms<'a> {
    let deadline = settings.deadline.consensus.unwrap_or(LONGEST_DEADLINE);
    Terms {
        settings: etcd,
        lineage: settings.state.lineage.clone(),
        lock,
        patience: deadline.saturating_add(AFTER_DEADLINE),
    }
}

impl Opened {
    /// The store for the guard: it is looked after, and every change of it is in the decision log.
    pub(super) fn watched_and_noted(
        self,
        metrics: &Arc<Metrics>,
        decisions: &Arc<DecisionLog>,
        tasks: &Tasks,
    ) -> Arc<NotedStore> {
        let store: Arc<dyn WatermarkStore> = match self {
            Self::Embedded(store) => {
                let report = report_vitals(Arc::clone(metrics));
                let watched = store::watch(Arc::clone(&store), report, tasks.shutdown());
                tasks.spawn("store watch", watched);
                store
            }
            Self::Etcd(store) => {
                let took = commits("etcd", Arc::clone(metrics));
                let kept = Arc::clone(&store).keep(took, tasks.shutdown());
                tasks.spawn("etcd", kept);
                store
            }
        };
        let decisions = Arc::clone(decisions);
        Arc::new(NotedStore::new(store, tasks, move |changes| {
            for change in changes {
                decisions.note(change);
            }
        }))
    }
}

/// Takes in how long commits take, in seconds.
fn commits(store: &str, metrics: Arc<Metrics>) -> impl Fn(f64) + Send + Sync + 'static {
    let labels = label::Store {
        store: store.to_owned(),
    };
    move |seconds| {
        metrics
            .store_commit_duration
            .get_or_create(&labels)
            .observe(seconds);
    }
}

fn report_vitals(metrics: Arc<Metrics>) -> impl Fn(Vitals) + Send {
    move |vitals| {
        if let Some(free) = vitals.free {
            metrics
                .state_free_bytes
                .set(i64::try_from(free).unwrap_or(i64::MAX));
        }
        if let Some(follows) = vitals.witness {
            metrics.witness_up.set(i64::from(follows));
        }
    }
}
