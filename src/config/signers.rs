//! `[[signer]]` and `[[signer.path]]`: devices, and the ways to reach them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::reader::Located;
use super::table::Table;
use crate::settings::{DeepProbe, Path, PathTls, Repeat, Signer, SignerUrl};

/// Signatures at a time; no device of ours signs faster by being asked more at once.
const CAPACITY: RangeInclusive<usize> = 1..=1024;
/// A Ledger signs one thing at a time, and a baker asks for one at a time.
const DEFAULT_CAPACITY: usize = 1;
/// Preference; lower comes first.
const PRIORITY: RangeInclusive<u32> = 0..=u32::MAX;
/// Connections of one path.
const MAX_CONNECTIONS: RangeInclusive<usize> = 1..=1024;
/// What the most limited of known signers accept.
const DEFAULT_MAX_CONNECTIONS: usize = 4;

/// Time between two deep probes: what they ask may keep the device from signing for a while.
const DEEP_PERIOD: RangeInclusive<Duration> = DEFAULT_DEEP_PERIOD..=Duration::from_hours(1);
const DEFAULT_DEEP_PERIOD: Duration = Duration::from_secs(15);

/// Words of `signer.repeat`.
const REPEAT: [(&str, Repeat); 3] = [
    ("refuse", Repeat::Refuse),
    ("replay", Repeat::Replay),
    ("resign", Repeat::Resign),
];

/// What the loops over signers and paths keep.
struct Seen<'s> {
    names: BTreeMap<String, String>,
    routes: BTreeMap<String, String>,
    targets: &'s mut Vec<Located<SignerUrl>>,
}

/// Every `[[signer]]`; their urls are added to `targets`.
pub(super) fn signers(
    root: &mut Table<'_, '_>,
    targets: &mut Vec<Located<SignerUrl>>,
) -> Vec<Signer> {
    let mut seen = Seen {
        names: BTreeMap::new(),
        routes: BTreeMap::new(),
        targets,
    };
    if root.count("signer") == Some(0) {
        let place = root.place_of("signer");
        root.reader.missing(
            &place,
            "there is no signer",
            "add a [[signer]] with a name and a [[signer.path]]",
        );
    }
    root.tables("signer", |table, index| signer(table, index, &mut seen))
}

fn signer(table: &mut Table<'_, '_>, index: usize, seen: &mut Seen<'_>) -> Signer {
    table.require(
        "name",
        "name it: the name appears in logs, metrics and errors",
    );
    let name = table.label("name");
    if let Some(name) = &name {
        table.unique(&mut seen.names, name, "give each signer a name of its own");
    }
    let position = index.saturating_add(1);
    let priority = table.integer("priority", &PRIORITY).map(|at| at.value);
    let capacity = table.integer("capacity", &CAPACITY).map(|at| at.value);
    let capacity = capacity.unwrap_or(DEFAULT_CAPACITY);
    let repeat = table.word("repeat", &REPEAT);
    let shared_watermark = table
        .boolean("shared-watermark")
        .is_some_and(|yes| yes.value);
    if shared_watermark && capacity > 1 {
        let place = table.place_of("capacity");
        table.reader.complain(
            &place,
            "a device with one position over all kinds signs one thing at a time",
            "write capacity = 1, or leave shared-watermark out",
        );
    }
    let deep_probe = deep_probe(table);
    let auth_key = super::tables::path(table, "auth-key", "the key that we authenticate with");
    let paths = paths(table, capacity, seen);
    if deep_probe.is_some() && !paths.iter().any(|path| path.url.is_http()) {
        let place = table.place_of("deep-probe");
        let remedy = "leave it out, or add a path with an http url";
        table
            .reader
            .complain(&place, "no path of this signer speaks http", remedy);
    }
    Signer {
        name: name.map(|at| at.value).unwrap_or_default(),
        priority: priority.unwrap_or_else(|| u32::try_from(position).unwrap_or(u32::MAX)),
        capacity,
        repeat: repeat.map_or(Repeat::Replay, |at| at.value),
        shared_watermark,
        deep_probe,
        auth_key: auth_key.map(|at| at.value),
        paths,
    }
}

/// `signer.deep-probe`, a table of two keys.
fn deep_probe(table: &mut Table<'_, '_>) -> Option<DeepProbe> {
    table.table("deep-probe", |table| {
        if !table.is_given() {
            return None;
        }
        table.require("path", "write what is asked, such as \"/statusz/{key}\"");
        let period = table.duration("period", &DEEP_PERIOD).map(|at| at.value);
        let path = table.text("path")?;
        let (problem, remedy) = if !path.value.starts_with('/') {
            ("does not start with a slash", "write it as /statusz/{key}")
        } else if !path.value.chars().all(|c| c.is_ascii_graphic() && c != '#') {
            (
                "has characters that do not belong in a url",
                "percent-encode them",
            )
        } else if path.value.replace("{key}", "").contains(['{', '}']) {
            ("has braces around another word than key", "write {key}")
        } else {
            return Some(DeepProbe {
                path: path.value,
                period: period.unwrap_or(DEFAULT_DEEP_PERIOD),
            });
        };
        table.reader.complain(&path.place, problem, remedy);
        None
    })
}

