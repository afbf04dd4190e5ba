//! The stream that hyper reads from and writes to: one checked message at a time.
//!
//! It reads the socket into a buffer of its own, lets [`Strict`] take from it what may pass, and holds
//! back the next message until the answer to the one before has left. It tells [`Shared`] what it
//! sees; it never closes, never times, and writes nothing of its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::connection::Shared;
use super::phase::Phase;
use super::refusal::Refusal;
use super::strict::{Strict, Violation};

/// Bytes asked from the socket at a time.
const READ_BYTES: usize = 8 * 1024;

/// One connection's stream.
#[derive(Debug)]
pub(super) struct Tap<I> {
    inner: I,
    strict: Strict,
    shared: Arc<Shared>,
    /// Read and not yet passed: at most one head's limit and one read.
    incoming: BytesMut,
    /// Passed by `strict` and not yet taken by hyper.
    checked: Bytes,
    ended: bool,
}

/// What the tap can do next for hyper.
enum Next {
    Checked,
    Nothing,
    Read,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Tap<I> {
    pub(super) fn new(inner: I, head_bytes: usize, shared: Arc<Shared>) -> Self {
        let strict = Strict::new(head_bytes);
        Self {
            inner,
            strict,
            shared,
            incoming: BytesMut::new(),
            checked: Bytes::new(),
            ended: false,
        }
    }

    /// Whether bytes have been read that no service has seen.
    pub(super) fn has_unseen(&self) -> bool {
        !self.incoming.is_empty()
    }

    pub(super) fn into_inner(self) -> I {
        self.inner
    }

    /// Moves what is in `incoming` as far as it may go.
    fn advance(&mut self) -> io::Result<Next> {
        let phase = self.shared.progress().phase();
        if self.strict.is_done() {
            if !matches!(phase, Phase::Idle { .. }) {
                return Ok(Next::Nothing);
            }
            self.strict.next_message();
        }
        if self.incoming.is_empty() {
            return Ok(Next::Read);
        }
        let in_head = self.strict.in_head();
        if in_head
            && !matches!(phase, Phase::Head { .. })
            && let Err(refusal) = self.shared.head_begins()
        {
            return Ok(self.refuse(refusal));
        }
        match self.strict.take(&mut self.incoming) {
            Err(violation) if self.shared.progress().is_answered() => {
                // Too late for another answer. hyper finishes the one it has, and closes.
                Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    violation.refusal().cause,
                ))
            }
            Err(violation) => Ok(self.refuse(violation.refusal())),
            Ok(None) => Ok(Next::Read),
            Ok(Some(checked)) => {
                if in_head {
                    self.shared.progress().request_begins();
                }
                if self.strict.is_done()
                    && let Err(refusal) = self.shared.message_done()
                {
                    return Ok(self.refuse(refusal));
                }
                self.checked = checked;
                Ok(Next::Checked)
            }
        }
    }

    /// Leaves the rest to the connection's driver, which looks for a refusal after every poll.
    fn refuse(&mut self, refusal: Refusal) -> Next {
        self.shared.progress().refuse(refusal);
        Next::Nothing
    }

    /// Reads from the socket into `incoming`; 0 at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Ok(0));
        }
        let mut space = [0_u8; READ_BYTES];
        let mut space = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut space))?;
        self.incoming.extend_from_slice(space.filled());
        self.ended = space.filled().is_empty();
        Poll::Ready(Ok(space.filled().len()))
    }

    /// While nothing may pass: notices that the peer hangs up, and keeps what it sends ahead of time.
    fn poll_hang_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = self.shared.progress();
        // With bytes in hand the end cannot be seen, and once answered the flush is waited for.
        let blind = progress.refusal().is_some() || progress.is_answered();
        drop(progress);
        if blind || self.ended || self.has_unseen() {
            return Poll::Pending;
        }
        if ready!(self.poll_fill(cx))? == 0 {
            self.shared.progress().half_closed(Instant::now());
        }
        Poll::Pending
    }

    /// One look whether the peer has sent something that nobody has read.
    pub(super) async fn late_bytes(&mut self) -> bool {
        std::future::poll_fn(|cx| {
            let read = self.poll_fill(cx);
            Poll::Ready(matches!(read, Poll::Ready(Ok(1..))) || self.has_unseen())
        })
        .await
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Tap<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.checked.has_remaining() {
                let count = this.checked.len().min(buf.remaining());
                buf.put_slice(&this.checked.split_to(count));
                return Poll::Ready(Ok(()));
            }
            match this.advance()? {
                Next::Checked => {}
                Next::Nothing => return this.poll_hang_up(cx),
                Next::Read => {
                    if ready!(this.poll_fill(cx))? > 0 {
                        continue;
                    }
                    if this.strict.in_head() && this.has_unseen() {
                        this.refuse(Violation::Ended.refusal());
                        return Poll::Pending;
                    }
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Tap<I> {
    fn note_write(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Pending => self.shared.progress().write_blocked(Instant::now()),
            Poll::Ready(Ok(1..)) => self.shared.progress().write_moved(),
            Poll::Ready(Ok(0) | Err(_)) => {}
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Tap<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.note_write(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.note_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// hyper flushes only when it has written all it has.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.inner).poll_flush(cx))?;
        if this.shared.flushed() {
            // hyper may have asked for the next head before this flush and been put off; nothing else
            // would make it ask again.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
