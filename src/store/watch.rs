//! Sees trouble of the disk before it costs a signature: space that runs out, commits that stall.
//!
//! Looks twice a second, says each change once, and lets the store come back from a full disk. Decides
//! nothing about signing.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::embedded::EmbeddedStore;

/// How often the store is looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// Less free space than this is said: enough for weeks of logs, and for a copy of the store.
const LOW: u64 = 64 << 20;
/// More than this again is well: the event does not flutter.
const ENOUGH: u64 = 80 << 20;
/// A commit that takes longer is said: it eats a noticeable part of a round.
const SLOW: Duration = Duration::from_millis(500);
/// So many looks without a slow commit are well.
const CALM_LOOKS: u32 = 60;

/// What is seen at one look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Free space for this user on the volume of the state directory, in bytes; `None` if it cannot be asked.
    pub free: Option<u64>,
    /// The longest commit since the last look, or the one that is still under way.
    pub slowest: Duration,
    /// Whether the witness follows; `None` without one.
    pub witness: Option<bool>,
}

/// What was said last.
#[derive(Debug, Default)]
struct Said {
    low: bool,
    slow: bool,
    calm: u32,
}

/// Watches `store` until `shutdown`; `report` gets what is seen at each look.
pub async fn watch(
    store: Arc<EmbeddedStore>,
    report: impl Fn(Vitals) + Send,
    shutdown: CancellationToken,
) {
    let mut said = Said::default();
    loop {
        let look = {
            let store = Arc::clone(&store);
            // Asking a stalled volume can take as long as the stall.
            tokio::task::spawn_blocking(move || {
                store.try_recover();
                store.vitals()
            })
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            vitals = look => if let Ok(vitals) = vitals {
                said.note(vitals);
                report(vitals);
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

impl Said {
    fn note(&mut self, Vitals { free, slowest, .. }: Vitals) {
        match free {
            Some(free) if free < LOW && !self.low => {
                self.low = true;
                tracing::warn!(
                    free_bytes = free,
                    "space for the state directory runs out; without space nothing is signed"
                );
            }
            Some(free) if free > ENOUGH && self.low => {
                self.low = false;
                tracing::info!(
                    free_bytes = free,
                    "space for the state directory is enough again"
                );
            }
            Some(_) | None => {}
        }
        if slowest >= SLOW {
            self.calm = 0;
            if !self.slow {
                self.slow = true;
                tracing::warn!(
                    seconds = slowest.as_secs_f64(),
                    "the disk of the state directory is slow; each signature waits for it twice"
                );
            }
        } else if self.slow {
            self.calm = self.calm.saturating_add(1);
            if self.calm >= CALM_LOOKS {
                *self = Self {
                    low: self.low,
                    ..Self::default()
                };
                tracing::info!("the disk of the state directory is fast again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::logged;

    use super::*;

    fn seen(free: u64, millis: u64) -> Vitals {
        Vitals {
            free: Some(free),
            slowest: Duration::from_millis(millis),
            witness: None,
        }
    }

    #[test]
    fn space_that_runs_out_is_said_once_and_once_when_it_is_enough_again() {
        let mut said = Said::default();
        let lines = logged(|| {
            for free in [LOW, LOW - 1, LOW - 2, LOW + 1, LOW - 1, ENOUGH, ENOUGH + 1] {
                said.note(seen(free, 0));
            }
            said.note(Vitals::default());
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("WARN space for the state directory runs out"));
        assert!(
            lines[0].ends_with(&format!("free_bytes={}", LOW - 1)),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("INFO space for the state directory is enough"));
        assert!(
            lines[1].ends_with(&format!("free_bytes={}", ENOUGH + 1)),
            "{lines:?}"
        );
    }

    #[test]
    fn a_slow_disk_is_said_once_and_once_when_it_stays_fast() {
        let mut said = Said::default();
        let lines = logged(|| {
            for round in 0..3 {
                said.note(seen(ENOUGH, 500));
                for _ in 0..CALM_LOOKS - 1 {
                    said.note(seen(ENOUGH, 499 - round));
                }
            }
            said.note(seen(ENOUGH, 0));
            said.note(seen(ENOUGH, 0));
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("WARN the disk of the state directory is slow"));
        assert!(lines[1].starts_with("INFO the disk of the state directory is fast again"));
    }

    #[test]
    fn a_disk_that_is_fast_again_is_not_said_to_have_space() {
        let mut said = Said::default();
        let lines = logged(|| {
            said.note(seen(LOW - 1, 500));
            for _ in 0..=CALM_LOOKS {
                said.note(seen(LOW - 1, 0));
            }
        });
        let spoken = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
        assert_eq!(spoken("runs out"), 1, "{lines:?}");
        assert_eq!(spoken("fast again"), 1, "{lines:?}");
    }

    #[tokio::test]
    async fn a_store_is_looked_at_until_the_end() {
        let folder = crate::fixture::folder();
        let lock = crate::store::DirectoryLock::acquire(folder.path()).unwrap();
        let store = Arc::new(EmbeddedStore::open(lock, None, |_| {}));
        let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let shutdown = CancellationToken::new();
        let report = move |vitals: Vitals| sender.send(vitals).unwrap();
        let tasks = crate::task::Tasks::new();
        let watched = tasks.spawn("watch", watch(store, report, shutdown.clone()));
        for _ in 0..2 {
            assert!(seen.recv().await.unwrap().free.is_some());
        }
        shutdown.cancel();
        watched.await.unwrap();
    }
}
