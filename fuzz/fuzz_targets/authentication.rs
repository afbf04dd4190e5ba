//! Any bytes as an authentication and what it is for.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/authentication.rs"]
mod authentication;

fuzz_target!(|data: &[u8]| authentication::check(data));
