//! What an operator, or evidence, decides about a key as a whole: where it stops, and that it is halted.
//!
//! Both only refuse. Neither allows what a floor or a row forbids, and neither touches what was recorded.

use jiff::Timestamp;

use crate::tezos::{ChainId, Level, PublicKeyHash};

use super::watermark::{Refusal, SlotText, Stream};

/// A key on a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    /// The chain.
    pub chain: ChainId,
    /// The key.
    pub key: PublicKeyHash,
}

impl From<Stream> for Account {
    fn from(stream: Stream) -> Self {
        Self {
            chain: stream.chain,
            key: stream.key,
        }
    }
}

/// Signing with a key was stopped on evidence that somebody else signs with it, until an operator resumes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// When.
    pub at: Timestamp,
    /// The evidence, as a sentence of at most [`Halt::REASON_MAX`] bytes.
    pub reason: String,
}

impl Halt {
    /// The longest reason that is kept, in bytes; the rest is cut off.
    pub const REASON_MAX: usize = 1_024;

    /// A halt with its reason cut to what is kept, in one line.
    #[must_use]
    pub fn new(at: Timestamp, mut reason: String) -> Self {
        if reason.contains(char::is_control) {
            reason = reason.replace(char::is_control, " ");
        }
        // As the store keeps it: what is read back is the same halt.
        let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        reason.truncate(reason.floor_char_boundary(Self::REASON_MAX));
        Self { at, reason }
    }
}

/// What stands about a key as a whole; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// Nothing above this level is ever signed: the key has moved, or will.
    pub stop_at: Option<Level>,
    /// Nothing is signed until an operator resumes the key.
    pub halt: Option<Halt>,
}

impl AccountState {
    /// Why nothing may be signed for `slot`, if so.
    pub(super) fn forbids(&self, slot: SlotText) -> Option<Refusal> {
        if let Some(halt) = &self.halt {
            let halt = Box::new(halt.clone());
            return Some(Refusal::Halted { slot, halt });
        }
        let stop = self.stop_at?;
        (slot.0.position.level > stop).then_some(Refusal::Stopped { slot, stop })
    }
}
