//! Any bytes as a body of the protocol.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/oracle/sign_body.rs"]
mod sign_body;
#[path = "../checks/wire.rs"]
mod wire;

fuzz_target!(|data: &[u8]| wire::check(data));
