//! Bakers that race for the same slots with different bytes while the proxy is killed again and again.
//!
//! Bakers draw what they ask from a seed and go on through all lives of the proxy; one more worker asks
//! again for signatures that were given. They wait while the proxy is away, because a refused connection
//! shows nothing.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use signer_proxy::dev_signer::log::{Entry, Event};
use signer_proxy::tezos::{Curve, PublicKey, Scheme, decode_signature, digest, verify};
use tokio::sync::watch;

use crate::harness::baker::{Baker, scheme_of};
use crate::harness::direct::FLOOR;
use crate::harness::http::Answer;
use crate::harness::luck::Luck;
use crate::harness::payload::{Kind, slot};
use crate::harness::signer::Signer;
use crate::harness::wait::until;

use super::told::{Question, Said, Told};

pub(super) const CURVES: [Curve; 4] = [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls];

/// Questions on average for one slot, from all bakers together.
const ASKED_PER_SLOT: u32 = 6;

/// Names of payloads that compete for a slot.
const FILLS: [u8; 2] = [1, 2];

/// Whether there is a proxy to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Down,
    Up(u32),
    Over,
}

/// What all workers share.
#[derive(Debug)]
pub(super) struct Storm {
    baker: Baker,
    life: watch::Sender<Life>,
    turn: AtomicU32,
    told: Mutex<Told>,
}

impl Storm {
    /// Nobody is asked before the first life.
    pub(super) fn new(baker: &Baker) -> Arc<Self> {
        Arc::new(Self {
            baker: baker.clone(),
            life: watch::Sender::new(Life::Down),
            turn: AtomicU32::new(0),
            told: Mutex::default(),
        })
    }

    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    pub(super) fn begin_life(&self, number: u32) {
        self.life.send_replace(Life::Up(number));
    }

    pub(super) fn end_life(&self) {
        self.life.send_replace(Life::Down);
    }

    pub(super) fn end(&self) {
        self.life.send_replace(Life::Over);
    }

    /// Asks through all lives.
    pub(super) async fn bake(self: Arc<Self>, mut luck: Luck) {
        let mut life = self.life.subscribe();
        while let Some(present) = alive(&mut life).await {
            let question = self.draw(&mut luck);
            if matches!(self.ask(question).await, Said::Nothing) {
                over(&mut life, present).await;
            }
        }
    }

    /// Asks through all lives for what has been signed: what is new first, then anything that is kept.
    pub(super) async fn audit(self: Arc<Self>, mut luck: Luck) {
        let mut life = self.life.subscribe();
        while let Some(present) = alive(&mut life).await {
            let new = self.told().audit();
            let question = match new {
                Some(question) => question,
                None => self.draw_again(&mut luck),
            };
            if matches!(self.ask(question).await, Said::Nothing) {
                if new.is_some() {
                    self.told().audit_later(question);
                }
                over(&mut life, present).await;
            }
        }
    }

