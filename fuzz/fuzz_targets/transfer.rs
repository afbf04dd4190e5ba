//! Any bytes as a file of watermarks.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/transfer.rs"]
mod transfer;

fuzz_target!(|data: &[u8]| transfer::check(data));
