//! The wiring: the only module that knows every other. Start order and drain order are here.

mod credentials;
mod doors;
mod files;
mod material;
mod store;
mod wire;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::admin::Admin;
use crate::config::Loaded;
use crate::control::{self, Drains};
use crate::server::Bound;
use crate::settings::Settings;
use crate::store::{DirectoryLock, LockError};
use crate::task::Tasks;

use doors::Doors;
pub use material::check as check_material;
pub use store::{open_doubted_etcd, open_etcd};

/// Why the proxy did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address or socket.
        address: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The state directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A certificate or key of ours cannot be used.
    #[error("{key}: {reason}")]
    Material {
        /// The key of the configuration.
        key: String,
        /// What is wrong, and the remedy.
        reason: String,
    },
    /// Signals, randomness or threads are not to be had.
    #[error("cannot start: {0}")]
    System(String),
}

/// How a proxy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything that had arrived was finished.
    Drained,
    /// A second signal came first: requests that were held are cut.
    Cut,
}

/// A started proxy.
#[derive(Debug)]
pub struct App {
    /// Address of the baker's port.
    pub listen: String,
    /// Address of the admin port.
    pub admin_listen: Option<String>,
    admin: Arc<Admin>,
    edge_tasks: Tasks,
    operations: Tasks,
    tasks: Tasks,
    served: Vec<tokio::task::JoinHandle<()>>,
    admin_served: tokio_util::sync::CancellationToken,
}

impl App {
    /// Starts the proxy: lock the state, bind, load, then serve. Connections that come before the last
    /// step wait in the listener. `config_name` is the configuration as the operator names it.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(loaded: Loaded, config_name: String) -> Result<Self, StartError> {
        let Loaded {
            settings,
            warnings,
            effective: _,
        } = loaded;
        let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        for warning in &warnings {
            tracing::warn!(finding = %warning, "configuration warning");
        }
        files::take_all(&settings);
        let lock = DirectoryLock::acquire(&settings.state.directory)?;
        let doors = Doors::bind(&settings).await?;
        let control = control::bind(&settings.admin.socket)
            .await
            .map_err(|source| StartError::Bind {
                address: settings.admin.socket.display().to_string(),
                source,
            })?;
        // Three sets: at a drain the edge ends first, then signatures whose bakers hung up, and what they
        // need lives on until then.
        let (edge_tasks, operations, tasks) = (Tasks::new(), Tasks::new(), Tasks::new());
        let drains = Drains {
            file: settings.state.directory.join("drains.json"),
        };
        let (proxy, evidence) =
            wire::proxy(&settings, lock, config_name, &drains, &operations, &tasks).await?;
        let certificates = doors.certificates(&proxy.roster);
        wire::watch_certificates(certificates.clone(), &proxy.metrics, &tasks);
        let admin = Arc::new(Admin::new(
            Arc::clone(&proxy),
            settings.config_hash.clone(),
            warnings,
            evidence,
            certificates,
        ));
        let (listen, admin_listen) = (
            doors.http.local_addr(),
            doors.admin.as_ref().map(Bound::local_addr),
        );
        let others = doors.others();
        let admin_served = tokio_util::sync::CancellationToken::new();
        let served = doors.serve(&settings, &admin, &edge_tasks, &tasks, &admin_served);
        tasks.spawn(
            "control socket",
            control::serve(control, proxy, drains, tasks.clone()),
        );
        admin.bound.store(true, Ordering::Release);
        log_started(&settings, &listen, &others, admin_listen.as_deref(), &admin);
        Ok(Self {
            listen,
            admin_listen,
            admin,
            edge_tasks,
            operations,
            tasks,
            served,
            admin_served,
        })
    }

    /// Serves until SIGTERM or SIGINT, then drains: stops accepting, finishes what has arrived until its
    /// deadline, ends. A second signal ends at once and cuts what is held.
    ///
    /// # Errors
    /// Signals cannot be had.
    pub async fn run(self) -> Result<Ended, StartError> {
        let listen = |kind| signal(kind).map_err(|error| StartError::System(error.to_string()));
        let mut terminate = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        either(&mut terminate, &mut interrupt).await;
        tokio::select! {
            () = self.drain() => Ok(Ended::Drained),
            () = either(&mut terminate, &mut interrupt) => {
                tracing::warn!("second signal, ending at once");
                Ok(Ended::Cut)
            }
        }
    }

    /// Drains and returns when everything has ended.
    pub async fn drain(self) {
        tracing::info!("drain started");
        self.admin.draining.store(true, Ordering::Release);
        self.edge_tasks.begin_shutdown();
        for served in self.served {
            if let Err(error) = served.await {
                tracing::error!(%error, "a baker's door ended badly");
            }
        }
        self.edge_tasks.finished().await;
        self.operations.finished().await;
        self.admin_served.cancel();
        self.tasks.begin_shutdown();
        self.tasks.finished().await;
        self.admin.proxy.decisions.close().await;
        tracing::info!("drain finished");
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

fn log_started(
    settings: &Settings,
    listen: &str,
    others: &[String],
    admin: Option<&str>,
    state: &Admin,
) {
    let store = state.proxy.guard.report();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config_hash = settings.config_hash,
        listen,
        doors = others.join(" "),
        admin,
        state = %settings.state.directory.display(),
        store = %store.condition,
        lineage = store.lineage,
        "started"
    );
    if let Some(reason) = store.reason {
        tracing::warn!(reason, "store not ready");
    }
}
