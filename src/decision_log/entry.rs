//! What one line of the decision log says.
//!
//! Never in an entry: the bytes that were asked for, signatures, authentication. Bytes are named by their
//! digest. Reasons may hold words of signers and are therefore passed through [`clean`].

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::guard::Account;
use crate::tezos::{ChainId, Digest, Level, PublicKeyHash};
use crate::time::now;

/// Characters of a reason that are kept.
const LONGEST_REASON: usize = 500;
/// Longer runs of letters and digits are left out of reasons. Key hashes have 36 characters; payloads,
/// signatures and public keys have more than this.
const LONGEST_RUN: usize = 40;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The slot was claimed for these bytes; the claim was durable before this entry was made.
    Claimed,
    /// The same bytes were claimed before and have no signature yet: the same permission again.
    ClaimedAgain,
    /// The signature was made durable and nobody waited for it any more.
    Recorded,
    /// The signature was given to this requester.
    Released,
    /// The signature recorded earlier was given to this requester.
    Replayed,
    /// This requester got no signature.
    Refused,
    /// A watermark was raised; the reason names the kinds.
    WatermarkRaised,
    /// A level was set above which the key does not sign.
    Stopped,
    /// Signing with the key was halted.
    Halted,
    /// A halted key may sign again.
    Resumed,
    /// The store was sealed: it never claims again.
    Sealed,
    /// An operator accepted a store that was not the one expected.
    Accepted,
    /// An operator replaced the store; watermarks may be lower than they were.
    Reset,
    /// The proxy opened the log.
    Started,
    /// The proxy ended in good order. A `started` without one before it follows a crash.
    Ended,
    /// Something is missing here; the reason says what, the count how much.
    Gap,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// Whom an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A request for a signature.
    Request,
    /// What may be signed, changed by an operator or by evidence.
    Change,
    /// The process or the log itself.
    Log,
}

impl Event {
    /// Whom it is about.
    #[must_use]
    pub fn about(self) -> About {
        match self {
            Self::Claimed
            | Self::ClaimedAgain
            | Self::Recorded
            | Self::Released
            | Self::Replayed
            | Self::Refused => About::Request,
            Self::WatermarkRaised
            | Self::Stopped
            | Self::Halted
            | Self::Resumed
            | Self::Sealed
            | Self::Accepted
            | Self::Reset => About::Change,
            Self::Started | Self::Ended | Self::Gap | Self::Unknown => About::Log,
        }
    }
}

/// One decision. Fields that do not apply are absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was decided, by the wall clock.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
    /// The chain of the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainId>,
    /// The key that was to sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PublicKeyHash>,
    /// The kind of payload, `other` if it belongs to no slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Cow<'static, str>>,
    /// Block level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u32>,
    /// Round within the level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// BLAKE2b-256 over the bytes asked for.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hexadecimal")]
    pub digest: Option<Digest>,
    /// The signer that gave the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// Who asked: the address of the baker's connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// The code of the answer, such as `watermark`, or the guard's word for its refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Cow<'static, str>>,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A number that belongs to the event: entries or bytes that are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl Entry {
    /// An entry of now, with nothing but the event.
    #[must_use]
    pub fn new(event: Event) -> Self {
        Self {
            at: now(),
            event,
            chain: None,
            key: None,
            kind: None,
            level: None,
            round: None,
            digest: None,
            signer: None,
            requester: None,
            code: None,
            reason: None,
            count: None,
        }
    }

    /// An entry about a key as a whole.
    #[must_use]
    pub fn of_account(account: Account, event: Event, level: Option<Level>) -> Self {
        Self {
            chain: Some(account.chain),
            key: Some(account.key),
            level: level.map(Level::get),
            ..Self::new(event)
        }
    }

    /// An entry that says that something is missing.
    #[must_use]
    pub fn gap(count: Option<u64>, reason: &str) -> Self {
        Self {
            count,
            ..Self::new(Event::Gap).because(reason)
        }
    }

    /// The same with another event, as of now.
    #[must_use]
    pub fn becoming(&self, event: Event) -> Self {
        Self {
            at: now(),
            event,
            ..self.clone()
        }
    }

    /// The same with a reason, cleaned.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(clean(reason));
        self
    }

    /// The same with a code.
    #[must_use]
    pub fn coded(mut self, code: &'static str) -> Self {
        self.code = Some(Cow::Borrowed(code));
        self
    }
}

/// `words` without what could be a payload or a signature (long runs of letters and digits) and without
/// control characters, at most 500 characters of it.
#[must_use]
pub fn clean(words: &str) -> String {
    let mut cleaned = String::new();
    let mut rest = words;
    while let Some(first) = rest.chars().next() {
        let is_word = first.is_ascii_alphanumeric();
        let end = rest
            .find(|c: char| c.is_ascii_alphanumeric() != is_word)
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if is_word && run.len() > LONGEST_RUN {
            let left_out = format!("[{} characters]", run.len());
            cleaned.push_str(&left_out);
        } else {
            let visible = |c: char| if c.is_control() { ' ' } else { c };
            cleaned.extend(run.chars().map(visible));
        }
        rest = after;
    }
    match cleaned.char_indices().nth(LONGEST_REASON) {
        None => cleaned,
        Some((end, _)) => cleaned.get(..end).unwrap_or_default().to_owned() + "...",
    }
}

/// A digest as 64 hexadecimal digits.
mod hexadecimal {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::tezos::Digest;

    #[expect(clippy::ref_option, reason = "serde gives a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        digest: &Option<Digest>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match digest {
            Some(digest) => serializer.collect_str(digest),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Digest>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes)
            .map_err(|error| D::Error::custom(format!("a digest is 64 hex digits: {error}")))?;
        Ok(Some(Digest::from(bytes)))
    }
}
