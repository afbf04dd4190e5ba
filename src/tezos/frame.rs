//! The socket protocol of Octez signers (`tcp:` and `unix:`): frames, requests and replies as bytes.
//!
//! A frame is its length as two bytes, big-endian, and so many bytes. A connection carries one request after
//! the other, each answered before the next; there is no handshake. Requests mean what routes of the HTTP
//! protocol mean, and replies what its bodies mean: [`reply_from_body`] and [`body_from_reply`] go from one to
//! the other, so that nothing else has to know two protocols.
//!
//! Layouts are those of Octez v23 to v25 (`src/lib_base/unix/socket.ml`,
//! `src/lib_signer_services/signer_messages.ml`): the version goes along for tz4 keys only.

mod bson;
mod cursor;
mod reply;
mod request;

pub use self::reply::{body_from_reply, error_reply, reply_from_body, supports_nonces_reply};
pub use self::request::{Request, decode_request, encode_request};

/// Bytes in front of each frame.
pub const LENGTH_BYTES: usize = 2;
/// The longest frame.
pub const MOST: usize = u16::MAX as usize;

/// Why bytes are not a frame of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It ends before it should.
    #[error("ends within {what}")]
    Short {
        /// What is not whole.
        what: &'static str,
    },
    /// More bytes than the message has.
    #[error("{count} bytes are left over")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// A part has a value that it cannot have.
    #[error("{what}: {reason}")]
    Value {
        /// The part.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The message is longer than a frame may be, or of a kind that has no form here.
    #[error("{what} has no form in the socket protocol")]
    Unspeakable {
        /// What it is about.
        what: &'static str,
    },
}

impl FrameError {
    fn value(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Value {
            what,
            reason: reason.into(),
        }
    }
}

/// A message with its length in front.
///
/// # Errors
/// [`FrameError::Unspeakable`] for more than 65535 bytes.
pub fn framed(message: &[u8]) -> Result<Vec<u8>, FrameError> {
    let length = u16::try_from(message.len()).map_err(|_| FrameError::Unspeakable {
        what: "a message of more than 65535 bytes",
    })?;
    let mut frame = Vec::with_capacity(message.len().saturating_add(LENGTH_BYTES));
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(message);
    Ok(frame)
}

#[cfg(test)]
mod tests;
