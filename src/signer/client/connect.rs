//! Streams to signers: TCP and Unix sockets behind one type.

use std::fmt::Debug;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use tokio_rustls::TlsConnector;

use crate::settings::SignerUrl;
use crate::tls::Outward;

use super::super::cause::Cause;
use super::cause::of_tls;

/// Unacknowledged bytes for this long end the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(3);

/// An idle connection is asked for a sign of life after this long,
const KEEPALIVE_AFTER: Duration = Duration::from_secs(2);
/// then so often,
const KEEPALIVE_EVERY: Duration = Duration::from_secs(1);
/// and ends after so many that were not answered.
const KEEPALIVE_TRIES: u32 = 2;

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
        SignerUrl::Http { host, port }
        | SignerUrl::Https { host, port }
        | SignerUrl::Tcp { host, port } => Ok(Box::new(connect_tcp(host, *port).await?)),
        SignerUrl::HttpUnix { path } | SignerUrl::Unix { path } => {
            Ok(Box::new(UnixStream::connect(path).await?))
        }
    }
}

/// Makes TLS of a stream, with what is on the disk now.
pub(super) async fn secure(
    stream: Box<dyn Stream>,
    tls: &Outward,
) -> Result<Box<dyn Stream>, Cause> {
    let (config, name) = tls.config().map_err(Cause::Tls)?;
    let connected = TlsConnector::from(config).connect(name, stream).await;
    let connected = connected.map_err(|error| {
        of_tls(&error).unwrap_or_else(|| {
            Cause::Tls("the connection ends while it is being secured".to_owned())
        })
    })?;
    let (_, session) = connected.get_ref();
    tls.note_peer(session.peer_certificates().and_then(<[_]>::first));
    Ok(Box::new(connected))
}

/// A socket that notices within seconds when the other machine is gone, whether or not something is asked over it.
async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_TRIES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn sockets_to_signers_notice_a_machine_that_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = connect_tcp("127.0.0.1", port).await.unwrap();
        let socket = SockRef::from(&stream);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_AFTER);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), KEEPALIVE_EVERY);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), KEEPALIVE_TRIES);
        assert!(stream.nodelay().unwrap());
    }
}
