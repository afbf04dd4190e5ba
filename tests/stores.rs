//! The contract of stores, held by each of them: one battery for the embedded store, the one in memory and the one
//! in etcd; and what only a store that several share can get wrong.
//!
//! etcd is the real one, on loopback, started and ended by each test.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop at once"
)]

#[path = "stores/accepted.rs"]
mod accepted;
#[path = "stores/anew.rs"]
mod anew;
#[path = "stores/battery.rs"]
mod battery;
#[path = "stores/cluster.rs"]
mod cluster;
#[path = "stores/covered.rs"]
mod covered;
#[path = "stores/identity.rs"]
mod identity;
#[path = "stores/kinds.rs"]
mod kinds;
#[path = "stores/many.rs"]
mod many;
#[path = "stores/reset.rs"]
mod reset;
#[path = "stores/shared.rs"]
mod shared;
#[path = "stores/values.rs"]
mod values;
#[path = "it/harness/wait.rs"]
#[expect(
    dead_code,
    reason = "one test is a matter of time, and none of a state that is waited for"
)]
mod wait;
