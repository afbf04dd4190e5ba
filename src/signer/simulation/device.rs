//! The devices of a world: they really sign, keep a watermark of their own and note all that they do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::settings::Repeat;
use crate::tezos::{Curve, Position, Scheme, error_body, signature_body};
use crate::tezos::{Digest, ErrorKind, SecretKey, Signature};

use super::super::board::Board;
use super::draw::Draw;
use super::faults::{self, Fault, Trouble};
use super::options::SignerOptions;
use super::trace::{End, Event, Slot, Trace, Work};

/// How much slower a slow device is.
const SLOW: u32 = 10;

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: String,
    /// What it is to the trace once it is written.
    pub(super) end: End,
}

impl Reply {
    /// One of status 200.
    pub(super) fn fine(body: String, end: End) -> Self {
        let status = 200;
        Self { status, body, end }
    }

    /// An error.
    pub(super) fn error(status: u16, words: &str) -> Self {
        Self {
            status,
            body: error_body(ErrorKind::Temporary, words),
            end: End::Refused,
        }
    }
}

/// What was signed last on one watermark: a kind of a key, or all of them.
#[derive(Clone, Debug)]
struct Mark {
    mark: (Position, u8),
    digest: Digest,
}

/// A device.
#[derive(Debug)]
pub(super) struct Device {
    index: usize,
    options: SignerOptions,
    turns: Semaphore,
    marks: Mutex<BTreeMap<(usize, u8), Mark>>,
    draw: Mutex<Draw>,
    /// Told when a fault begins or ends.
    edges: Arc<Board>,
    faults: Arc<Vec<Fault>>,
    trace: Arc<Trace>,
}

impl Device {
    pub(super) fn new(
        index: usize,
        options: SignerOptions,
        draw: Draw,
        edges: Arc<Board>,
        (faults, trace): (Arc<Vec<Fault>>, Arc<Trace>),
    ) -> Self {
        Self {
            index,
            turns: Semaphore::new(options.capacity),
            options,
            marks: Mutex::default(),
            draw: Mutex::new(draw),
            edges,
            faults,
            trace,
        }
    }

    /// Works on a request until it is done, whether or not anybody waits for it. `None` ends its connection.
    pub(super) async fn work(
        &self,
        job: usize,
        (slot, bytes): (Slot, &[u8]),
        secret: &SecretKey,
    ) -> Option<Reply> {
        self.trace.note(Event::Arrived { job });
        let turn = self.turns.acquire().await.unwrap();
        let reply = if self.hangs_and_forgets().await {
            self.done(job, Work::Forgot);
            None
        } else {
            if !self.replays(slot, &crate::tezos::digest(bytes)) {
                tokio::time::sleep(self.latency()).await;
            }
            if self.hangs_and_forgets().await {
                self.done(job, Work::Forgot);
                None
            } else {
                Some(self.answer(job, slot, bytes, secret))
            }
        };
        drop(turn);
        reply
    }

    fn done(&self, job: usize, work: Work) {
        self.trace.note(Event::Worked { job, work });
    }

    fn trouble(&self) -> Option<Trouble> {
        faults::of_device(&self.faults, self.index, self.trace.now())
    }

    /// Waits while it hangs; true if it has forgotten its work since.
    async fn hangs_and_forgets(&self) -> bool {
        let mut edges = self.edges.reader();
        let mut hung = false;
        while self.trouble() == Some(Trouble::Hangs) {
            hung = true;
            edges.changed().await;
        }
        hung && self.options.forgets
    }

    /// Whether it has the signature already, and gives it from its memory.
    fn replays(&self, slot: Slot, digest: &Digest) -> bool {
        let marks = self.marks.lock().unwrap();
        let last = marks.get(&(slot.key, self.class(slot)));
        self.options.repeat == Repeat::Replay
            && last.is_some_and(|last| last.mark == slot.mark() && last.digest == *digest)
    }

    /// What shares a watermark.
    fn class(&self, slot: Slot) -> u8 {
        if self.options.shared_watermark {
            0
        } else {
            slot.kind.magic()
        }
    }

    fn latency(&self) -> Duration {
        let (least, most) = self.options.latency;
        let ms = |length: Duration| u64::try_from(length.as_millis()).unwrap();
        let latency = self.draw.lock().unwrap().ms(ms(least), ms(most));
        if self.trouble() == Some(Trouble::SlowDevice) {
            latency * SLOW
        } else {
            latency
        }
    }

    fn answer(&self, job: usize, slot: Slot, bytes: &[u8], secret: &SecretKey) -> Reply {
        let trouble = self.trouble();
        if trouble == Some(Trouble::Errors) {
            self.done(job, Work::Refused);
            return Reply::error(500, "device is not ready");
        }
        if let Err(words) = self.raise(slot, crate::tezos::digest(bytes)) {
            self.done(job, Work::Refused);
            return Reply::error(500, &words);
        }
        self.done(job, Work::Signed);
        let signature = secret.sign(Scheme::Standard, bytes);
        match trouble {
            Some(Trouble::Garbage) => Reply::fine("<html>".to_owned(), End::Nonsense),
            Some(Trouble::WrongSignature) => Reply::fine(body(&wrong(&signature)), End::Nonsense),
            _ => Reply::fine(body(&signature), End::Signed),
        }
    }

    /// Moves the watermark to the slot, or says why not: in the words of octez-signer, or with a Ledger's
    /// number.
    fn raise(&self, slot: Slot, digest: Digest) -> Result<(), String> {
        let class = self.class(slot);
        let mut marks = self.marks.lock().unwrap();
        if let Some(high) = marks.get(&(slot.key, class)) {
            let level = slot.position.level;
            let is_equal = slot.mark() == high.mark && high.digest == digest;
            let refuses = self.options.repeat == Repeat::Refuse;
            if (is_equal && refuses)
                || (!is_equal && self.options.shared_watermark && slot.mark() <= high.mark)
            {
                return Err("ledger refused to sign: wrong values (0x6a80)".to_owned());
            }
            if slot.mark() < high.mark {
                let (position, kind) = (high.mark.0, slot.kind);
                return Err(format!(
                    "{kind} level {level} below high watermark {position}"
                ));
            }
            if slot.mark() == high.mark && !is_equal {
                return Err(format!(
                    "{} level {level} and round {} already signed with different data",
                    slot.kind, slot.position.round
                ));
            }
        }
        let mark = slot.mark();
        marks.insert((slot.key, class), Mark { mark, digest });
        Ok(())
    }
}

pub(super) fn body(signature: &Signature) -> String {
    signature_body(&signature.encode(Curve::Ed25519))
}

/// One bit of it is wrong.
fn wrong(signature: &Signature) -> Signature {
    let mut raw = signature.raw().to_vec();
    raw[0] ^= 1;
    Signature::from_raw(raw).unwrap()
}
