//! One connection in the socket protocol of Octez: frames in, frames out, one after the other.
//!
//! What is in a frame is the handler's business. The same promises hold as for HTTP: every wait on a peer has an
//! end, memory follows the bytes that have come and not those that were announced, and who hangs up is noticed.

use std::io;
use std::time::Duration;

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::time::{Instant, timeout, timeout_at};

use super::admission::Slot;
use super::refusal::{Refusal, farewell};
use super::{Edge, Peer};

/// Bytes of a length.
const LENGTH: usize = 2;
/// Memory for a frame grows in steps of this, as its bytes come.
const STEP: u64 = 4096;
/// Who has closed its side while it waits is given this long, as over HTTP.
const HALF_CLOSED: Duration = Duration::from_secs(1);

/// How long a connection may still begin to ask after the drain began, all its requests together. Here nobody asks again elsewhere, and a signature
/// takes two requests on one connection: so what comes in time is answered.
const DRAIN_GRACE: Duration = Duration::from_millis(250);

/// What a request was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The message, without its length.
    pub message: Vec<u8>,
    /// Whether the connection ends with it: what came could not be understood.
    pub last: bool,
}

/// What has to stand behind a listener of frames.
pub trait FrameHandler: Clone + Send + Sync + 'static {
    /// Answers one message. Dropped when the peer hangs up.
    fn answer(&self, message: Vec<u8>, peer: &Peer) -> impl Future<Output = Reply> + Send;

    /// The message that refuses with this sentence; the peer may ask again elsewhere.
    fn refusal(&self, cause: &str) -> Vec<u8>;
}

/// Serves a connection until it ends. Dropping it cuts the connection.
pub(super) async fn run<I, S>(io: I, peer: Peer, service: S, edge: Edge, slot: Slot)
where
    I: AsyncRead + AsyncWrite + Unpin + Send,
    S: FrameHandler,
{
    let evicted = slot.evicted();
    let mut io = BufReader::new(io);
    let mut wait = edge.limits.first_byte;
    let mut drain_begun = None;
    loop {
        let draining = edge.drain.is_cancelled();
        if draining {
            // Once for all its requests: who asks on and on must not keep the drain from ending.
            let begun: Instant = *drain_begun.get_or_insert_with(Instant::now);
            let left = DRAIN_GRACE.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            wait = wait.min(left);
        }
        // Between requests, and before the first, it may have to make room.
        let begun = tokio::select! {
            biased;
            () = evicted.cancelled() => false,
            begins = timeout(wait, io.fill_buf()) => {
                matches!(begins, Ok(Ok(bytes)) if !bytes.is_empty())
            }
            () = edge.drain.cancelled(), if !draining => continue,
        };
        if !begun {
            return;
        }
        wait = edge.limits.idle;
        let kept = slot.begun();
        let message = tokio::select! {
            biased;
            () = evicted.cancelled() => None,
            whole = timeout(edge.limits.head, read(&mut io)), if kept => match whole {
                Ok(Ok(message)) => slot.busy().then_some(message),
                Ok(Err(_)) | Err(_) => return,
            },
        };
        let Some(message) = message else {
            if let Some(_leaving) = edge.count.leave() {
                refuse(&mut io, &service, Refusal::FULL, &edge).await;
            }
            return;
        };
        let Some(reply) = answer(&mut io, message, &peer, &service).await else {
            return;
        };
        let written = write(&mut io, &reply.message, edge.limits.write).await;
        if written.is_err() || reply.last {
            if reply.last {
                farewell(&mut io).await;
            }
            return;
        }
        slot.idle();
    }
}

/// Reads one frame, which has begun.
async fn read<R: AsyncRead + Unpin>(io: &mut R) -> io::Result<Vec<u8>> {
    let mut length = [0; LENGTH];
    io.read_exact(&mut length).await?;
    let length = u64::from(u16::from_be_bytes(length));
    let mut message = Vec::new();
    let mut left = length;
    while left > 0 {
        let step = left.min(STEP);
        let read = (&mut *io).take(step).read_to_end(&mut message).await?;
        let read = u64::try_from(read).unwrap_or(step);
        if read < step {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left = left.saturating_sub(read);
    }
    Ok(message)
}

/// Has a message answered; nothing when the peer hangs up before that.
async fn answer<I, S>(
    io: &mut BufReader<I>,
    message: Vec<u8>,
    peer: &Peer,
    service: &S,
) -> Option<Reply>
where
    I: AsyncRead + Unpin,
    S: FrameHandler,
{
    let answered = service.answer(message, peer);
    tokio::pin!(answered);
    tokio::select! {
        biased;
        reply = &mut answered => return Some(reply),
        more = io.fill_buf() => match more {
            // The next request waits in the buffer.
            Ok(bytes) if !bytes.is_empty() => return Some(answered.await),
            Ok(_) => {}
            Err(_) => return None,
        },
    }
    let until = Instant::now().checked_add(HALF_CLOSED)?;
    timeout_at(until, answered).await.ok()
}

/// Writes a message with its length. One that fits no frame ends the connection.
async fn write<W: AsyncWrite + Unpin>(
    io: &mut W,
    message: &[u8],
    limit: Duration,
) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(message);
    let written = async {
        io.write_all(&frame).await?;
        io.flush().await
    };
    timeout(limit, written)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Refuses and takes leave.
pub(super) async fn refuse<I, S>(io: &mut I, service: &S, why: Refusal, edge: &Edge)
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: FrameHandler,
{
    let message = service.refusal(why.cause);
    if write(io, &message, edge.limits.write).await.is_ok() {
        farewell(io).await;
    }
}

#[cfg(test)]
mod tests;