    /// What a baker asks next: mostly the slot whose turn it is, else one before or after it.
    fn draw(&self, luck: &mut Luck) -> Question {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) / ASKED_PER_SLOT;
        let turn = match luck.number(0..100) {
            0..75 => turn,
            75..90 => turn.saturating_sub(luck.number(1..200)),
            _ => turn + luck.number(1..24),
        };
        question(turn, luck)
    }

    /// Something that was signed and is kept, or anything if there is none.
    fn draw_again(&self, luck: &mut Luck) -> Question {
        let kept = self.told().kept();
        if kept.is_empty() {
            return self.draw(luck);
        }
        luck.one_of(&kept)
    }

    fn key(&self, curve: Curve) -> &PublicKey {
        let mut keys = self.baker.keys().iter();
        keys.find(|key| key.curve() == curve).unwrap()
    }

    /// Asks and takes down what was said.
    pub(super) async fn ask(&self, question: Question) -> Said {
        self.told().asking(&question);
        let key = self.key(question.curve);
        let bytes = question.slot.bytes(question.curve, question.fill);
        let query = match question.scheme {
            Scheme::Aug => "?version=1",
            Scheme::Pop | Scheme::Standard => "?version=3",
        };
        let said = match self.baker.post(key, query, &bytes).await {
            Ok(answer) => understood(key, question.scheme, &bytes, &answer),
            // An answer in vain waited for, or one that is none; anything else is the work of the kill.
            Err(error) if [ErrorKind::TimedOut, ErrorKind::InvalidData].contains(&error.kind()) => {
                Said::Wrong(error.to_string())
            }
            Err(_) => Said::Nothing,
        };
        self.told().hear(question, &said);
        said
    }

    /// Asks until the answer says something about the slot: who asks for an old one gets none while a signer
    /// that refused it before is left alone.
    async fn ask_until_answered(&self, question: Question) -> Said {
        let answered = async || {
            let said = self.ask(question).await;
            (!matches!(said, Said::NoSigner)).then_some(said)
        };
        until("an answer about the slot", answered).await
    }

    /// Asks every signer's log which payloads arrived for slots that are kept: each must be signed for its
    /// own bytes, because a claim that was forwarded is never lost. Returns how many there were.
    pub(super) async fn ask_for_all_that_arrived(&self, signers: &[Signer]) -> usize {
        let mut arrived = HashSet::new();
        for signer in signers {
            let text = std::fs::read_to_string(signer.log()).unwrap();
            for line in text.lines() {
                let entry: Entry = serde_json::from_str(line).unwrap();
                if entry.event == Event::Received {
                    arrived.extend(self.fill_of(&entry));
                }
            }
        }
        for (curve, slot, fill) in &arrived {
            let mut answers = Vec::new();
            for scheme in schemes(*curve) {
                let (curve, slot, fill, scheme) = (*curve, *slot, *fill, *scheme);
                let question = Question {
                    curve,
                    slot,
                    fill,
                    scheme,
                };
                answers.push(self.ask_until_answered(question).await);
            }
            let signed = answers
                .iter()
                .filter(|said| matches!(said, Said::Signature(_)))
                .count();
            assert_eq!(signed, 1, "{slot:?} of {curve} with {fill}: {answers:?}");
        }
        arrived.len()
    }

    /// Which of our payloads an entry is about, if its slot is kept.
    fn fill_of(&self, entry: &Entry) -> Option<(Curve, crate::harness::payload::Slot, u8)> {
        let curve = entry.key.curve();
        let kind = match entry.kind.as_str() {
            "block" => Kind::Block,
            "preattestation" => Kind::Preattestation,
            "attestation" => Kind::Attestation,
            other => panic!("a signer received {other}"),
        };
        let slot = slot(kind, entry.level.unwrap(), entry.round.unwrap());
        if !self.told().is_kept(slot) {
            return None;
        }
        let is_it = |fill: &u8| digest(&slot.bytes(curve, *fill)).to_string() == entry.digest;
        let fill = FILLS.into_iter().find(is_it).unwrap();
        Some((curve, slot, fill))
    }
}

fn schemes(curve: Curve) -> &'static [Scheme] {
    match curve {
        Curve::Bls => &[Scheme::Pop, Scheme::Aug],
        Curve::Ed25519 | Curve::Secp256k1 | Curve::P256 | Curve::MlDsa => &[Scheme::Standard],
    }
}

/// A question for the slot number `turn`: each level has two rounds of all kinds for all keys.
fn question(turn: u32, luck: &mut Luck) -> Question {
    let index = |n: u32| usize::try_from(n).unwrap();
    let curve = CURVES[index(turn % 4)];
    let kind = Kind::ALL[index(turn / 4 % 3)];
    let scheme = if curve == Curve::Bls && luck.percent(20) {
        Scheme::Aug
    } else {
        scheme_of(curve)
    };
    Question {
        curve,
        slot: slot(kind, FLOOR + 1 + turn / 24, turn / 12 % 2),
        fill: luck.one_of(&FILLS),
        scheme,
    }
}

/// Waits for a proxy; `None` when there will be none any more.
async fn alive(life: &mut watch::Receiver<Life>) -> Option<Life> {
    let present = life.wait_for(|life| *life != Life::Down).await.ok()?;
    (*present != Life::Over).then_some(*present)
}

/// Waits for the end of `present`.
async fn over(life: &mut watch::Receiver<Life>, present: Life) {
    life.wait_for(|life| *life != present).await.ok();
}

fn understood(key: &PublicKey, scheme: Scheme, bytes: &[u8], answer: &Answer) -> Said {
    match answer.status {
        200 => match decode_signature(answer.body.as_bytes()) {
            Ok(signature) if verify(key, scheme, bytes, &signature).is_ok() => {
                Said::Signature(signature)
            }
            _ => Said::Wrong(format!("{answer:?}")),
        },
        409 => {
            let sentence = answer.refusal(409);
            if sentence.starts_with("[watermark] ") {
                Said::Refused(sentence)
            } else {
                Said::Wrong(sentence)
            }
        }
        500 => {
            let sentence = answer.refusal(500);
            let unsigned = ["[no-signer] ", "[deadline] "];
            if unsigned.iter().any(|code| sentence.starts_with(code)) {
                Said::NoSigner
            } else {
                Said::Wrong(sentence)
            }
        }
        _ => Said::Wrong(format!("{answer:?}")),
    }
}
