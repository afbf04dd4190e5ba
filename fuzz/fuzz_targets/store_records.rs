//! Any bytes as records and keys of the store.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/store_records.rs"]
mod store_records;

fuzz_target!(|data: &[u8]| store_records::check(data));
