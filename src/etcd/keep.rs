//! The task that keeps this replica's knowledge new: it looks every second, and at everything now and then.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::EtcdStore;

/// Between two looks at what is new.
const PERIOD: Duration = Duration::from_secs(1);
/// Everything is read at every so many looks: that shows what is gone.
const WHOLE_EVERY: u32 = 30;

impl EtcdStore {
    /// Reads everything, then what is new, until `shutdown`; writes the witness. `report` gets the longest transaction
    /// in seconds after each look.
    pub async fn keep(self: Arc<Self>, report: impl Fn(f64) + Send, shutdown: CancellationToken) {
        tokio::select! {
            () = self.look(report, shutdown) => {}
            () = self.watch_leaders() => {}
        }
    }

    async fn look(self: &Arc<Self>, report: impl Fn(f64) + Send, shutdown: CancellationToken) {
        let mut looks = interval(PERIOD);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut nth = 0_u32;
        let mut was_down = false;
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _ = looks.tick() => {}
            }
            if self.state().doubt.is_some() {
                self.keep_witness().await;
                continue;
            }
            let is_whole = self.is_behind() || nth.is_multiple_of(WHOLE_EVERY);
            nth = nth.wrapping_add(1);
            let looked = if is_whole {
                self.read_all().await
            } else {
                self.read_news().await
            };
            match &looked {
                Err(error) if !was_down => tracing::warn!(%error, "etcd is not to be reached"),
                Ok(()) if was_down => tracing::info!("etcd answers again"),
                Ok(()) | Err(_) => {}
            }
            was_down = looked.is_err();
            report(std::mem::take(&mut self.state().slowest).as_secs_f64());
            self.keep_witness().await;
        }
        self.keep_witness().await;
    }

    /// Writes what the witness lacks, and tells if that fails.
    pub(super) async fn keep_witness(&self) {
        let witness = Arc::clone(&self.witness);
        let written = tokio::task::spawn_blocking(move || witness.write()).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "the witness of the store in etcd cannot be written");
        }
    }
}
