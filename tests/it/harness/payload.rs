//! What bakers have signed: blocks and votes of every layout, built field by field.
//!
//! Written from the layout of the protocol and not with the proxy's parser, so that the two can disagree.

use signer_proxy::tezos::{ChainId, Curve};

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Block,
    Preattestation,
    Attestation,
}

impl Kind {
    /// In the order in which a round produces them.
    pub(crate) const ALL: [Self; 3] = [Self::Block, Self::Preattestation, Self::Attestation];
}

/// A position and the kind of what is signed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) kind: Kind,
    pub(crate) level: u32,
    pub(crate) round: u32,
}

pub(crate) const fn block(level: u32) -> Slot {
    slot(Kind::Block, level, 0)
}

pub(crate) const fn preattestation(level: u32) -> Slot {
    slot(Kind::Preattestation, level, 0)
}

pub(crate) const fn attestation(level: u32) -> Slot {
    slot(Kind::Attestation, level, 0)
}

pub(crate) const fn slot(kind: Kind, level: u32, round: u32) -> Slot {
    Slot { kind, level, round }
}

impl Slot {
    /// The mainnet payload that a key of `curve` signs here; another `fill` is another payload.
    pub(crate) fn bytes(self, curve: Curve, fill: u8) -> Vec<u8> {
        match self.kind {
            Kind::Block => self.block(fill),
            Kind::Preattestation => self.vote(curve, 0x12, fill),
            Kind::Attestation => self.vote(curve, 0x13, fill),
        }
    }

    fn vote(self, curve: Curve, magic: u8, fill: u8) -> Vec<u8> {
        let mut bytes = vec![magic];
        bytes.extend(ChainId::MAINNET.bytes());
        bytes.extend([fill; 32]);
        if curve == Curve::Bls {
            bytes.push(if magic == 0x12 { 0x28 } else { 0x29 });
        } else {
            bytes.push(if magic == 0x12 { 0x14 } else { 0x15 });
            bytes.extend([0, 7]);
        }
        bytes.extend(self.level.to_be_bytes());
        bytes.extend(self.round.to_be_bytes());
        bytes.extend([fill; 32]);
        bytes
    }

    fn block(self, fill: u8) -> Vec<u8> {
        let mut bytes = vec![0x11];
        bytes.extend(ChainId::MAINNET.bytes());
        bytes.extend(self.level.to_be_bytes());
        bytes.push(2);
        bytes.extend([fill; 32]);
        bytes.extend([0, 0, 0, 0, 0x61, 0x9f, 0x5a, 0xc1]);
        bytes.push(4);
        bytes.extend([fill; 32]);
        bytes.extend(33_u32.to_be_bytes());
        bytes.extend([0, 0, 0, 1, 2]);
        item(&mut bytes, self.level);
        bytes.extend([0, 0, 0, 0]);
        item(&mut bytes, u32::MAX);
        item(&mut bytes, self.round);
        bytes.extend([fill; 64]);
        bytes.extend([0; 4]);
        bytes.extend([fill; 8]);
        bytes.extend([0, 0]);
        bytes
    }
}

/// A fitness item of four bytes.
fn item(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend(4_u32.to_be_bytes());
    bytes.extend(value.to_be_bytes());
}
