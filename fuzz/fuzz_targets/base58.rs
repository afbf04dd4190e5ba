//! Any bytes as a text, and as a value with a right checksum.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/base58.rs"]
mod base58;
#[path = "../../tests/oracle/base58.rs"]
mod digits;

fuzz_target!(|data: &[u8]| base58::check(data));
