//! What scenarios are made of: processes, signers, tunnels, the proxy, a baker and a judge.
//!
//! Nothing here knows how the proxy works inside. Invariants: every child process ends with the value
//! that stands for it, also when the test panics; nothing waits for a time where a state can be seen.

pub(crate) mod baker;
pub(crate) mod checker;
pub(crate) mod cli;
pub(crate) mod config;
pub(crate) mod direct;
pub(crate) mod frames;
pub(crate) mod ground;
pub(crate) mod haproxy;
pub(crate) mod homes;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod luck;
#[expect(dead_code, reason = "tests/node_evidence.rs needs more of it")]
pub(crate) mod node;
pub(crate) mod payload;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod relay;
pub(crate) mod scene;
pub(crate) mod signer;
pub(crate) mod sshd;
pub(crate) mod timeline;
pub(crate) mod tls;
pub(crate) mod tunnel;
pub(crate) mod wait;