/// Every `[[signer.path]]` of a signer.
fn paths(table: &mut Table<'_, '_>, capacity: usize, seen: &mut Seen<'_>) -> Vec<Path> {
    let mut names = BTreeMap::new();
    let paths = table.tables("path", |table, index| {
        path(table, index, capacity, &mut names, seen)
    });
    if table.count("path") == Some(0) {
        let place = table.place();
        table.reader.missing(
            &place,
            "has no path: nothing says how to reach it",
            "add a [[signer.path]] with a url",
        );
    }
    paths.into_iter().flatten().collect()
}

fn path(
    table: &mut Table<'_, '_>,
    index: usize,
    capacity: usize,
    names: &mut BTreeMap<String, String>,
    seen: &mut Seen<'_>,
) -> Option<Path> {
    let name = table.label("name");
    let name = match name {
        Some(name) => name,
        None => table.default("name", index.saturating_add(1).to_string()),
    };
    table.unique(names, &name, "give each path of a signer a name of its own");
    table.require(
        "url",
        "write where the path leads, such as \"http://127.0.0.1:8443\"",
    );
    let url = table.url("url", "leave it out and write it as prefix");
    let prefix = prefix(table);
    let max_connections = max_connections(table, capacity);
    let tls = table.table("tls", tls);
    let url = url?;
    fits_url(table, &url.value, &prefix, &tls);
    seen.targets.push(url.clone());
    let route = format!("{}{prefix}", url.value);
    if let Some(first) = seen.routes.get(&route) {
        let problem = format!("leads where {first} leads: it adds no second way");
        table.reader.warn(
            &url.place,
            problem,
            "give each path its own forwarded port or socket",
        );
    } else {
        seen.routes.insert(route, url.place.key.clone());
    }
    Some(Path {
        name: name.value,
        url: url.value,
        prefix,
        max_connections,
        tls,
    })
}

/// `signer.path.tls`
pub(super) fn tls(table: &mut Table<'_, '_>) -> PathTls {
    let ca = super::tables::path(table, "ca", "the authority of the signer's certificate");
    let (certificate, key) = (table.has("certificate"), table.has("key"));
    if certificate != key {
        let place = table.place_of(if certificate { "key" } else { "certificate" });
        let remedy = "write both certificate and key, or neither";
        table.reader.missing(&place, "is missing", remedy);
    }
    let identity = super::listen::identity(table);
    let server_name = table.text("server-name");
    if let Some(name) = server_name
        .as_ref()
        .filter(|name| !is_server_name(&name.value))
    {
        let remedy = "write a DNS name or an IP address";
        table
            .reader
            .complain(&name.place, "is no name that a certificate has", remedy);
    }
    PathTls {
        ca: ca.map(|at| at.value),
        identity,
        server_name: server_name.map(|at| at.value),
    }
}

fn is_server_name(name: &str) -> bool {
    rustls::pki_types::ServerName::try_from(name).is_ok()
}

/// What a url's protocol has no use for.
fn fits_url(table: &mut Table<'_, '_>, url: &SignerUrl, prefix: &str, tls: &PathTls) {
    if !prefix.is_empty() && !url.is_http() {
        let place = table.place_of("prefix");
        let problem = format!("{}:// has no paths", url.scheme());
        table.reader.complain(&place, problem, "leave it out");
    }
    if *tls != PathTls::default() && !matches!(url, SignerUrl::Https { .. }) {
        let place = table.place_of("tls");
        let problem = format!("{}:// is not secured", url.scheme());
        let remedy = "use an https:// url, or leave tls out";
        table.reader.complain(&place, problem, remedy);
    }
}

/// `signer.path.prefix` without its trailing slashes.
fn prefix(table: &mut Table<'_, '_>) -> String {
    let Some(prefix) = table.text("prefix") else {
        return String::new();
    };
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#');
    let (problem, remedy) = if !prefix.value.is_empty() && !prefix.value.starts_with('/') {
        ("does not start with a slash", "write it as /signer")
    } else if !prefix.value.chars().all(fits) {
        (
            "has characters that do not belong in a url's path",
            "percent-encode them; a query cannot be given",
        )
    } else {
        return prefix.value.trim_end_matches('/').to_owned();
    };
    table.reader.complain(&prefix.place, problem, remedy);
    String::new()
}

/// `signer.path.max-connections`, which must not be what limits the signer.
fn max_connections(table: &mut Table<'_, '_>, capacity: usize) -> usize {
    let key = "max-connections";
    let given = table.integer(key, &MAX_CONNECTIONS);
    if given.is_none() && table.has(key) {
        return DEFAULT_MAX_CONNECTIONS;
    }
    let connections = given.unwrap_or_else(|| table.default(key, DEFAULT_MAX_CONNECTIONS));
    if connections.value < capacity {
        let place = match connections.place.line {
            Some(_) => connections.place,
            None => table.place_of(key),
        };
        let problem = format!(
            "{} connections are fewer than the signer's capacity of {capacity}",
            connections.value
        );
        let remedy = format!("write at least {capacity}, or lower the capacity");
        table.reader.complain(&place, problem, remedy);
    }
    connections.value
}
