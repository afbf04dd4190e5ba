//! Where events and numbers go.

pub mod log;
pub mod metrics;

pub use metrics::Metrics;
