//! Accepts connections, over TCP or a Unix socket.
//!
//! Its own accept loop and no part of `server`, because faults need the bare socket and none of the
//! proxy's limits. Bound: [`MAX_CONNECTIONS`] at a time, the others wait in the kernel's queue.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Listen;
use super::link::Link;

/// Connections that are served at a time.
const MAX_CONNECTIONS: usize = 1024;

/// Pause after a failed accept, which is most often a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A bound address. Dropping it removes a Unix socket's file.
#[derive(Debug)]
pub(super) struct Listener {
    address: Listen,
    socket: Socket,
    room: Arc<Semaphore>,
}

impl Listener {
    pub(super) async fn bind(address: Listen) -> io::Result<Self> {
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let (address, socket) = match address {
            Listen::Tcp(address) => {
                let listener = TcpListener::bind(address).await?;
                (Listen::Tcp(listener.local_addr()?), Socket::Tcp(listener))
            }
            Listen::Unix(path) => {
                let listener = bind_unix(&path).await?;
                (Listen::Unix(path), Socket::Unix(listener))
            }
        };
        Ok(Self {
            address,
            socket,
            room,
        })
    }

    pub(super) fn address(&self) -> &Listen {
        &self.address
    }

    pub(super) fn tcp_address(&self) -> Option<SocketAddr> {
        match self.address {
            Listen::Tcp(address) => Some(address),
            Listen::Unix(_) => None,
        }
    }

    /// The next connection, with a permit to hold while it lives. Cancel-safe.
    pub(super) async fn accept(&self) -> io::Result<(Link, OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.room)
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        loop {
            let accepted = match &self.socket {
                Socket::Tcp(listener) => {
                    listener.accept().await.map(|(stream, _)| Link::tcp(stream))
                }
                Socket::Unix(listener) => listener
                    .accept()
                    .await
                    .map(|(stream, _)| Link::unix(stream)),
            };
            match accepted {
                Ok(link) => return Ok((link, permit)),
                Err(error) => {
                    tracing::debug!(%error, "development signer could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listen::Unix(path) = &self.address
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::debug!(%error, "development signer could not remove its socket");
        }
    }
}

/// Binds `path`, taking the place of a socket that nobody serves any more.
async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path).await => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

async fn is_stale(path: &Path) -> bool {
    let is_socket =
        std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    is_socket
        && UnixStream::connect(path)
            .await
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
