//! Rules over more than one table, and warnings about the whole.
//!
//! A loop is what costs most here: a path that leads back to us keeps every probe green and answers no
//! baker. What can be seen in the file is refused; the rest is seen by an instance header on probes.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::reader::{Located, Place, Reader};
use super::url::MAX_SOCKET_PATH;
use crate::settings::{Settings, SignerUrl};

/// Where we shall listen; an address is absent when the file's is unusable.
#[derive(Debug)]
pub(super) struct Listeners {
    /// `listen.http`
    pub(super) http: Option<Located<SocketAddr>>,
    /// `admin.listen`
    pub(super) admin: Option<Located<SocketAddr>>,
    /// `admin.socket`
    pub(super) socket: Located<PathBuf>,
}

/// Checks what no single table can.
pub(super) fn document(
    reader: &mut Reader,
    settings: &Settings,
    listeners: &Listeners,
    targets: &[Located<SignerUrl>],
) {
    same_listener(reader, listeners);
    socket_length(reader, &listeners.socket);
    for target in targets {
        loops(reader, listeners, target);
    }
    warnings(reader, settings, listeners);
}

fn same_listener(reader: &mut Reader, listeners: &Listeners) {
    let (Some(http), Some(admin)) = (&listeners.http, &listeners.admin) else {
        return;
    };
    let (a, b) = (http.value, admin.value);
    let covers = |x: IpAddr, y: IpAddr| x == y || x.is_unspecified();
    let overlap = covers(a.ip(), b.ip()) || covers(b.ip(), a.ip());
    if a.port() == 0 || a.port() != b.port() || !overlap {
        return;
    }
    // Complain where a line says it: with both from the file or the environment, at the later key.
    let given = |at: &Place| at.line.is_some() || at.variable.is_some();
    let (at, other) = if given(&admin.place) || !given(&http.place) {
        (admin, http)
    } else {
        (http, admin)
    };
    let problem = format!("{} is also {}", at.value, other.place.key);
    reader.complain(&at.place, problem, "use another port");
}

fn socket_length(reader: &mut Reader, socket: &Located<PathBuf>) {
    let length = socket.value.as_os_str().as_bytes().len();
    if length > MAX_SOCKET_PATH {
        let problem =
            format!("the control socket's path has {length} bytes, too many for a socket");
        let remedy = format!("write a path of at most {MAX_SOCKET_PATH} bytes in admin.socket");
        reader.complain(&socket.place, problem, remedy);
    }
}

fn loops(reader: &mut Reader, listeners: &Listeners, target: &Located<SignerUrl>) {
    let remedy = "write the address of the signer, or of its tunnel";
    match &target.value {
        SignerUrl::Http { host, port } => {
            for listener in [&listeners.http, &listeners.admin].into_iter().flatten() {
                if reaches(host, *port, listener.value) {
                    let problem = format!("leads back to our own {}", listener.place.key);
                    reader.complain(&target.place, problem, remedy);
                }
            }
        }
        SignerUrl::HttpUnix { path } if *path == listeners.socket.value => {
            reader.complain(&target.place, "leads back to our own admin.socket", remedy);
        }
        SignerUrl::HttpUnix { .. } => {}
    }
}

/// Whether a connection to `host:port` can arrive at a listener of ours, as far as the names tell.
fn reaches(host: &str, port: u16, listener: SocketAddr) -> bool {
    if port != listener.port() {
        return false;
    }
    let ours = listener.ip().to_canonical();
    let ours_local = is_this_host(ours);
    if host == "localhost" || host.ends_with(".localhost") || host == "localhost." {
        return ours_local;
    }
    let Ok(theirs) = host.parse::<IpAddr>() else {
        return false;
    };
    let theirs = theirs.to_canonical();
    theirs == ours
        || (is_this_host(theirs) && ours_local)
        // Everything in 127/8 is this host, and a listener on all addresses hears it.
        || (theirs.is_loopback() && ours.is_unspecified())
        || (theirs.is_unspecified() && ours.is_loopback())
}

/// The addresses that people use for one another: 127.0.0.1, `::1`, 0.0.0.0 and `::`.
fn is_this_host(address: IpAddr) -> bool {
    address.is_unspecified()
        || match address {
            IpAddr::V4(v4) => v4 == std::net::Ipv4Addr::LOCALHOST,
            IpAddr::V6(v6) => v6.is_loopback(),
        }
}

fn warnings(reader: &mut Reader, settings: &Settings, listeners: &Listeners) {
    let open = settings.auth.authorized_keys.is_empty();
    if let Some(http) = listeners
        .http
        .as_ref()
        .filter(|http| open && !http.value.ip().is_loopback())
    {
        reader.warn(
            &http.place,
            "whoever can reach this address can ask for signatures",
            "listen on 127.0.0.1, or list the bakers' keys in auth.authorized-keys",
        );
    }
    if let [signer] = settings.signers.as_slice() {
        reader.warn(
            &Place::of_key("signer"),
            format!(
                "{} is the only signer: when its device fails, nothing signs",
                signer.name
            ),
            "add a second [[signer]]",
        );
    }
    if settings.keys.is_empty() {
        reader.warn(
            &Place::of_key("key"),
            "no key is listed: every key that a signer shows is served",
            "list the keys that you bake with",
        );
    }
}
