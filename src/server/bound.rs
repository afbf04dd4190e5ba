//! Listening sockets: TCP and Unix, bound and named.
//!
//! Binding is apart from serving so that a start can bind first, say where, and hold requests while
//! the rest comes up. It decides nothing about what is accepted.

use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use super::Peer;

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: u32 = 1024;

/// A bound listening socket.
#[derive(Debug)]
pub enum Bound {
    /// A TCP port.
    Tcp(TcpListener),
    /// A Unix socket; its file is removed with it.
    Unix(UnixListener, SocketFile),
}

/// An accepted connection before it is served.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Bound {
    /// Where it listens, for logs and for people: `127.0.0.1:6733` or a path.
    #[must_use]
    pub fn local_addr(&self) -> String {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|_| String::from("unknown"), |address| address.to_string()),
            Self::Unix(_, file) => file.path.display().to_string(),
        }
    }

    /// The listener of a Unix socket and its file, for a protocol other than HTTP.
    ///
    /// # Errors
    /// A TCP port.
    pub fn into_unix(self) -> io::Result<(UnixListener, SocketFile)> {
        match self {
            Self::Tcp(_) => Err(io::Error::other("not a unix socket")),
            Self::Unix(listener, file) => Ok((listener, file)),
        }
    }

    /// The TCP address with its real port, absent for a Unix socket.
    #[must_use]
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }

    /// Takes the next waiting connection.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Peer)>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map_ok(|(stream, address)| {
                let peer = Peer {
                    address: Some(address),
                    uid: None,
                    certified: None,
                };
                (Socket::Tcp(stream), peer)
            }),
            Self::Unix(listener, _) => listener.poll_accept(cx).map_ok(|(stream, _)| {
                let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
                let peer = Peer {
                    address: None,
                    uid,
                    certified: None,
                };
                (Socket::Unix(stream), peer)
            }),
        }
    }
}

/// Binds a TCP port; port 0 takes a free one.
///
/// # Errors
/// Whatever the system says, for example that the address is in use.
pub async fn bind_tcp(address: SocketAddr) -> io::Result<Bound> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Without it a restart would wait for connections of the last run to leave TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(Bound::Tcp(socket.listen(BACKLOG)?))
}

/// Binds a Unix socket at `path` with the permission bits `mode` (for example `0o600`).
///
/// A file left by a process that is gone is replaced. The socket appears under its name only when its
/// mode is set; until then it has a name of its own and the mode that the process's umask gives.
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] when somebody answers there, [`io::ErrorKind::AlreadyExists`] when
/// the path is no socket, or whatever the system says.
pub async fn bind_unix(path: &Path, mode: u32) -> io::Result<Bound> {
    refuse_taken(path).await?;
    let fresh = fresh_name(path)?;
    // Process ids come again, in a container the same at each start: one that was killed before it gave the socket
    // its name has left this one.
    refuse_taken(&fresh).await?;
    match tokio::fs::remove_file(&fresh).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&fresh)?;
    let named = async {
        tokio::fs::set_permissions(&fresh, Permissions::from_mode(mode)).await?;
        tokio::fs::rename(&fresh, path).await?;
        tokio::fs::symlink_metadata(path).await
    };
    match named.await {
        Ok(file) => {
            let file = SocketFile {
                path: path.to_owned(),
                device: file.dev(),
                inode: file.ino(),
            };
            Ok(Bound::Unix(listener, file))
        }
        Err(error) => {
            // The first error is the one to report.
            drop(tokio::fs::remove_file(&fresh).await);
            Err(error)
        }
    }
}

/// The name that a socket has until its mode is set.
fn fresh_name(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut fresh = name.to_os_string();
    fresh.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(fresh))
}

async fn refuse_taken(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;

    let there = match tokio::fs::symlink_metadata(path).await {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !there.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// The file of a Unix socket; removed on drop unless another process has put its own there since.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|file| file.dev() == self.device && file.ino() == self.inode);
        if ours {
            // A file that stays is replaced by the next start.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn port_zero_shows_its_real_port() {
        let bound = bind_tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
        assert_ne!(bound.tcp_addr().unwrap().port(), 0);
        assert_eq!(bound.local_addr(), bound.tcp_addr().unwrap().to_string());
    }

    #[tokio::test]
    async fn unix_socket_has_its_mode_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let bound = bind_unix(&path, 0o600).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        drop(bound);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn living_unix_socket_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let _living = bind_unix(&path, 0o600).await.unwrap();
        let second = bind_unix(&path, 0o600).await.unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        assert!(UnixStream::connect(&path).await.is_ok());
    }

    #[tokio::test]
    async fn dead_unix_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let _bound = bind_unix(&path, 0o600).await.unwrap();
        assert!(UnixStream::connect(&path).await.is_ok());
    }

    #[tokio::test]
    async fn what_a_killed_process_of_the_same_id_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let left = fresh_name(&path).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&left).unwrap());
        let _bound = bind_unix(&path, 0o600).await.unwrap();
        assert!(UnixStream::connect(&path).await.is_ok());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn plain_file_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        std::fs::write(&path, "keep").unwrap();
        let refused = bind_unix(&path, 0o600).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"keep");
    }
}
