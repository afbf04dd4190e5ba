//! Any bytes as method, path and query.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/route.rs"]
mod route;

fuzz_target!(|data: &[u8]| route::check(data));
