//! Two readers of everything that decides a slot, the program's own and a second one, must never differ.
//!
//! The comparison itself is that of the fuzz targets, whose checks are used here as they are: on the corpus
//! that is kept, and on random and damaged input. Fuzzing proper, guided by coverage, is `scripts/fuzz`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop at once"
)]

#[path = "../fuzz/checks/authentication.rs"]
mod authentication;
#[path = "../fuzz/checks/base58.rs"]
mod base58;
#[path = "../fuzz/checks/configuration.rs"]
mod configuration;
#[path = "oracle/corpus.rs"]
mod corpus;
#[path = "../fuzz/checks/decision_lines.rs"]
mod decision_lines;
#[path = "oracle/decoder.rs"]
mod decoder;
#[path = "oracle/base58.rs"]
mod digits;
#[path = "../fuzz/checks/frames.rs"]
mod frames;
#[cfg(feature = "fuzzing")]
#[path = "../fuzz/checks/http_edge.rs"]
mod http_edge;
#[path = "../fuzz/checks/payload.rs"]
mod payload;
#[path = "oracle/payloads.rs"]
mod payloads;
#[path = "../fuzz/checks/route.rs"]
mod route;
#[path = "oracle/sign_body.rs"]
mod sign_body;
#[cfg(feature = "fuzzing")]
#[path = "../fuzz/checks/store_records.rs"]
mod store_records;
#[path = "oracle/texts.rs"]
mod texts;
#[path = "../fuzz/checks/transfer.rs"]
mod transfer;
#[path = "../fuzz/checks/wire.rs"]
mod wire;
