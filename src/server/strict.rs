//! A strict reader of HTTP/1 framing that stands in front of the lenient one.
//!
//! hyper drops a `content-length` that comes with a `transfer-encoding` and folds equal duplicates, so
//! that a service cannot see what another program on the way might have understood differently. This
//! machine looks at every byte first and lets one well-framed message through at a time. It does no
//! I/O, keeps no copy of what it has let through, and does not interpret what it does not frame by.
//!
//! Invariants: what it passes, hyper accepts; it passes nothing of a head before the head is complete
//! and valid, and nothing of a read in which a violation lies before the message's end.

mod chunk;
mod head;
#[cfg(test)]
mod tests;
mod violation;

use bytes::{Bytes, BytesMut};

use self::chunk::Chunks;
use self::head::Head;
pub(super) use self::violation::Violation;

/// How the body of a message is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Chunked,
    Sized(u64),
}

/// The machine for one connection.
#[derive(Debug)]
pub(super) struct Strict {
    head_bytes: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(Head),
    /// Bytes of the body still to come, never 0.
    Sized(u64),
    Chunked(Chunks),
    /// The message is complete and the next one may not be looked at yet.
    Done,
}

impl Strict {
    /// A machine before its first message, with heads of at most `head_bytes`.
    pub(super) fn new(head_bytes: usize) -> Self {
        Self {
            head_bytes,
            state: State::Head(Head::new(head_bytes)),
        }
    }

    /// Whether a head is expected or incomplete.
    pub(super) fn in_head(&self) -> bool {
        matches!(self.state, State::Head(_))
    }

    /// Whether the whole message has been passed.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Begins the next message.
    pub(super) fn next_message(&mut self) {
        self.state = State::Head(Head::new(self.head_bytes));
    }

    /// Takes from the front of `incoming` what may be passed on now: a whole head, or a piece of a
    /// body. `None` when more bytes are needed or the message is complete. A head stays in `incoming`
    /// until it is complete.
    ///
    /// # Errors
    /// The violation; the connection must not be read any further.
    pub(super) fn take(&mut self, incoming: &mut BytesMut) -> Result<Option<Bytes>, Violation> {
        let (count, next) = match &mut self.state {
            State::Done => return Ok(None),
            State::Head(head) => match head.scan(incoming)? {
                None => return Ok(None),
                Some((length, Framing::Chunked)) => (length, State::Chunked(Chunks::new())),
                Some((length, Framing::Sized(body))) => (length, sized(body)),
            },
            State::Sized(left) => {
                let count = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(incoming.len());
                (count, sized(left.saturating_sub(count as u64)))
            }
            State::Chunked(chunks) => {
                let count = chunks.scan(incoming)?;
                let next = if chunks.is_done() {
                    State::Done
                } else {
                    State::Chunked(*chunks)
                };
                (count, next)
            }
        };
        self.state = next;
        if count == 0 {
            return Ok(None);
        }
        Ok(Some(incoming.split_to(count).freeze()))
    }
}

fn sized(left: u64) -> State {
    if left == 0 {
        State::Done
    } else {
        State::Sized(left)
    }
}
