//! The one place that reads the wall clock.
//!
//! Durations and deadlines use `tokio::time::Instant`, which tests can pause. Wall-clock time is for
//! people (logs, status, error sentences) and for the far-future guard, where it can only refuse.

use jiff::Timestamp;

/// The wall-clock time now.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Hours, minutes and seconds in UTC, as error sentences print them: `05:24:11`.
#[must_use]
pub fn clock_text(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}
