//! Every task of the process is started here: tracked, named, and told when the process drains.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// Starts tasks and ends them. Cheap to clone; all clones share one tracker and one token.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

impl Tasks {
    /// An empty set of tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts `future` as a tracked task inside a span called `task` that carries `name`.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker
            .spawn(future.instrument(tracing::debug_span!("task", name)))
    }

    /// Cancelled when the process begins to drain.
    #[must_use]
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Tells every task to come to its end.
    pub fn begin_shutdown(&self) {
        self.shutdown.cancel();
    }

    /// Returns when every task has ended; call [`Self::begin_shutdown`] first. Cancel-safe.
    pub async fn finished(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}
