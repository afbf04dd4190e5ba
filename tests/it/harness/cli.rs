//! The executable as a command that ends.

use std::ffi::OsStr;
use std::process::Command;

use super::process::Process;

/// The program under test.
pub(crate) const EXECUTABLE: &str = env!("CARGO_BIN_EXE_signer-proxy");

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Exit code; absent when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Itself, if it ended well.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

/// Runs the executable until it ends.
pub(crate) async fn run<A: AsRef<OsStr>>(arguments: &[A]) -> Finished {
    let mut process = Process::start("command", Command::new(EXECUTABLE).args(arguments));
    let status = process.end().await;
    Finished {
        code: status.code(),
        stdout: process.stdout().join("\n"),
        stderr: process.stderr().join("\n"),
    }
}
