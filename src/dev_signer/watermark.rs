//! The signer's own high watermark: what it signs, what it answers again and what it refuses.
//!
//! Pure decisions and a map in memory; a restart forgets everything, as a signer without its files
//! would. It imitates other devices and is no part of the proxy's own guard. Two devices are imitated:
//! octez-signer with `--check-high-watermark` (a mark per chain, key and kind; equal bytes get the
//! stored signature) and a Ledger (one position over all kinds; nothing twice).

use std::collections::HashMap;

use crate::tezos::{
    ChainId, ConsensusKind, ConsensusPayload, Digest, Position, PublicKeyHash, Signature,
};

/// What a Ledger's "wrong values" status looks like in the answer of the program in front of it.
const LEDGER_REFUSAL: &str = "ledger refused to sign: wrong values (0x6a80)";

/// How strict the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// A mark per kind; equal bytes get the stored signature.
    Octez,
    /// A mark per kind; equal bytes are refused.
    RefuseRepeats,
    /// One position over all kinds; only a higher one is signed.
    Shared,
    /// Everything is signed.
    Off,
}

/// The device's answer to one payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Make a new signature.
    Sign,
    /// Answer this one, made before over the same bytes.
    Replay(Signature),
    /// Refuse with this sentence.
    Refuse(String),
}

/// Kinds that share one mark in octez-signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Class {
    Attestation,
    Block,
    Endorsement,
    Preattestation,
}

impl Class {
    fn of(kind: ConsensusKind) -> Self {
        match kind {
            ConsensusKind::Attestation => Self::Attestation,
            ConsensusKind::Block | ConsensusKind::LegacyBlock => Self::Block,
            ConsensusKind::LegacyEndorsement => Self::Endorsement,
            ConsensusKind::Preattestation => Self::Preattestation,
        }
    }

    /// The word in octez-signer's sentences.
    fn name(self) -> &'static str {
        match self {
            Self::Attestation => "attestation",
            Self::Block => "block",
            Self::Endorsement => "endorsement",
            Self::Preattestation => "preattestation",
        }
    }
}

#[derive(Clone, Debug)]
struct Mark {
    position: Position,
    digest: Digest,
    signature: Signature,
}

/// All marks of one device.
#[derive(Debug, Default)]
pub(super) struct Watermarks {
    marks: HashMap<(ChainId, PublicKeyHash, Class), Mark>,
    shared: HashMap<(ChainId, PublicKeyHash), (Position, u8)>,
}

impl Watermarks {
    /// Decides on a payload without changing anything.
    pub(super) fn decide(
        &self,
        rule: Rule,
        key: PublicKeyHash,
        payload: &ConsensusPayload,
        digest: &Digest,
    ) -> Decision {
        match rule {
            Rule::Octez => self.decide_by_kind(key, payload, digest),
            Rule::RefuseRepeats => match self.decide_by_kind(key, payload, digest) {
                Decision::Replay(_) => Decision::Refuse(LEDGER_REFUSAL.to_owned()),
                other @ (Decision::Sign | Decision::Refuse(_)) => other,
            },
            Rule::Shared => match self.shared.get(&(payload.chain, key)) {
                Some(mark) if shared_position(payload) <= *mark => {
                    Decision::Refuse(LEDGER_REFUSAL.to_owned())
                }
                Some(_) | None => Decision::Sign,
            },
            Rule::Off => Decision::Sign,
        }
    }

    fn decide_by_kind(
        &self,
        key: PublicKeyHash,
        payload: &ConsensusPayload,
        digest: &Digest,
    ) -> Decision {
        let class = Class::of(payload.kind);
        let Some(mark) = self.marks.get(&(payload.chain, key, class)) else {
            return Decision::Sign;
        };
        let (asked, high) = (payload.position, mark.position);
        if high < asked {
            return Decision::Sign;
        }
        if asked == high && *digest == mark.digest {
            return Decision::Replay(mark.signature.clone());
        }
        let (name, level, high_level) = (class.name(), asked.level.get(), high.level.get());
        let (round, high_round) = (asked.round.get(), high.round.get());
        Decision::Refuse(if level < high_level {
            format!("{name} level {level} below high watermark {high_level}")
        } else if asked < high {
            format!(
                "{name} level {level} and round {round} not above high watermark ({high_level},{high_round})"
            )
        } else if has_round(payload.kind) {
            format!("{name} level {level} and round {round} already signed with different data")
        } else {
            format!("{name} level {level} already signed with different data")
        })
    }

    /// Remembers a signature that was made. Marks never fall, even when the rule is [`Rule::Off`].
    pub(super) fn raise(
        &mut self,
        key: PublicKeyHash,
        payload: &ConsensusPayload,
        digest: Digest,
        signature: &Signature,
    ) {
        let mark = Mark {
            position: payload.position,
            digest,
            signature: signature.clone(),
        };
        let place = (payload.chain, key, Class::of(payload.kind));
        match self.marks.get(&place) {
            Some(old) if mark.position < old.position => {}
            Some(_) | None => drop(self.marks.insert(place, mark)),
        }
        let position = shared_position(payload);
        let shared = self.shared.entry((payload.chain, key)).or_insert(position);
        *shared = position.max(*shared);
    }
}

fn shared_position(payload: &ConsensusPayload) -> (Position, u8) {
    (payload.position, payload.kind.order_in_round())
}

fn has_round(kind: ConsensusKind) -> bool {
    match kind {
        ConsensusKind::Attestation | ConsensusKind::Block | ConsensusKind::Preattestation => true,
        ConsensusKind::LegacyBlock | ConsensusKind::LegacyEndorsement => false,
    }
}

#[cfg(test)]
mod tests;
