//! A baker's connection that can be cut in ways that a well-behaved server never shows.
//!
//! Wraps the socket below hyper. It knows nothing of HTTP but the empty line that ends a head.
//! Invariant: once a cut is ordered nothing more is written than the cut allows, and dropping the link
//! carries it out.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Reset,
    Truncate,
}

/// Orders a cut of the connection that it belongs to. The first order stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Cut {
    order: Arc<OnceLock<Order>>,
}

impl Cut {
    /// Nothing more is written; a TCP peer gets a reset, a Unix peer an end of stream.
    pub(super) fn reset(&self) {
        self.order.get_or_init(|| Order::Reset);
    }

    /// The next answer ends in the middle of its body and the connection closes.
    pub(super) fn truncate(&self) {
        self.order.get_or_init(|| Order::Truncate);
    }

    fn order(&self) -> Option<Order> {
        self.order.get().copied()
    }
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One accepted connection.
#[derive(Debug)]
pub(super) struct Link {
    socket: Socket,
    cut: Cut,
}

impl Link {
    pub(super) fn tcp(stream: TcpStream) -> Self {
        Self {
            socket: Socket::Tcp(stream),
            cut: Cut::default(),
        }
    }

    pub(super) fn unix(stream: UnixStream) -> Self {
        Self {
            socket: Socket::Unix(stream),
            cut: Cut::default(),
        }
    }

    /// The handle that cuts this link.
    pub(super) fn cut(&self) -> Cut {
        self.cut.clone()
    }

    fn write_socket(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }
}

/// The part of an answer that a truncated connection still carries: the head and half of the body.
fn first_half(answer: &[u8]) -> &[u8] {
    let head = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(0, |at| at.saturating_add(4));
    let body = answer.len().saturating_sub(head);
    answer
        .get(..head.saturating_add(body / 2))
        .unwrap_or(answer)
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.cut.order() {
            Some(Order::Reset) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            // hyper hands head and body of a small answer over in one write, so one half is all there is.
            Some(Order::Truncate) => match self.write_socket(cx, first_half(buf)) {
                Poll::Ready(Ok(_)) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                other @ (Poll::Ready(Err(_)) | Poll::Pending) => other,
            },
            None => self.write_socket(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cut.order() == Some(Order::Reset) {
            // An orderly end of stream would reach the peer before the reset.
            return Poll::Ready(Ok(()));
        }
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let Socket::Tcp(stream) = &self.socket else {
            return;
        };
        if self.cut.order() == Some(Order::Reset)
            && let Err(error) = stream.set_zero_linger()
        {
            tracing::debug!(%error, "development signer could not reset a connection");
        }
    }
}
