//! What stands between the baker and the tunnels: HAProxy in two set-ups, or the proxy.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::ground::Ground;
use crate::harness::haproxy::{Haproxy, Settings};
use crate::harness::proxy::Proxy;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    Original,
    Tuned,
    Ours,
}

/// Lines of the proxy's log that a broken promise shows.
const SHOWN: usize = 60;

impl Contestant {
    pub(crate) const ALL: [Self; 3] = [Self::Original, Self::Tuned, Self::Ours];

    /// Its name in the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Original => "HAProxy, original",
            Self::Tuned => "HAProxy, tuned",
            Self::Ours => "signer-proxy",
        }
    }

    /// Starts it anew; `tables` go into the proxy's configuration.
    pub(crate) async fn start(self, ground: &Ground, tables: &str) -> Front {
        match self {
            Self::Original => Front::Haproxy(Haproxy::start(ground, Settings::Original).await),
            Self::Tuned => Front::Haproxy(Haproxy::start(ground, Settings::Tuned).await),
            Self::Ours => Front::Proxy(Box::new(ground.proxy("", tables).await)),
        }
    }
}

/// A contestant that runs.
#[derive(Debug)]
pub(crate) enum Front {
    Haproxy(Haproxy),
    Proxy(Box<Proxy>),
}

/// Changes of the active signer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changes {
    /// `signer_proxy_failovers_total`, which counts for each key.
    pub(crate) all: f64,
    /// Those of the key that had the most.
    pub(crate) most: usize,
}

impl Front {
    /// `HOST:PORT` for bakers.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Haproxy(haproxy) => haproxy.address(),
            Self::Proxy(proxy) => proxy.address(),
        }
    }

    /// Absent for HAProxy, which has no such thing.
    pub(crate) async fn changes(&self) -> Option<Changes> {
        let Self::Proxy(proxy) = self else {
            return None;
        };
        let mut each = BTreeMap::<String, usize>::new();
        for change in proxy.logged("active signer changed") {
            *each.entry(change["key"].to_string()).or_default() += 1;
        }
        Some(Changes {
            all: proxy.metric("signer_proxy_failovers_total").await,
            most: each.into_values().max().unwrap_or_default(),
        })
    }

    /// The end of the proxy's log.
    pub(crate) fn log(&self) -> Vec<Value> {
        match self {
            Self::Haproxy(_) => Vec::new(),
            Self::Proxy(proxy) => {
                let mut lines = proxy.logged("");
                lines.split_off(lines.len().saturating_sub(SHOWN))
            }
        }
    }
}
