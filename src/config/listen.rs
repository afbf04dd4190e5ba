//! `[listen]`, `[admin]` and `[limits]`: the doors, who may come to them, and how much at a time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use ipnet::IpNet;

use super::check::Doors;
use super::reader::Located;
use super::table::Table;
use super::tables::{address_or, path};
use super::url::MAX_SOCKET_PATH;
use crate::settings::{Admin, Limits, Listen, ListenTls, Sources, TlsIdentity};

/// The baker's port: 6732 and 7732 are those of octez-signer itself.
const DEFAULT_HTTP: SocketAddr = local(6733);
/// The read-only port.
const DEFAULT_ADMIN: SocketAddr = local(9632);

/// Requests of one client at a time.
const CONCURRENCY: RangeInclusive<usize> = 1..=512;
/// Half of all, so that no client alone can fill the proxy.
const DEFAULT_CONCURRENCY: usize = 256;
/// Requests of one client a second.
const RATE: RangeInclusive<u32> = 1..=1_000_000;
/// At once, before the rate counts: a baker with many keys asks for all of them at the same moment.
const DEFAULT_BURST: NonZeroU32 = NonZeroU32::new(256).unwrap();

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// `[listen]`, and where the doors stand.
pub(super) fn listen(table: &mut Table<'_, '_>) -> (Listen, Doors) {
    let http = address_or(table, "http", DEFAULT_HTTP);
    let https = table.address("https");
    let tcp = table.address("tcp");
    let unix = socket(table);
    let known_keys = table.boolean("known-keys").is_some_and(|yes| yes.value);
    let forwarded_from = networks(table, "forwarded-from");
    let tls = table.table("tls", |table| tls(table, true));
    let sources = table.table("sources", sources);
    if tls.is_none() && table.has("https") && table.count("tls") == Some(0) {
        let place = table.place_of("https");
        let remedy = "add [listen.tls] with certificate and key";
        table.reader.complain(&place, "has no certificate", remedy);
    }
    if let Some(tls) = tls.as_ref().filter(|_| !table.has("https")) {
        let place = table.place_of("tls");
        let problem = format!(
            "{} is shown to nobody: there is no listen.https",
            tls.identity.certificate.display()
        );
        let remedy = "add listen.https, such as \"0.0.0.0:6734\"";
        table.reader.warn(&place, problem, remedy);
    }
    let listen = Listen {
        http: http.as_ref().map_or(DEFAULT_HTTP, |at| at.value),
        https: https.as_ref().map(|at| at.value),
        tcp: tcp.as_ref().map(|at| at.value),
        unix: unix.as_ref().map(|at| at.value.clone()),
        tls,
        sources,
        forwarded_from,
        known_keys,
    };
    let doors = Doors {
        http,
        https,
        tcp,
        unix,
    };
    (listen, doors)
}

/// `listen.unix`
fn socket(table: &mut Table<'_, '_>) -> Option<Located<PathBuf>> {
    let socket = path(table, "unix", "the socket that bakers connect to")?;
    let length = socket.value.as_os_str().len();
    let (problem, remedy) = if socket.value.is_relative() {
        ("is relative", "write an absolute path".to_owned())
    } else if length > MAX_SOCKET_PATH {
        (
            "is too long for a socket",
            format!("write a path of at most {MAX_SOCKET_PATH} bytes"),
        )
    } else {
        return Some(socket);
    };
    table.reader.complain(&socket.place, problem, remedy);
    None
}

/// `[listen.tls]` and `[admin.tls]`
fn tls(table: &mut Table<'_, '_>, with_clients: bool) -> Option<ListenTls> {
    if table.is_given() {
        table.require("certificate", "name the file with the certificate chain");
        table.require("key", "name the file with the certificate's key");
    }
    let identity = identity(table);
    let client_ca = if with_clients {
        path(table, "client-ca", "the authority of bakers' certificates")
    } else {
        None
    };
    Some(ListenTls {
        identity: identity?,
        client_ca: client_ca.map(|at| at.value),
    })
}

/// `certificate` and `key`, which go together.
pub(super) fn identity(table: &mut Table<'_, '_>) -> Option<TlsIdentity> {
    let certificate = path(table, "certificate", "the certificate chain");
    let key = path(table, "key", "the certificate's key");
    Some(TlsIdentity {
        certificate: certificate?.value,
        key: key?.value,
    })
}

/// `[listen.sources]`
fn sources(table: &mut Table<'_, '_>) -> Sources {
    Sources {
        http: networks(table, "http"),
        https: networks(table, "https"),
        tcp: networks(table, "tcp"),
    }
}

fn networks(table: &mut Table<'_, '_>, key: &'static str) -> Vec<IpNet> {
    let texts = table.texts(key).unwrap_or_default();
    let mut networks = Vec::new();
    for text in texts {
        let single = || text.value.parse::<IpAddr>().map(IpNet::from);
        match text.value.parse::<IpNet>().or_else(|_| single()) {
            Ok(network) => networks.push(network.trunc()),
            Err(_) => table.reader.complain(
                &text.place,
                "is no network",
                "write one such as \"10.1.0.0/16\", \"fd00::/8\" or \"192.0.2.7\"",
            ),
        }
    }
    networks
}

/// `[admin]`, its address and its control socket, which come with their places.
pub(super) fn admin(
    table: &mut Table<'_, '_>,
) -> (Admin, Option<Located<SocketAddr>>, Option<Located<PathBuf>>) {
    let listen = address_or(table, "listen", DEFAULT_ADMIN);
    let socket = path(table, "socket", "the control socket");
    let token_file = path(table, "token-file", "the file with the bearer token");
    let admin = Admin {
        listen: Some(listen.as_ref().map_or(DEFAULT_ADMIN, |at| at.value)),
        socket: PathBuf::new(),
        tls: table.table("tls", |table| tls(table, false)),
        token_file: token_file.map(|at| at.value),
    };
    (admin, listen, socket)
}

/// `[limits]`
pub(super) fn limits(table: &mut Table<'_, '_>) -> Limits {
    let concurrency = table.integer("client-concurrency", &CONCURRENCY);
    let rate = table.integer("client-rate", &RATE);
    let burst = table.integer("client-burst", &RATE);
    Limits {
        client_concurrency: concurrency.map_or(DEFAULT_CONCURRENCY, |at| at.value),
        client_rate: rate.and_then(|at| NonZeroU32::new(at.value)),
        client_burst: burst
            .and_then(|at| NonZeroU32::new(at.value))
            .unwrap_or(DEFAULT_BURST),
    }
}
