//! Streams to signers: TCP and Unix sockets behind one type.

use std::fmt::Debug;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::settings::SignerUrl;

/// Unacknowledged bytes for this long end the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(3);

/// A byte stream of any kind.
pub(in crate::signer) trait Stream:
    AsyncRead + AsyncWrite + Send + Unpin
{
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that is being made.
pub(in crate::signer) type Connecting<'a> =
    Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + 'a>>;

/// Makes connections. Has no time limit of its own; dropping the future gives the connection up.
pub(in crate::signer) trait Connect: Debug + Send + Sync {
    /// Connects. An accepted connection proves nothing yet: sshd accepts for a dead client.
    fn connect<'a>(&'a self, url: &'a SignerUrl) -> Connecting<'a>;
}

/// The network and the sockets of this machine.
#[derive(Clone, Copy, Debug)]
pub(in crate::signer) struct System;

impl Connect for System {
    fn connect<'a>(&'a self, url: &'a SignerUrl) -> Connecting<'a> {
        Box::pin(connect(url))
    }
}

async fn connect(url: &SignerUrl) -> io::Result<Box<dyn Stream>> {
    match url {
        SignerUrl::Http { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            let socket = SockRef::from(&stream);
            let keepalive = TcpKeepalive::new()
                .with_time(Duration::from_secs(2))
                .with_interval(Duration::from_secs(1))
                .with_retries(2);
            socket.set_tcp_keepalive(&keepalive)?;
            socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
            Ok(Box::new(stream))
        }
        SignerUrl::HttpUnix { path } => Ok(Box::new(UnixStream::connect(path).await?)),
    }
}
