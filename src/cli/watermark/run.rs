//! A command on watermarks: asked of the running proxy, or done on the store if none runs.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use crate::app::{open_doubted_etcd, open_etcd};
use crate::cli::{Failure, Outcome, code, complain, print};
use crate::control::{self, AskError, Command, Reply};
use crate::decision_log::{self, Entry, NotedStore};
use crate::etcd::EtcdStore;
use crate::guard::{Account, WatermarkStore};
use crate::settings::{EtcdSettings, Settings, Store};
use crate::store::{DirectoryLock, EmbeddedStore, LockError, Trust};
use crate::task::Tasks;

/// Asks the running proxy, or does it on the store if none runs.
pub(super) async fn execute(settings: &Settings, command: Command) -> Result<Reply, Failure> {
    match control::ask(&settings.admin.socket, &command).await {
        Ok(reply) => return Ok(reply),
        Err(AskError::NotRunning) => {}
        Err(error @ AskError::Broken(_)) => return Err(Failure::new(code::IO, error)),
    }
    let directory = &settings.state.directory;
    if may_create(&command) && !directory.exists() {
        let pinned = trust(settings).allows_a_new_store(directory);
        pinned.map_err(|reason| Failure::new(code::PROBLEM, reason))?;
        std::fs::create_dir_all(directory).map_err(|error| {
            Failure::new(
                code::IO,
                format!("cannot create {}: {error}", directory.display()),
            )
        })?;
    }
    let lock = lock(settings)?;
    match &settings.store {
        Store::Embedded => {
            let trust = trust(settings);
            let store = if changes_something(&command) {
                EmbeddedStore::open_trusting(lock, trust, |_| {})
            } else {
                EmbeddedStore::open_to_look(lock, trust)
            };
            execute_on(settings, command, Arc::new(store)).await
        }
        Store::Etcd(etcd) => execute_on_etcd(settings, etcd, command, lock).await,
    }
}

async fn execute_on_etcd(
    settings: &Settings,
    etcd: &EtcdSettings,
    command: Command,
    lock: DirectoryLock,
) -> Result<Reply, Failure> {
    let tasks = Tasks::new();
    let unusable = |reason: String| Failure::new(code::CONFIG, reason);
    let store = Arc::new(open_etcd(settings, etcd, lock, &tasks).map_err(unusable)?);
    let failed = |error| Failure::new(code::IO, error);
    let Err(error) = store.connect().await else {
        let reply = execute_on(settings, command, Arc::<EtcdStore>::clone(&store) as _).await;
        note_seen(settings, &store)?;
        return reply;
    };
    // A doubt that may not show any more at the next look.
    note_seen(settings, &store)?;
    if !matches!(command, Command::WatermarkShow) {
        return Err(failed(error));
    }
    // Whoever is to accept or reset it needs to see it.
    complain(&format!("warning: {error}"))?;
    drop(store);
    let lock = self::lock(settings)?;
    let store = open_doubted_etcd(settings, etcd, lock, &tasks).map_err(unusable)?;
    store.connect().await.map_err(failed)?;
    execute_on(settings, command, Arc::new(store)).await
}

/// Writes the witness. If that fails, what was done or found has to be told all the same.
fn note_seen(settings: &Settings, store: &EtcdStore) -> Outcome {
    if let Err(error) = store.write_witness() {
        let directory = settings.state.directory.display();
        complain(&format!(
            "warning: the witness in {directory} cannot be written: {error}"
        ))?;
    }
    Ok(())
}

/// Puts a witness of the store as it is now in place of the one before, which is kept.
pub(super) fn keep_witness(store: &EtcdStore, now: Timestamp) -> Outcome {
    let kept = store.replace_witness(now).map_err(|error| {
        let message = format!(
            "{error}: the witness cannot be written; the store itself is changed. Make space in the state directory, move \
             etcd-witness.json there away, and this replica believes what it finds"
        );
        Failure::new(code::IO, message)
    })?;
    match kept {
        Some(copy) => print(&format!(
            "the witness before is kept as {}\n",
            copy.display()
        )),
        None => Ok(()),
    }
}

/// Does it on a store, which holds the lock of the directory.
async fn execute_on(
    settings: &Settings,
    command: Command,
    store: Arc<dyn WatermarkStore>,
) -> Result<Reply, Failure> {
    let directory = settings.state.directory.clone();
    let store = NotedStore::new(store, &Tasks::new(), move |changes| {
        note(&directory, changes);
    });
    Ok(match command {
        Command::WatermarkInit { key, chain, level } => {
            control::init_watermark(&store, key, chain, level).await
        }
        Command::WatermarkShow => Reply::Watermarks(control::show_watermarks(&store)),
        Command::WatermarkExport { seal } => control::export_watermarks(&store, seal).await,
        Command::WatermarkImport {
            source,
            request,
            dry_run,
        } => control::import_watermarks(&store, &source, &request, dry_run).await,
        Command::WatermarkStopAt { key, chain, level } => {
            control::stop_key(&store, Account { chain, key }, level).await
        }
        Command::WatermarkResume { key, chain, level } => {
            control::resume_key(&store, Account { chain, key }, level).await
        }
        Command::Drain { .. } | Command::Undrain { .. } => {
            return Err(Failure::new(code::PROBLEM, "no proxy is running"));
        }
    })
}

/// Writes `changes`, which are done, to the decision log; the caller holds the lock of the directory. The
/// log is evidence: that it cannot be written is said and changes nothing.
pub(super) fn note(directory: &Path, changes: Vec<Entry>) {
    if let Err(error) = decision_log::append(directory, changes) {
        let warning = format!("warning: done, and not in the decision log: {error}");
        // Nowhere is left to complain if this fails.
        drop(complain(&warning));
    }
}

/// Locks the state directory against every other process.
pub(super) fn lock(settings: &Settings) -> Result<DirectoryLock, Failure> {
    DirectoryLock::acquire(&settings.state.directory).map_err(|error| {
        let code = match &error {
            LockError::Held { .. } => code::LOCKED,
            LockError::Failed { .. } | LockError::Missing { .. } => code::IO,
        };
        Failure::new(code, error)
    })
}

/// What has to vouch for the store.
pub(super) fn trust(settings: &Settings) -> Trust {
    Trust {
        lineage: settings.state.lineage.clone(),
        witness: settings.state.witness.clone(),
    }
}

/// Whether the command changes the store, so that its witness has to follow.
fn changes_something(command: &Command) -> bool {
    match command {
        Command::WatermarkInit { .. }
        | Command::WatermarkImport { dry_run: false, .. }
        | Command::WatermarkExport { seal: true }
        | Command::WatermarkResume { .. }
        | Command::WatermarkStopAt { .. } => true,
        Command::Drain { .. }
        | Command::Undrain { .. }
        | Command::WatermarkExport { seal: false }
        | Command::WatermarkImport { dry_run: true, .. }
        | Command::WatermarkShow => false,
    }
}

/// Whether the command is an act of first use, which makes the state directory.
fn may_create(command: &Command) -> bool {
    match command {
        Command::WatermarkInit { .. } | Command::WatermarkImport { dry_run: false, .. } => true,
        Command::Drain { .. }
        | Command::Undrain { .. }
        | Command::WatermarkExport { .. }
        | Command::WatermarkImport { dry_run: true, .. }
        | Command::WatermarkResume { .. }
        | Command::WatermarkShow
        | Command::WatermarkStopAt { .. } => false,
    }
}
