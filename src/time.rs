//! The one place that reads the wall clock.
//!
//! Durations and deadlines use `tokio::time::Instant`, which tests can pause. Wall-clock time is for
//! people (logs, status, error sentences) and for the far-future guard, where it can only refuse.

use jiff::Timestamp;

/// The wall-clock time now, in whole milliseconds: what memory shows is what the disk will.
#[must_use]
pub fn now() -> Timestamp {
    let exact = Timestamp::now();
    Timestamp::from_millisecond(exact.as_millisecond()).unwrap_or(exact)
}

/// Hours, minutes and seconds in UTC, as error sentences print them: `05:24:11`.
#[must_use]
pub fn clock_text(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}
