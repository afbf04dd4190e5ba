//! Any bytes as a message of the socket protocol.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/frames.rs"]
mod frames;

fuzz_target!(|data: &[u8]| frames::check(data));
