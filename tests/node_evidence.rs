//! What the chain shows of our keys, against a node whose chain and faults are the test's: what halts a key, what
//! does not, and how much is asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests: a failure is to be loud"
)]

#[path = "node_evidence/behind.rs"]
mod behind;
#[path = "node_evidence/halts.rs"]
mod halts;
#[path = "node_evidence/looks.rs"]
mod looks;
#[path = "it/harness/node.rs"]
mod node;
#[path = "node_evidence/scene.rs"]
mod scene;
#[path = "node_evidence/unreliable.rs"]
mod unreliable;
#[path = "it/harness/wait.rs"]
#[expect(dead_code, reason = "nothing here is a matter of time")]
mod wait;
