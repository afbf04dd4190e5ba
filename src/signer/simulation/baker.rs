//! Bakers as Octez is one: one thing at a time with each key, asked once, with a time after which it is of no
//! more use.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::fixture::{self, at, second};
use crate::guard::{Candidate, Claim, Slot as GuardSlot, Stream};
use crate::tezos::{ChainId, ConsensusKind, Curve, Scheme, Signature, digest, verify};

use super::super::attempts::{Ask, AttemptError};
use super::draw::Draw;
use super::options::{BEGIN, Mistake};
use super::trace::{Event, Outcome, Reason, Slot};
use super::world::World;

/// The level below which everything counts as signed.
pub(super) const FLOOR: u32 = 100;

/// A baker with one key.
pub(super) struct Baker {
    pub(super) world: Arc<World>,
    pub(super) key: usize,
    pub(super) draw: Draw,
}

impl Baker {
    /// Asks level after level until the world has seen enough.
    pub(super) async fn run(mut self) {
        let options = self.world.options.bakers[self.key].clone();
        let mut level = 0_u32;
        while !self.world.is_over() {
            let rounds = 1 + u32::from(self.draw.percent(options.rounds));
            let begins = BEGIN + self.world.options.block_time * level;
            let spread = self.draw.ms(0, 300);
            self.world.until(begins + spread).await;
            let bakes = self.draw.percent(options.blocks);
            for round in 0..rounds {
                self.round(level, round, bakes).await;
                if self.world.is_over() {
                    return;
                }
            }
            // Who was held up goes on with the level that the chain is at.
            let since = self.world.trace.now().saturating_sub(BEGIN);
            let reached = since.as_millis() / self.world.options.block_time.as_millis();
            level = (level + 1).max(u32::try_from(reached).unwrap());
        }
    }

