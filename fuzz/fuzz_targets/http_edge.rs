//! Any bytes as what a peer sends on one connection.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/http_edge.rs"]
mod http_edge;

fuzz_target!(|data: &[u8]| http_edge::check(data));
