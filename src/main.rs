//! The `signer-proxy` binary.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    signer_proxy::cli::main()
}
