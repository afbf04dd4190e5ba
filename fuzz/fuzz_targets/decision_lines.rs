//! Any bytes as a line of the decision log.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/decision_lines.rs"]
mod decision_lines;

fuzz_target!(|data: &[u8]| decision_lines::check(data));
