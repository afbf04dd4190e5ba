//! Signers and the paths to them.
//!
//! A *signer* is a device with its own watermark and latency; a *path* is one way to reach it. Health,
//! breaker and connections belong to paths; queue and capacity belong to signers. Another path of the
//! same signer cures tunnels, another signer cures devices.
//!
//! This module knows nothing of bakers or of the watermark store; what it may send is shown by a
//! [`crate::guard::Permit`].

pub mod attempts;
mod board;
mod cause;
mod chance;
mod claimed;
pub mod client;
mod flaps;
pub mod health;
mod latency;
mod outside;
mod probe;
mod queue;
mod roster;
mod seek;
mod selection;
#[cfg(test)]
mod simulation;

pub use attempts::{Ask, AttemptError, Attempts, Credentials, Lookout, Sighting, Signed};
pub use board::Reader;
pub use cause::Cause;
pub use client::{Answer, FailureClass, Gate, Outgoing, Question, SendError};
pub use health::{PathHealth, PathState, SignerState, Transition};
pub use probe::{INSTANCE_HEADER, LOOPED, MetadataSink, Prober, instance_key};
pub use queue::Place;
pub use roster::{DeepView, DrainError, Path, Roster, Served, Signer};
pub use seek::Seek;
