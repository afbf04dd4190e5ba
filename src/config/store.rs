//! `[store]`: who keeps the watermarks.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::table::Table;
use super::tables::path;
use super::url::{self, UrlError};
use crate::settings::{EtcdSettings, PathTls, SignerUrl, Store};

/// Kinds of stores.
const KINDS: [(&str, Kind); 2] = [("embedded", Kind::Embedded), ("etcd", Kind::Etcd)];

/// One call to one member: shorter than a round, longer than an election.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(10);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
/// What every key begins with.
const DEFAULT_PREFIX: &str = "/signer-proxy";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Embedded,
    Etcd,
}

/// `[store]`
pub(super) fn store(table: &mut Table<'_, '_>) -> Store {
    let kind = table.word("kind", &KINDS).map(|at| at.value);
    let is_etcd = kind == Some(Kind::Etcd);
    let endpoints = endpoints(table);
    let prefix = prefix(table);
    let timeout = table.duration("timeout", &TIMEOUT).map(|at| at.value);
    let user = table.label("user").map(|at| at.value);
    let password_file = path(table, "password-file", "the file with the password");
    let tls = table.table("tls", super::signers::tls);
    if !is_etcd {
        for key in [
            "endpoints",
            "prefix",
            "timeout",
            "user",
            "password-file",
            "tls",
        ] {
            if table.has(key) {
                let place = table.place_of(key);
                let remedy = "write store.kind = \"etcd\", or leave it out";
                let problem = "belongs to a store of kind etcd";
                table.reader.complain(&place, problem, remedy);
            }
        }
        return Store::Embedded;
    }
    table.require(
        "endpoints",
        "list the members, such as [\"http://10.0.0.1:2379\"]",
    );
    if user.is_some() != password_file.is_some() {
        let place = table.place_of(if user.is_some() {
            "password-file"
        } else {
            "user"
        });
        let remedy = "write both user and password-file, or neither";
        table.reader.missing(&place, "is missing", remedy);
    }
    if tls != PathTls::default() && endpoints.iter().all(|url| !is_secured(url)) {
        let place = table.place_of("tls");
        let remedy = "use https:// endpoints, or leave tls out";
        table
            .reader
            .complain(&place, "no endpoint is secured", remedy);
    }
    Store::Etcd(Box::new(EtcdSettings {
        endpoints,
        prefix,
        tls,
        user,
        password_file: password_file.map(|at| at.value),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
    }))
}

const fn is_secured(url: &SignerUrl) -> bool {
    matches!(url, SignerUrl::Https { .. })
}

/// `store.endpoints`
fn endpoints(table: &mut Table<'_, '_>) -> Vec<SignerUrl> {
    let texts = table.texts("endpoints").unwrap_or_default();
    let mut endpoints = Vec::new();
    for text in &texts {
        let remedy = "write it as http://host:2379 or https://host:2379";
        match url::parse(&text.value, "leave it out") {
            Ok(url) if url.is_http() && url.socket().is_none() => endpoints.push(url),
            Ok(_) => {
                let problem = "etcd is reached over http or https";
                table.reader.complain(&text.place, problem, remedy);
            }
            Err(error) => {
                let UrlError { problem, remedy } = error;
                table.reader.complain(&text.place, problem, remedy);
            }
        }
    }
    if table.has("endpoints") && texts.is_empty() {
        let place = table.place_of("endpoints");
        let remedy = "list the members, such as [\"http://10.0.0.1:2379\"]";
        table.reader.complain(&place, "lists no member", remedy);
    }
    let count = endpoints.len();
    if count == 1 {
        let place = table.place_of("endpoints");
        table.reader.warn(
            &place,
            "names one member: when it is gone nothing is signed, though the cluster may be well",
            "list all members",
        );
    }
    endpoints
}

/// `store.prefix` without slashes at its end.
fn prefix(table: &mut Table<'_, '_>) -> String {
    let Some(prefix) = table.text("prefix") else {
        return DEFAULT_PREFIX.to_owned();
    };
    let trimmed = prefix.value.trim_end_matches('/');
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    if trimmed.starts_with('/') && trimmed.chars().all(fits) {
        return trimmed.to_owned();
    }
    let remedy = "begin it with a slash and use a-z A-Z 0-9 . _ - /";
    table
        .reader
        .complain(&prefix.place, "is no prefix of keys", remedy);
    DEFAULT_PREFIX.to_owned()
}
