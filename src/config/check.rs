//! Rules over more than one table, and warnings about the whole.
//!
//! A loop is what costs most here: a path that leads back to us keeps every probe green and answers no
//! baker. What can be seen in the file is refused; the rest is seen by an instance header on probes.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::exposed;
use super::reader::{Located, Place, Reader};
use super::url::MAX_SOCKET_PATH;
use crate::settings::{Settings, SignerUrl};

/// Where we shall listen; an address is absent when there is none or the file's is unusable.
#[derive(Debug)]
pub(super) struct Listeners {
    /// `admin.listen`
    pub(super) admin: Option<Located<SocketAddr>>,
    /// `admin.socket`
    pub(super) socket: Located<PathBuf>,
    /// For bakers.
    pub(super) doors: Doors,
}

/// Where bakers come in.
#[derive(Debug)]
pub(super) struct Doors {
    /// `listen.http`
    pub(super) http: Option<Located<SocketAddr>>,
    /// `listen.https`
    pub(super) https: Option<Located<SocketAddr>>,
    /// `listen.tcp`
    pub(super) tcp: Option<Located<SocketAddr>>,
    /// `listen.unix`
    pub(super) unix: Option<Located<PathBuf>>,
}

impl Listeners {
    fn addresses(&self) -> impl Iterator<Item = &Located<SocketAddr>> {
        let Doors {
            http, https, tcp, ..
        } = &self.doors;
        [http, https, tcp, &self.admin].into_iter().flatten()
    }

    fn sockets(&self) -> impl Iterator<Item = &Located<PathBuf>> {
        self.doors.unix.iter().chain([&self.socket])
    }
}

/// Checks what no single table can.
pub(super) fn document(
    reader: &mut Reader,
    settings: &Settings,
    listeners: &Listeners,
    targets: &[Located<SignerUrl>],
) {
    let addresses: Vec<_> = listeners.addresses().collect();
    for (index, second) in addresses.iter().enumerate() {
        for first in addresses.iter().take(index) {
            same_listener(reader, first, second);
        }
    }
    if let Some(unix) = listeners.doors.unix.as_ref()
        && unix.value == listeners.socket.value
    {
        let remedy = "name another file";
        reader.complain(&unix.place, "is also admin.socket", remedy);
    }
    socket_length(reader, &listeners.socket);
    for target in targets {
        loops(reader, listeners, target);
    }
    exposed::warnings(reader, settings, listeners);
    warnings(reader, settings);
}

fn same_listener(reader: &mut Reader, first: &Located<SocketAddr>, second: &Located<SocketAddr>) {
    let (a, b) = (first.value, second.value);
    let covers = |x: IpAddr, y: IpAddr| x == y || x.is_unspecified();
    let overlap = covers(a.ip(), b.ip()) || covers(b.ip(), a.ip());
    if a.port() == 0 || a.port() != b.port() || !overlap {
        return;
    }
    // Complain where a line says it: with both from the file or the environment, at the later key.
    let given = |at: &Place| at.line.is_some() || at.variable.is_some();
    let (at, other) = if given(&second.place) || !given(&first.place) {
        (second, first)
    } else {
        (first, second)
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
    if let Some((host, port)) = target.value.host_and_port() {
        for listener in listeners.addresses() {
            if reaches(host, port, listener.value) {
                let problem = format!("leads back to our own {}", listener.place.key);
                reader.complain(&target.place, problem, remedy);
            }
        }
    }
    for socket in listeners.sockets() {
        if target.value.socket() == Some(&socket.value) {
            let problem = format!("leads back to our own {}", socket.place.key);
            reader.complain(&target.place, problem, remedy);
        }
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

fn warnings(reader: &mut Reader, settings: &Settings) {
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
