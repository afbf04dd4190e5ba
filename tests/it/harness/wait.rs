//! Waiting for a state that can be looked at, and letting an outage last.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

/// Longer than anything healthy takes on a busy machine; only a hang reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

const GLANCE: Duration = Duration::from_millis(20);

/// Looks until `look` sees something, at most [`PATIENCE`].
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut glances = interval(GLANCE);
    glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let seen = async {
        loop {
            glances.tick().await;
            if let Some(seen) = look().await {
                return seen;
            }
        }
    };
    let seen = timeout(PATIENCE, seen).await;
    seen.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Ends when an outage that began at `since` has lasted for `length`: the one thing that is a matter of
/// time and not of a state.
pub(crate) async fn lasts(since: Instant, length: Duration) {
    sleep_until(since + length).await;
}
