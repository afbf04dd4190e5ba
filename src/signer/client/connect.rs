//! Streams to signers: TCP and Unix sockets behind one type.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::settings::SignerUrl;

/// Unacknowledged bytes for this long end the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(3);

/// A byte stream of any kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects. An accepted connection proves nothing yet: sshd accepts for a dead client.
pub(super) async fn connect(url: &SignerUrl) -> io::Result<Box<dyn Stream>> {
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
