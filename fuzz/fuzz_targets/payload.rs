//! Any bytes as a payload.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/oracle/decoder.rs"]
mod decoder;
#[path = "../checks/payload.rs"]
mod payload;

fuzz_target!(|data: &[u8]| payload::check(data));
