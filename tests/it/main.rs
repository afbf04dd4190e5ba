//! The executable from outside: real processes, real sshd, real `ssh -R`.
//!
//! Scenario files are named by what threatens a baker. Every test builds its own signers, tunnels and
//! proxy on loopback ports and ends with the verdict of the checker over everything that the signers
//! received: two payloads for one slot fail any test, whatever it was about.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "helpers of tests end the test when something is wrong, and say what they saw"
)]

#[expect(dead_code, reason = "tests/stores.rs needs more of it")]
#[path = "../stores/cluster.rs"]
mod cluster;
mod harness;

mod at_once;
mod authentication;
mod chaos;
mod commands;
mod crash;
mod decision_log;
mod doors;
mod double_sign;
mod errors;
mod evidence;
mod failover;
mod faults;
mod fleet;
mod foreign;
mod gates;
mod gray;
mod kills;
mod ledger;
mod lifecycle;
mod moving;
mod mutated;
mod replicas;
mod reset;
mod slow;
mod status;
mod store_faults;
mod tls;
mod tunnel;
mod wrong_path;
