//! The development signer from outside: real sockets, raw HTTP.
//!
//! Each test has a signer of its own on a free port.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::missing_panics_doc,
    reason = "helpers of tests end the test when something is wrong"
)]

#[path = "dev_signer/behaviour.rs"]
mod behaviour;
#[path = "dev_signer/control.rs"]
mod control;
#[path = "dev_signer/faults.rs"]
mod faults;
#[path = "dev_signer/harness.rs"]
mod harness;
#[path = "dev_signer/start.rs"]
mod start;