    async fn round(&mut self, level: u32, round: u32, bakes: bool) {
        use ConsensusKind::{Attestation, Block, Preattestation};
        for kind in [Block, Preattestation, Attestation] {
            if kind == Block && !bakes {
                continue;
            }
            let slot = Slot {
                key: self.key,
                position: at(FLOOR + 1 + level, round),
                kind,
            };
            self.ask(slot).await;
            let pause = self.draw.ms(10, 500);
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks for a signature as long as it is of use.
    async fn ask(&mut self, slot: Slot) {
        let options = self.world.options.bakers[self.key].clone();
        let hangs_up = self
            .draw
            .percent(options.hang_ups)
            .then(|| self.draw.ms(5, 1_500));
        let waits = self.request(slot, Reason::Own);
        // Somebody waits for that as well.
        let _twin = self
            .draw
            .percent(options.twins)
            .then(|| self.request(slot, Reason::Twin));
        let (ask, answer) = waits;
        let Some(after) = hangs_up else {
            let outcome = answer.await;
            let failed = matches!(outcome, Ok(Outcome::NoSigner));
            if failed && self.draw.percent(options.again) {
                drop(self.request(slot, Reason::Again).1.await);
            }
            return;
        };
        if tokio::time::timeout(after, answer).await.is_err() {
            self.world.trace.note(Event::HungUp { ask });
        }
    }

    /// Makes a request, which goes on in a task of its own; its number, and its answer.
    fn request(&self, slot: Slot, reason: Reason) -> (usize, oneshot::Receiver<Outcome>) {
        let number = u8::try_from(self.key).unwrap();
        let name = match reason {
            Reason::Own | Reason::Again => number,
            Reason::Twin => number + 100,
        };
        let (ask, limit) = (self.world.number(), self.limit(slot));
        let deterministic = self.world.options.bakers[self.key].deterministic;
        let now = self.world.trace.now();
        let request = Request {
            world: Arc::clone(&self.world),
            ask,
            slot,
            bytes: payload(slot, name),
            deadline: now + limit,
            deterministic,
            reason,
        };
        self.world.trace.note(Event::Asked {
            ask,
            slot,
            digest: digest(&request.bytes),
            deadline: request.deadline,
            reason,
            deterministic,
        });
        let (sender, answer) = oneshot::channel();
        self.world
            .requests
            .spawn("request", async move { request.run(sender).await });
        (ask, answer)
    }

    /// Two thirds of the round for votes, all of it for blocks, or what is configured.
    fn limit(&self, slot: Slot) -> Duration {
        let options = &self.world.options;
        let round = options.round(slot.position.round.get());
        options.fixed_limit.unwrap_or(match slot.kind {
            ConsensusKind::Block => round,
            _ => round / 3 * 2,
        })
    }
}

/// One request on its way from the claim to the record.
struct Request {
    world: Arc<World>,
    ask: usize,
    slot: Slot,
    bytes: Vec<u8>,
    deadline: Duration,
    deterministic: bool,
    reason: Reason,
}

impl Request {
    async fn run(self, mut answer: oneshot::Sender<Outcome>) {
        let outcome = self.outcome(&mut answer).await;
        let ask = self.ask;
        self.world.trace.note(Event::Answered { ask, outcome });
        // Whoever hung up is told by nobody.
        answer.send(outcome).unwrap_or(());
    }

    async fn outcome(&self, answer: &mut oneshot::Sender<Outcome>) -> Outcome {
        let public_key = self.world.secrets[self.slot.key].public_key();
        let candidate = Candidate {
            slot: GuardSlot {
                stream: Stream {
                    chain: ChainId::MAINNET,
                    key: public_key.hash(),
                    kind: self.slot.kind,
                },
                position: self.slot.position,
            },
            digest: digest(&self.bytes),
            scheme: Scheme::Standard,
        };
        let guard = self.world.guard_for(self.reason);
        let permit = match guard.claim(candidate, second(1_000)).await {
            Ok(Claim::Permitted(permit)) => permit,
            Ok(Claim::Recorded(record)) => return self.signed(&record.signature),
            Err(_) => return Outcome::Unclaimed,
        };
        let late = if self.world.options.mistake == Some(Mistake::IsLate) {
            Duration::from_secs(3)
        } else {
            Duration::ZERO
        };
        let ask = Ask {
            public_key: public_key.clone(),
            bytes: Bytes::copy_from_slice(&self.bytes),
            authentication: None,
            version: None,
            deterministic: self.deterministic,
            deadline: self.world.trace.instant(self.deadline + late),
        };
        let attempts = &self.world.attempts;
        let signed = match attempts.sign(&permit, &ask, answer.closed()).await {
            Ok(signed) => signed,
            Err(error) => return failed(&error),
        };
        let record = guard.record(permit, signed.signature, &signed.signer, second(1_000));
        match record.await {
            Ok(record) => self.signed(&record.signature),
            Err(_) => Outcome::Wrong("not recorded"),
        }
    }

    fn signed(&self, signature: &Signature) -> Outcome {
        let public_key = self.world.secrets[self.slot.key].public_key();
        let verifies = verify(public_key, Scheme::Standard, &self.bytes, signature).is_ok();
        Outcome::Signed { verifies }
    }
}

fn failed(error: &AttemptError) -> Outcome {
    match error {
        AttemptError::Dropped => Outcome::Dropped,
        AttemptError::NoSigner { .. } => Outcome::NoSigner,
        AttemptError::Superseded { .. } => Outcome::Superseded,
        AttemptError::Shed => Outcome::Wrong("shed"),
        AttemptError::Foreign(_) => Outcome::Wrong("foreign"),
        AttemptError::Unauthenticated { .. } => Outcome::Wrong("unauthenticated"),
    }
}

/// The bytes that bakers sign for a slot; other names are other bytes.
fn payload(slot: Slot, name: u8) -> Vec<u8> {
    match slot.kind {
        ConsensusKind::Block => fixture::block(slot.position, name),
        ConsensusKind::Preattestation => {
            let mut bytes = fixture::attestation(Curve::Ed25519, slot.position, name);
            (bytes[0], bytes[37]) = (0x12, 0x14);
            bytes
        }
        _ => fixture::attestation(Curve::Ed25519, slot.position, name),
    }
}
