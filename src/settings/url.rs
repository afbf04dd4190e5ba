//! Where paths, nodes and members of etcd are: typed, and printed as they are written.

use std::path::PathBuf;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerUrl {
    /// `http://host:port`
    Http {
        /// Host name or address; IPv6 addresses without brackets.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// `http+unix:///path`: HTTP over a Unix socket.
    HttpUnix {
        /// The socket's path.
        path: PathBuf,
    },
    /// `https://host:port`
    Https {
        /// Host name or address; IPv6 addresses without brackets.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// `tcp://host:port`: the socket protocol of Octez.
    Tcp {
        /// Host name or address; IPv6 addresses without brackets.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// `unix:///path`: the socket protocol of Octez over a Unix socket.
    Unix {
        /// The socket's path.
        path: PathBuf,
    },
}

impl SignerUrl {
    /// The scheme, as it is written.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::HttpUnix { .. } => "http+unix",
            Self::Https { .. } => "https",
            Self::Tcp { .. } => "tcp",
            Self::Unix { .. } => "unix",
        }
    }

    /// Host and port, where there are any.
    #[must_use]
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        match self {
            Self::Http { host, port } | Self::Https { host, port } | Self::Tcp { host, port } => {
                Some((host, *port))
            }
            Self::HttpUnix { .. } | Self::Unix { .. } => None,
        }
    }

    /// The path of a Unix socket, where there is one.
    #[must_use]
    pub fn socket(&self) -> Option<&std::path::Path> {
        match self {
            Self::HttpUnix { path } | Self::Unix { path } => Some(path),
            Self::Http { .. } | Self::Https { .. } | Self::Tcp { .. } => None,
        }
    }

    /// Whether HTTP is spoken there; else the socket protocol of Octez.
    #[must_use]
    pub const fn is_http(&self) -> bool {
        match self {
            Self::Http { .. } | Self::HttpUnix { .. } | Self::Https { .. } => true,
            Self::Tcp { .. } | Self::Unix { .. } => false,
        }
    }

    /// `host:port` with brackets around IPv6 addresses, or `localhost` for a Unix socket.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.host_and_port() {
            Some((host, port)) if host.contains(':') => format!("[{host}]:{port}"),
            Some((host, port)) => format!("{host}:{port}"),
            None => "localhost".to_owned(),
        }
    }
}

impl std::fmt::Display for SignerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.socket() {
            Some(path) => write!(f, "{}://{}", self.scheme(), path.display()),
            None => write!(f, "{}://{}", self.scheme(), self.authority()),
        }
    }
}
