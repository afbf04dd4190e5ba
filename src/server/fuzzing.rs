//! The strict reader of HTTP, shown to the fuzz targets.
//!
//! Built for them alone, behind the feature `fuzzing`; nothing of the program uses it.

use bytes::BytesMut;

use super::strict::Strict;

/// What came of a connection's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Each message that was passed on whole.
    pub messages: Vec<Vec<u8>>,
    /// Why the connection ended, if it did.
    pub refused: Option<String>,
}

/// Feeds `input` in pieces of `step` bytes, at least 1, and goes on to the next message after each.
#[must_use]
pub fn read_http(input: &[u8], step: usize, head_bytes: usize) -> Passed {
    let mut strict = Strict::new(head_bytes);
    let (mut passed, mut message) = (Passed::default(), Vec::new());
    let mut incoming = BytesMut::new();
    for piece in input.chunks(step.max(1)) {
        incoming.extend_from_slice(piece);
        loop {
            match strict.take(&mut incoming) {
                Ok(Some(bytes)) => message.extend_from_slice(&bytes),
                Ok(None) => break,
                Err(violation) => {
                    passed.refused = Some(violation.refusal().cause.to_owned());
                    return passed;
                }
            }
            if strict.is_done() {
                passed.messages.push(std::mem::take(&mut message));
                strict.next_message();
            }
        }
    }
    passed
}
