//! A highly available reverse proxy in front of remote Tezos signers.
//!
//! Modules in reading order: the vocabulary (`tezos`, `settings`, `time`), the core without I/O
//! (`guard`, parts of `signer`), the adapters (`store`, `signer`, `telemetry`, `task`), the services
//! (`cache`, `proxy`, `admin`), the edges (`server`, `config`, `cli`, `control`) and the wiring (`app`).
//! `ARCHITECTURE.md` shows the way of one sign request through them.
#![forbid(unsafe_code)]

pub mod settings;
pub mod tezos;
pub mod time;

pub mod guard;
pub mod transfer;

pub mod decision_log;
pub mod etcd;
pub mod signer;
pub mod store;
pub mod task;
pub mod telemetry;
pub mod tls;

pub mod admin;
pub mod cache;
pub mod control;
pub mod proxy;

pub mod cli;
pub mod config;
pub mod node;
pub mod server;

pub mod app;

pub mod dev_signer;

#[cfg(test)]
mod fixture;
