//! The edge over real loopback sockets: what it lets through, refuses, closes and finishes.
//!
//! `verdicts` is the table of malformed and ambiguous messages; `exchange` is about well-formed use,
//! `admission` about caps and `drain` about the end; `compare` sends the table through other programs as
//! well. Nothing here sleeps: each test waits for a state.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on should stop at once"
)]

#[path = "http_edge/admission.rs"]
mod admission;
#[path = "http_edge/answers.rs"]
mod answers;
#[path = "http_edge/backend.rs"]
mod backend;
#[path = "http_edge/compare.rs"]
mod compare;
#[path = "http_edge/drain.rs"]
mod drain;
#[path = "http_edge/exchange.rs"]
mod exchange;
#[path = "http_edge/harness.rs"]
mod harness;
#[path = "it/harness/ports.rs"]
mod ports;
#[path = "http_edge/program.rs"]
mod program;
#[path = "http_edge/table.rs"]
mod table;
#[path = "http_edge/verdicts.rs"]
mod verdicts;
