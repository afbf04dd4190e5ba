//! Payloads: the program and the second reader agree on every slot and every refusal.
//!
//! The input is a payload. It is read for keys of all curves, without layouts of an operator and with several.

use signer_proxy::tezos::{ConsensusKind, Curve, Payload, PayloadError, VoteLayout};

use super::decoder::{Described, Slot, Verdict, Votes, read};

/// Layouts that an operator could have written: one of them stands twice, one is of a known tag.
const LAYOUTS: [(u8, usize); 5] = [(0x30, 40), (0x31, 38), (0x15, 38), (0x30, 60), (0x32, 128)];

pub(crate) fn check(bytes: &[u8]) {
    let fitting = fitting_layout(bytes);
    for curve in Curve::ALL {
        let plain = Payload::decode(curve, bytes);
        agree(curve, bytes, &[], plain);
        well_described(bytes, plain);
        one_slot_however_long(curve, bytes, plain);
        for layouts in [&LAYOUTS[..], &[fitting]] {
            let described: Vec<_> = layouts
                .iter()
                .map(|(tag, level_offset)| VoteLayout {
                    tag: *tag,
                    level_offset: *level_offset,
                })
                .collect();
            let result = Payload::decode_with(curve, bytes, &described);
            agree(curve, bytes, layouts, result);
            well_described(bytes, result);
            let unknown = matches!(plain, Err(PayloadError::UnknownVoteTag { .. }));
            assert!(unknown || plain == result, "a layout changed {plain:?}");
        }
    }
    let [tz1, tz2, tz3] = [Curve::Ed25519, Curve::Secp256k1, Curve::P256].map(|curve| {
        // The curve stands in one of the errors.
        Payload::decode(curve, bytes).map_err(|error| std::mem::discriminant(&error))
    });
    assert!(tz1 == tz2 && tz2 == tz3, "tz1, tz2 and tz3 differ");
}

/// A layout for the tag of this payload, with an offset that its last byte chooses.
fn fitting_layout(bytes: &[u8]) -> (u8, usize) {
    let tag = bytes.get(37).copied().unwrap_or_default();
    let offset = bytes.last().copied().unwrap_or_default();
    (tag, usize::from(offset))
}

/// The second reader says the same.
fn agree(
    curve: Curve,
    bytes: &[u8],
    layouts: &[(u8, usize)],
    result: Result<Payload, PayloadError>,
) {
    let votes = match curve {
        Curve::Ed25519 | Curve::Secp256k1 | Curve::P256 => Votes::Slotted,
        Curve::Bls => Votes::Aggregated,
        Curve::MlDsa => Votes::Never,
    };
    let described: Vec<_> = layouts
        .iter()
        .map(|(tag, level_at)| Described {
            tag: *tag,
            level_at: *level_at,
        })
        .collect();
    let verdict = match result {
        Ok(Payload::Consensus(slot)) => Verdict::Slot(Slot {
            magic: slot.kind.magic(),
            chain: slot.chain.bytes(),
            level: slot.position.level.get(),
            round: slot.position.round.get(),
        }),
        Ok(Payload::Other { magic }) => Verdict::Other(magic),
        Err(_) => Verdict::Refused,
    };
    assert_eq!(
        verdict,
        read(votes, &described, bytes),
        "{curve} {layouts:?} {result:?}"
    );
}

/// Kinds are right and errors point into the payload.
fn well_described(bytes: &[u8], result: Result<Payload, PayloadError>) {
    let magic = bytes.first().copied();
    match result {
        Ok(Payload::Consensus(slot)) => assert_eq!(magic, Some(slot.kind.magic())),
        Ok(Payload::Other { magic: other }) => {
            assert_eq!(magic, Some(other));
            assert_eq!(ConsensusKind::from_code(other), None);
        }
        Err(PayloadError::Empty) => assert!(bytes.is_empty()),
        Err(PayloadError::Truncated { offset, .. }) => assert!(offset <= bytes.len()),
        Err(PayloadError::TooLong { offset, extra }) => {
            assert!(extra > 0);
            assert_eq!(offset + extra, bytes.len());
        }
        Err(PayloadError::Field { offset, .. }) => assert!(offset < bytes.len()),
        Err(PayloadError::UnknownVoteTag { tag }) => assert_eq!(bytes.get(37), Some(&tag)),
        Err(PayloadError::VoteTagOfOtherKind { kind, tag }) => {
            assert_eq!((magic, bytes.get(37)), (Some(kind.magic()), Some(&tag)));
        }
        Err(PayloadError::VoteTagOfOtherCurve { tag, .. }) => {
            assert_eq!(bytes.get(37), Some(&tag));
        }
        Err(PayloadError::CurveWithoutConsensus { curve, kind }) => {
            assert_eq!((magic, curve), (Some(kind.magic()), Curve::MlDsa));
        }
    }
}

/// More bytes may make a payload wrong; they never move it to another slot.
fn one_slot_however_long(curve: Curve, bytes: &[u8], result: Result<Payload, PayloadError>) {
    let longer = [bytes, &[0]].concat();
    if let (Ok(short), Ok(long)) = (result, Payload::decode(curve, &longer)) {
        assert_eq!(short, long);
    }
}
