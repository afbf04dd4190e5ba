//! The `signer-proxy` binary.
#![forbid(unsafe_code)]

fn main() {}
